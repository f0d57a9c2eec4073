"""``balances_daily``: what each account and asset closes a UTC day with, kept as blocks come.

The days that are over stand in ``internal.closed_days``, one row each. The day that is not over
gets a row a commit in ``internal.open_day``, of which the last one counts; when the first block of
another day comes, the last rows move to the closed days. So nothing is ever searched for to be
changed, whatever the size of the past.
"""

from __future__ import annotations

from typing import Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from analytics.limits import OPEN_DAY_ROWS_MAX
from analytics.warehouse.accounts import Integers
from analytics.warehouse.balances import DAY_MS, Balances, changes_of, pair_codes
from analytics.warehouse.rows import Columns, keys_array
from analytics.warehouse.sql import first_row, run_with
from ledger.limits import ASSETS_MAX

_CURRENT: Final = """
SELECT key, asset, sum(change)::BIGINT AS balance FROM (
    SELECT credit AS key, asset, amount AS change FROM internal.legs WHERE credit IS NOT NULL
    UNION ALL
    SELECT debit, asset, -amount FROM internal.legs WHERE debit IS NOT NULL
) GROUP BY key, asset
"""
_LAST_OF_OPEN_DAY: Final = """
SELECT account, asset, day, max(height), arg_max(balance, height)
FROM internal.open_day GROUP BY account, asset, day
"""


class DailyBalances:
    """Current balances in memory and the rows of the days."""

    def __init__(self, assets: list[str]) -> None:
        self._assets = assets
        self._balances = Balances()
        self._open_day: int | None = None
        self._open_rows = 0

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection, asset_keys: dict[str, int]) -> Self:
        """Return the balances that the legs of a warehouse add up to.

        Raises:
            WarehouseCorrupt: one of them is below zero.
        """
        daily = cls(list(asset_keys))
        current = connection.execute(_CURRENT).fetchnumpy()
        keys = np.asarray(current["key"], np.int64)
        assets = np.array([asset_keys[asset] for asset in current["asset"]], np.int64)
        daily._balances.apply(pair_codes(keys, assets), np.asarray(current["balance"], np.int64))
        query = "SELECT epoch_ms(max(day)::TIMESTAMP), count(*) FROM internal.open_day"
        row = first_row(connection, query)
        if row is not None and row[0] is not None:
            daily._open_day, daily._open_rows = row[0] // DAY_MS, row[1]
        return daily

    def commit(self, cursor: duckdb.DuckDBPyConnection, columns: Columns) -> None:
        """Write what the legs of some columns change, within their transaction."""
        days = columns.leg_times // DAY_MS
        for day in np.unique(days).tolist():
            chosen = days == day
            codes, changes = changes_of(
                columns.debit_keys[chosen],
                columns.credit_keys[chosen],
                columns.asset_keys[chosen],
                columns.amounts[chosen],
            )
            changed, after = self._balances.apply(codes, changes)
            if self._open_day is not None and day != self._open_day:
                self._close(cursor, "closed_days")
            rows = self._rows(changed, after, day, int(columns.leg_heights[chosen].max()))
            run_with(cursor, "INSERT INTO internal.open_day SELECT * FROM batch", rows)
            self._open_day = day
            self._open_rows += rows.num_rows
            if self._open_rows > OPEN_DAY_ROWS_MAX:
                self._close(cursor, "open_day")

    def _rows(self, codes: Integers, balances: Integers, day: int, height: int) -> pa.Table:
        keys, assets = codes // ASSETS_MAX, codes % ASSETS_MAX
        codes_of_assets = pa.array(self._assets, pa.string())
        return pa.table(
            {
                "account": keys_array(keys),
                "asset": pa.DictionaryArray.from_arrays(pa.array(assets), codes_of_assets),
                "day": pa.array(np.full(len(codes), day, np.int32), pa.date32()),
                "height": np.full(len(codes), height, np.int64),
                "balance": balances,
            }
        )

    def _close(self, cursor: duckdb.DuckDBPyConnection, target: str) -> None:
        """Leave the last row of each account and asset, in the closed days or where it is."""
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE last_of_day AS {_LAST_OF_OPEN_DAY}")
        cursor.execute("DELETE FROM internal.open_day")
        cursor.execute(f"INSERT INTO internal.{target} SELECT * FROM last_of_day")  # noqa: S608
        cursor.execute("DROP TABLE last_of_day")
        counted = first_row(cursor, "SELECT count(*) FROM internal.open_day")
        self._open_rows = 0 if counted is None else counted[0]
