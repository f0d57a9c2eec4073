"""The replaying worker: a genesis and its blocks in, what each asset comes to at a height out.

Run by `node.audit.conservation` as ``python -m node.workers.replay``. It reads ``("bytes", part)`` and
then what the parts so far are: ``("genesis",)`` once, ``("block",)`` for each block in order. It
answers ``("count",)`` with ``("counted", state root, {asset: (genesis supply, issued, redeemed, balances,
holders, supply)})``; amounts are text, since a broken sum may pass 64 bits. A block that the rules
refuse ends the replay with ``("refused", height, code)``.

The three sides of an asset's books are counted apart: what was issued and redeemed is added up from
the transactions, what accounts hold from the balances of the state, and the supply is the state's own
entry. The state itself is that of the one transition that every node applies; its root is hashed from
nothing but the records counted here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from ledger.blocks import decode_block
from ledger.errors import LedgerError
from ledger.genesis import decode_genesis
from ledger.identity import ACCOUNT_ID_BYTES, AssetCode
from ledger.kinds import Issue, Redeem
from ledger.state import (
    ASSET,
    BALANCE,
    Overlay,
    Record,
    StateKey,
    encode_record,
    parameters_of,
    supply_of,
)
from ledger.state_tree import tree_of
from ledger.transactions import SignedTransaction
from ledger.transition import apply_block
from node.workers.framing import READ_BYTES, FrameBuffer, encode_frame

STDIN: Final = 0
NICE: Final = 10
"""The process gives way to consensus by this much."""
OOM_SCORE: Final = "500"
"""How much sooner than others the kernel ends the process when memory runs out, -1,000 to 1,000."""

Message = tuple[object, ...]


class Replay:
    """A chain's state from its genesis on, and what was issued and redeemed so far."""

    def __init__(self, genesis: bytes) -> None:
        self._genesis = decode_genesis(genesis)
        self._genesis_hash = self._genesis.header().hash
        self._height = 0
        self._entries: dict[StateKey, Record] = self._genesis.state()
        self._issued: Counter[AssetCode] = Counter()
        self._redeemed: Counter[AssetCode] = Counter()

    def get(self, key: StateKey) -> Record | None:
        """Return the record under ``key``, or None."""
        return self._entries.get(key)

    def apply(self, raw: bytes) -> Message | None:
        """Apply the next block; return why the rules refuse it, None where they do not."""
        self._height += 1
        overlay = Overlay(self)
        try:
            block = decode_block(raw, bytes_max=len(raw))
            apply_block(
                overlay,
                block.transactions,
                height=block.header.height,
                genesis_hash=self._genesis_hash,
                parameters=parameters_of(self),
            )
        except LedgerError as error:
            return ("refused", self._height, error.code)
        for key, record in overlay.delta().after.items():
            if record is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = record
        self._count_flows(block.transactions)
        return None

    def count(self) -> Message:
        """Return the state's root and what each asset comes to."""
        began = Counter[AssetCode]()
        for held in self._genesis.balances.values():
            began.update(held)
        balances, holders = Counter[AssetCode](), Counter[AssetCode]()
        for key, record in self._entries.items():
            if key.startswith(BALANCE) and record:
                asset = AssetCode(key[len(BALANCE) + ACCOUNT_ID_BYTES :].decode())
                balances[asset] += record
                holders[asset] += 1
        counted = {
            asset: (
                *(str(sums[asset]) for sums in (began, self._issued, self._redeemed, balances)),
                holders[asset],
                str(supply_of(self, asset)),
            )
            for asset in self._assets()
        }
        tree = tree_of({key: encode_record(record) for key, record in self._entries.items()})
        return ("counted", tree.root, counted)

    def _assets(self) -> list[AssetCode]:
        keys = sorted(key for key in self._entries if key.startswith(ASSET))
        return [AssetCode(key[len(ASSET) :].decode()) for key in keys]

    def _count_flows(self, transactions: Iterable[SignedTransaction]) -> None:
        for transaction in transactions:
            effect = transaction.body.effect
            if isinstance(effect, Issue | Redeem):
                sums = self._issued if isinstance(effect, Issue) else self._redeemed
                sums[effect.asset] += sum(entry.amount for entry in effect.entries)


class Reader:
    """What arrives, put together: parts to a genesis or a block, and each to the replay."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._replay: Replay | None = None

    def take(self, message: Message) -> Message | None:
        """Take a message; return its answer, None where it has none."""
        if message[0] == "bytes":
            self._parts.append(cast("bytes", message[1]))
            return None
        whole, self._parts = b"".join(self._parts), []
        if self._replay is None:
            self._replay = Replay(whole)
            return None
        return self._replay.apply(whole) if message[0] == "block" else self._replay.count()


def main() -> None:
    """Replay until the input ends or a block is refused."""
    # An operator's Ctrl-C reaches the whole process group: the node decides when its workers go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    # It holds a whole state: where memory ends, it must go and not the node.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, "ascii")
    reader, messages = Reader(), FrameBuffer()
    while data := os.read(STDIN, READ_BYTES):
        for message in messages.feed(data):
            said = reader.take(cast("Message", message))
            if said is None:
                continue
            sys.stdout.buffer.write(encode_frame(said))
            sys.stdout.buffer.flush()
            if said[0] == "refused":
                return


if __name__ == "__main__":
    main()
