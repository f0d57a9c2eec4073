"""A small process that writes a chain and says what is durable; tests end it at any instant.

    python -m tests.functional.store_writer DIRECTORY BLOCKS

It prints ``written HEIGHT`` after each acknowledged height, on a line of its own, and exits 3 with
the error's code on standard error where the disk refuses.
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.core.effects import LogTransactions
from node.errors import StoreFailed
from node.storage.chain_store import RocksStore
from node.storage.vote_journal import VoteJournalFile
from tests.branches import Branches, Built

CACHE_MIB = 1
FAILED_STATUS = 3


def chain_of(branches: Branches, count: int) -> list[Built]:
    """Return the chain that a writer writes; the same in every process."""
    return branches.grow(branches.genesis, count)


def write(directory: Path, count: int) -> None:
    """Write vote, pending transaction, block and finality of each height, and acknowledge it."""
    branches = Branches()
    chain = chain_of(branches, count)
    store = RocksStore(directory / "chain", branches.network.genesis, CACHE_MIB)
    below, root = branches.genesis, branches.genesis
    with VoteJournalFile(directory / "journal" / "votes.log") as journal:
        for built in chain:
            store.apply([LogTransactions(transactions=built.block.transactions)])
            store.apply(branches.extend(below, [built]))
            if below.height > 0:
                store.apply([branches.finality(root, built)])
                root = below
            link = branches.chain.link(below.block.sealed, built.block.sealed)
            journal.append(branches.chain.sign(branches.chain.members[0], link))
            sys.stdout.write(f"written {built.height}\n")
            sys.stdout.flush()
            below = built
    store.close()


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]), int(sys.argv[2]))
    except StoreFailed as error:
        sys.stderr.write(f"{error.code}\n")
        sys.exit(FAILED_STATUS)
