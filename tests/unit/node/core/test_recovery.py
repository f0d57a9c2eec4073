"""A start on what the power left: blocks that were accepted and not connected may be lost in part."""

from __future__ import annotations

from itertools import chain as chained
from itertools import combinations

import pytest

from node.core.effects import StoreBlock
from node.core.messages import BlockMessage, GetBlocks, NotFound
from node.storage.memory import MemoryKeyValue, MemoryStore
from node.storage.tables import Table, checkpoint_key
from tests.factories import make_network
from tests.unit.node.core.bench import Bench, Made

PEERS = ("bank2", "bank3", "regulator")
PARTS = (Table.BLOCKS, Table.HEADERS, Table.TXIDS, Table.UNFINAL)
LOSSES = list(chained.from_iterable(combinations(PARTS, size) for size in range(1, 5)))
"""Every way to lose something of a block's four records."""


class Stand:
    """A node with two blocks, and a branch of two beside them that it holds unconnected."""

    def __init__(self) -> None:
        self.tables = MemoryKeyValue()
        network = make_network()
        self.bench = Bench(network, store=MemoryStore(network.genesis, self.tables))
        self.bench.connect(*PEERS)
        self.bench.deliver("bank2", *self.bench.row(self.bench.genesis, 2))
        payment = network.transfer(network.leg("alice", "bob", 5))
        self.branch = [self.bench.block(self.bench.genesis, payment, step_ms=2_000)]
        for _ in range(3):
            self.branch.append(self.bench.block(self.branch[-1], step_ms=2_000))
        self.head = self.bench.engine.chain.head.hash
        self.bench.deliver("bank3", *self.branch[:2])
        assert len(self.bench.wanted(StoreBlock)) == 2
        assert self.bench.engine.chain.head.hash == self.head

    def lose(self, made: Made, *parts: Table) -> None:
        """Let the power take records of a block."""
        place = checkpoint_key(made.block.header.height, made.hash)
        for part in parts:
            key = place if part is Table.UNFINAL else made.hash
            self.tables.write({part: {key: None}}, is_synced=False)

    def restart(self) -> Bench:
        """Start the node again on what is left, and let its peers come."""
        network = self.bench.network
        bench = Bench(network, store=MemoryStore(network.genesis, self.tables))
        bench.connect(*PEERS)
        assert bench.engine.chain.head.hash == self.head
        return bench


def deliver_all(bench: Bench, blocks: list[Made]) -> None:
    """Let a peer announce each block, and bring whatever it is asked for meanwhile."""
    by_hash = {made.hash: made for made in blocks}
    for made in blocks:
        bench.announce("bank2", made.sealed)
        asked = [h for message in bench.sent("bank2", GetBlocks) for h in message.hashes]
        for block_hash in asked:
            bench.receive("bank2", BlockMessage(block=by_hash[block_hash].block.encode()))


@pytest.mark.parametrize("at", [0, 1], ids=["parent", "child"])
@pytest.mark.parametrize("lost", LOSSES, ids="-".join)
def test_threat_52_a_block_lost_in_part_is_whole_again_once_it_is_connected(
    lost: tuple[Table, ...], at: int
) -> None:
    """Whichever of its records is gone: it is used if it can be, fetched again if not."""
    stand = Stand()
    stand.lose(stand.branch[at], *lost)
    bench = stand.restart()
    deliver_all(bench, stand.branch)
    engine = bench.engine
    assert engine.chain.head.hash == stand.branch[-1].hash
    assert engine.chain.state_tree.root == stand.branch[-1].sealed.header.state_root
    view = bench.store.view()
    for made in stand.branch:
        height = made.block.header.height
        assert bench.store.block_bytes(made.hash) == made.block.encode()
        assert bench.store.sealed_header(made.hash) == made.sealed
        assert view.hash_at(height) == made.hash
        assert stand.tables.get(Table.TXIDS, made.hash) == b"".join(
            transaction.txid for transaction in made.block.transactions
        )
    again = Bench(bench.network, store=MemoryStore(bench.network.genesis, stand.tables))
    assert again.engine.chain.head.hash == stand.branch[-1].hash


def test_threat_52_a_block_whose_parent_was_lost_is_not_served() -> None:
    """Its body is on disk, and nobody validated it: whoever asks is sent to others."""
    stand = Stand()
    stand.lose(stand.branch[0], *PARTS)
    bench = stand.restart()
    child = stand.branch[1]
    bench.receive("bank3", GetBlocks(hashes=(child.hash,)))
    assert [message.hashes for message in bench.sent("bank3", NotFound)] == [(child.hash,)]
    assert not bench.sent("bank3", BlockMessage)
    deliver_all(bench, stand.branch)
    bench.receive("bank3", GetBlocks(hashes=(child.hash,)))
    assert bench.sent("bank3", BlockMessage)
