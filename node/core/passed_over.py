"""Censorship, as far as one node can see it: transactions that every block leaves out (threat 40).

A block may leave a transaction out, so nothing is refused for it. But a transaction that is next in
its lanes, within its window and funded, and that no block of many took, is worth an alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ledger.hashing import TxId
from ledger.state import StateView
from node.core import limits
from node.core.effects import Effect, Note
from node.core.mempool import Mempool
from node.core.pooled import lanes_of


class PassedOver:
    """Looks at the oldest waiting transactions every so many blocks."""

    def __init__(self, mempool: Mempool) -> None:
        self._mempool = mempool
        self._height = 0
        self._watched: tuple[TxId, ...] = ()

    def look(self, view: StateView, height: int) -> Iterable[Effect]:
        """Tell of what could have gone into any block since the last look; call at a new head."""
        if 0 <= height - self._height < limits.PASSED_OVER_BLOCKS:
            return
        left = [txid for txid in self._watched if txid in self._mempool]
        if left:
            yield Note(
                name="transactions_passed_over",
                fields={
                    "count": len(left),
                    "blocks": height - self._height,
                    "oldest": left[0].hex(),
                },
            )
        self._height = height
        oldest = islice(self._mempool, limits.PASSED_OVER_WATCHED_MAX)
        self._watched = tuple(txid for txid in oldest if self._is_next(txid, view, height))

    def _is_next(self, txid: TxId, view: StateView, height: int) -> bool:
        """Tell whether the next block may hold it, whatever else it holds."""
        transaction = self._mempool.get(txid)
        return (
            transaction is not None
            and transaction.body.valid_from <= height + 1
            and all(actor.sequence == next_ for _, actor, next_ in lanes_of(transaction, view))
        )
