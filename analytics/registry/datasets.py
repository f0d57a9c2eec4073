"""The tables that the answers to questions (`analytics.registry.series`) are learned from.

Features end before outcomes begin, so that nothing is learned from what it is to foretell. Accounts
that neither paid nor were paid in the window have no features and are no rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analytics.errors import RequestRefused
from analytics.features.reading import WINDOW_MS, Window, feature_names, read_feature_table
from analytics.models.errors import DataRefused
from analytics.registry.limits import OUTCOME_MS
from analytics.registry.records import DataRange
from analytics.registry.series import SERIES
from analytics.warehouse.sql import first_row

TARGET: Final = "warned"
"""Column of outcomes."""
WARNED: Final = "yes"
"""The outcome whose probability is the score."""
NOT_WARNED: Final = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A table to learn from."""

    table: pa.Table
    """``account``, the features, and the outcome where the series has one."""
    name: str
    """What it is, for the card."""
    sha256: str
    """Of its values, hex."""
    data: DataRange
    """The blocks that it is of."""


def check_features(features: Sequence[str] | None) -> None:
    """Refuse features that there are none of.

    Raises: DataRefused (``missing_column``).
    """
    for name in features or ():
        if name not in feature_names():
            detail = f"no feature {name!r}; there are {', '.join(feature_names())}"
            raise DataRefused("missing_column", detail, column=name)


def read_dataset(
    cursor: duckdb.DuckDBPyConnection, series: str, height: int, dismissed: Sequence[str]
) -> Dataset:
    """Return the table of a series up to and with a block.

    ``dismissed`` are alerts that officers found to be false: they are no outcome.

    Raises: DataRefused (``data_empty``) where no account has features.
    """
    last_ms = _time_ms(cursor, height)
    until = height
    if SERIES[series].has_outcomes:
        until = _features_until(cursor, last_ms)
    table = active_features(cursor, until)
    what = f"{series}: features of {len(table)} accounts at block {until}"
    if SERIES[series].has_outcomes:
        warned = _warned(cursor, until, height, dismissed)
        outcomes = [
            WARNED if account in warned else NOT_WARNED for account in table["account"].to_pylist()
        ]
        table = table.append_column(TARGET, pa.array(outcomes, pa.string()))
        what += f", outcomes to block {height}"
    return Dataset(
        table=table,
        name=what,
        sha256=_hash(table),
        data=DataRange(
            from_height=_first_height(cursor, _time_ms(cursor, until) - WINDOW_MS),
            to_height=height,
            block_hash=_block_hash(cursor, height),
        ),
    )


def active_features(cursor: duckdb.DuckDBPyConnection, height: int) -> pa.Table:
    """Return ``account`` and the features of accounts with payments in the window up to a block.

    Raises: DataRefused (``data_empty``) where there is none.
    """
    window = Window(height=height, end_ms=_time_ms(cursor, height))
    found = read_feature_table(cursor, window)
    moved = pc.add(found["paid_count"], found["received_count"])
    table = found.filter(pc.greater(moved, 0)).select(["account", *feature_names()])
    if not len(table):
        detail = f"no account paid or was paid in the week up to block {height}"
        raise DataRefused("data_empty", detail, height=height)
    return table


def _features_until(cursor: duckdb.DuckDBPyConnection, last_ms: int) -> int:
    """Return the last block of the features where outcomes follow.

    `OUTCOME_MS` before the end; in a history shorter than twice that, in its middle.
    """
    row = first_row(cursor, "SELECT epoch_ms(min(time)) FROM blocks WHERE height > 0")
    first_ms = last_ms if row is None or row[0] is None else int(row[0])
    until_ms = max(last_ms - OUTCOME_MS, (first_ms + last_ms) // 2)
    query = "SELECT max(height) FROM blocks WHERE time <= make_timestamp_ms(?)"
    found = first_row(cursor, query, [until_ms])
    return 0 if found is None or found[0] is None else int(found[0])


def _warned(
    cursor: duckdb.DuckDBPyConnection, after: int, until: int, dismissed: Sequence[str]
) -> set[str]:
    """Return the accounts that were warned of, or frozen, above one height and up to another."""
    asked: list[object] = [after, until, list(dismissed), after, until]
    rows = cursor.execute(
        "SELECT account FROM alerts WHERE height > ? AND height <= ? AND account IS NOT NULL"
        " AND id NOT IN (SELECT unnest(?::VARCHAR[]))"
        " UNION SELECT account FROM measures WHERE height > ? AND height <= ?"
        " AND measure = 'freeze'",
        asked,
    ).fetchall()
    return {row[0] for row in rows}


def _time_ms(cursor: duckdb.DuckDBPyConnection, height: int) -> int:
    row = first_row(cursor, "SELECT epoch_ms(time) FROM blocks WHERE height = ?", [height])
    if row is None:
        raise RequestRefused(404, "unknown_height", f"no block {height} here", height=height)
    return int(row[0])


def _first_height(cursor: duckdb.DuckDBPyConnection, after_ms: int) -> int:
    query = "SELECT min(height) FROM blocks WHERE time > make_timestamp_ms(?)"
    row = first_row(cursor, query, [after_ms])
    return 0 if row is None or row[0] is None else int(row[0])


def _block_hash(cursor: duckdb.DuckDBPyConnection, height: int) -> str:
    row = first_row(cursor, "SELECT hash FROM blocks WHERE height = ?", [height])
    return "" if row is None else str(row[0])


def _hash(table: pa.Table) -> str:
    """Return the SHA-256 of a table's values: the same rows give the same."""
    digest = hashlib.sha256()
    for name in table.column_names:
        values: Any = table[name]
        digest.update(f"{name}\n".encode())
        if pa.types.is_floating(values.type):
            digest.update(np.ascontiguousarray(values.to_numpy()).tobytes())
        else:
            digest.update("\n".join(values.to_pylist()).encode())
    return digest.hexdigest()
