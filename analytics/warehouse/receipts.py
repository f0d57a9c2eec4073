"""When the payer of each payment was last paid, kept as blocks come.

The column ``receipt`` of ``internal.legs`` is what the feature ``dwell_hours`` would otherwise have to
sort all payments of a window for. Receipts in the payment's own block count, in whatever order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Self

import duckdb
import numpy as np

from analytics.warehouse.accounts import Integers
from analytics.warehouse.rows import Columns

NO_RECEIPT: Final = -1
"""Time of a receipt that never was."""
_LAST: Final = """
SELECT credit, epoch_ms(max(time)) FROM internal.legs
WHERE kind = 'transfer' AND debit <> credit GROUP BY credit
"""


class Receipts:
    """The time of each account's last receipt, by the account's number."""

    def __init__(self) -> None:
        self._last_ms: Integers = np.zeros(0, np.int64)

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """Return the receipts that the legs of a warehouse tell of."""
        receipts = cls()
        rows = connection.execute(_LAST).fetchall()
        receipts._grow(1 + max((key for key, _ in rows), default=-1))
        for key, time_ms in rows:
            receipts._last_ms[key] = time_ms
        return receipts

    def of(self, columns: Columns, accounts: int) -> Integers:
        """Take in the legs that follow, of so many accounts; return their column, milliseconds.

        It is `NO_RECEIPT` for what is no payment, and before an account's first receipt.
        """
        self._grow(accounts)
        receipts = np.full(len(columns.amounts), NO_RECEIPT, np.int64)
        chosen = np.flatnonzero(columns.is_payment)
        payers, payees = columns.debit_keys[chosen], columns.credit_keys[chosen]
        heights, times = columns.leg_heights[chosen], columns.leg_times[chosen]
        starts = np.flatnonzero(np.diff(heights, prepend=-1)).tolist()
        for start, end in pairwise([*starts, len(chosen)]):
            self._last_ms[payees[start:end]] = times[start]
            receipts[chosen[start:end]] = self._last_ms[payers[start:end]]
        return receipts

    def _grow(self, accounts: int) -> None:
        missing = accounts - len(self._last_ms)
        if missing > 0:
            more = np.full(max(missing, len(self._last_ms)), NO_RECEIPT, np.int64)
            self._last_ms = np.concatenate((self._last_ms, more))
