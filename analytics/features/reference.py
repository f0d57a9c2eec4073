"""The block that windows are counted back from, where nobody names one."""

from __future__ import annotations

from typing import Final

import duckdb

from analytics.features.reading import WINDOW_MS, make_moment
from analytics.warehouse.sql import first_row

_PAYMENT: Final = "FROM internal.legs WHERE kind = 'transfer' AND debit <> credit AND height <= ?"
_TIME: Final = "SELECT epoch_ms(time) FROM blocks WHERE height = ?"


def reference_height(cursor: duckdb.DuckDBPyConnection, height: int) -> int:
    """Return the reference block up to a height: that block itself, while the market is alive.

    Where nobody has paid anybody in the features' window up to it, it is the block of the last payment:
    a chain that goes on without its market, or takes up one of the past, is still looked at as it was
    when it moved. Without any payment it is the block itself.
    """
    row = first_row(cursor, _TIME, [height])
    after = make_moment((0 if row is None else row[0]) - WINDOW_MS)
    recent = first_row(cursor, f"SELECT 1 {_PAYMENT} AND time > ? LIMIT 1", [height, after])
    if recent is not None:
        return height
    last = first_row(cursor, f"SELECT max(height) {_PAYMENT}", [height])
    return height if last is None or last[0] is None else int(last[0])
