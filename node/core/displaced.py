"""Transactions that left the mempool for good only if the head that displaced them becomes final.

A block gives a sequence to another transaction, spends the money that one waited to spend, or lets
its window pass. All of that is undone when the block is reorganised away, and the other chain may
hold the very transaction. So it is kept here, and stays pending for whoever asks, until the head at
which it left is final: then it is retired, with the reason. It stays in the durable log until then.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from consensus.votes import Checkpoint
from ledger.hashing import BlockHash, TxId
from ledger.transactions import SignedTransaction
from node.core.effects import Retirement, TransactionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacement:
    """A transaction that left the mempool without a block, and why."""

    transaction: SignedTransaction
    status: TransactionStatus
    """Expired or rejected, should it come to that."""
    code: str
    """Stable code of the reason."""
    is_by_rival: bool = False
    """Whether nothing but another transaction that waits stands against it: no chain decided."""

    @property
    def txid(self) -> TxId:
        """Its transaction's."""
        return self.transaction.txid

    def retirement(self) -> Retirement:
        """Return what is kept of it once it is certain."""
        return Retirement(txid=self.txid, status=self.status, code=self.code)


class Displaced:
    """Displacements with the head at which each happened, in order."""

    def __init__(self) -> None:
        self._at: dict[TxId, tuple[Displacement, Checkpoint]] = {}
        self.bytes_total = 0
        """Size of their transactions, which counts for the mempool's limit."""

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, txid: TxId) -> bool:
        return txid in self._at

    def add(self, displacements: Iterable[Displacement], head: Checkpoint) -> None:
        """Keep what a move of the head to ``head`` displaced."""
        for displacement in displacements:
            self.discard(displacement.txid)
            self._at[displacement.txid] = (displacement, head)
            self.bytes_total += len(displacement.transaction.raw)

    def discard(self, txid: TxId) -> Displacement | None:
        """Forget a transaction, if it is here: a block holds it after all."""
        displacement, _ = self._at.pop(txid, (None, None))
        if displacement is not None:
            self.bytes_total -= len(displacement.transaction.raw)
        return displacement

    def take_back(self, disconnected: Container[BlockHash]) -> list[SignedTransaction]:
        """Take out what was displaced at a head that left the best chain."""
        gone = [txid for txid, (_, at) in self._at.items() if at.hash in disconnected]
        return [displacement.transaction for displacement in self._pop(gone)]

    def settle(self, final_height: int) -> list[Displacement]:
        """Take out what was displaced at a head that is final now."""
        return self._pop([txid for txid, (_, at) in self._at.items() if at.height <= final_height])

    def _pop(self, txids: Iterable[TxId]) -> list[Displacement]:
        popped = (self.discard(txid) for txid in txids)
        return [displacement for displacement in popped if displacement is not None]
