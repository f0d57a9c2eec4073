"""Features of the warehouse: the expressions as DuckDB's SQL, on a cursor of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

import duckdb

WINDOW_MS: Final = 7 * 86_400_000
"""How far back features look, milliseconds."""
MEMORY_MS: Final = 28 * 86_400_000
"""How long before the window a payment makes a counterparty an old one, milliseconds."""

DECIMALS: Final = 9
"""Decimal places of a feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What features look at: the payments of some days, up to and with a block."""

    height: int
    """The last block."""
    end_ms: int
    """Its time, milliseconds since 1970-01-01 UTC."""
    length_ms: int = WINDOW_MS
    """How far back the window reaches; its beginning is outside."""
    memory_ms: int = MEMORY_MS
    """How far before the window counterparties are remembered."""


class AccountFeatures(NamedTuple):
    """One account's row."""

    account: str
    """Its id, ``sun1…``."""
    member: str
    """Member that keeps it."""
    kind: str
    """Its kind on the ledger."""
    values: dict[str, float]
    """Every feature by name, in its own unit."""


def read_features(
    cursor: duckdb.DuckDBPyConnection, window: Window, account: str | None = None
) -> list[AccountFeatures]:
    """Return the features of all accounts, or of one, in the order of their ids.

    Numbers are rounded to `DECIMALS`, because sums of the same blocks differ in their last digits
    by the order in which threads add.
    """
    names, query = _query()
    first_ms = window.end_ms - window.length_ms
    times = [_moment(at) for at in (window.end_ms, first_ms, first_ms - window.memory_ms)]
    asked: list[object] = [window.height, times[2], times[0], window.height, *times]
    condition = "" if account is None else "WHERE account = ?"
    rows = cursor.execute(
        f"{_AROUND.format(query=query)} {condition} ORDER BY account",
        asked if account is None else [*asked, account],
    ).fetchall()
    return [
        AccountFeatures(
            account,
            member,
            kind,
            {name: round(value, DECIMALS) for name, value in zip(names, values, strict=True)},
        )
        for account, member, kind, *values in rows
    ]


def prepare_features() -> None:
    """Make the query now, so that no block waits for it later."""
    _query()


# The expression cuts by time itself. DuckDB skips what it need not read by constants alone, so the
# legs are cut by them before.
_AROUND: Final = """
WITH legs AS (
    SELECT height, time, kind, debit, credit, asset, amount FROM main.legs
    WHERE height <= ? AND time > ? AND time <= ?
), feature_window AS (
    SELECT ?::BIGINT AS until_height, ?::TIMESTAMP AS until, ?::TIMESTAMP AS after,
        ?::TIMESTAMP AS remembered_after
)
SELECT * FROM ({query})
"""


@cache
def _query() -> tuple[tuple[str, ...], str]:
    """Return the names of the features and the SQL of their rows, made once."""
    import ibis  # noqa: PLC0415 - takes a second, and a process that only ingests needs none

    from analytics.features.accounts import NAMES, features  # noqa: PLC0415 - imports ibis

    table = features().select("account", "member", "kind", *NAMES)
    return NAMES, str(ibis.to_sql(table, dialect="duckdb"))


def _moment(time_ms: int) -> datetime:
    """Return a time as the tables hold it: UTC without a zone."""
    seconds, rest = divmod(time_ms, 1_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1_000, tzinfo=None)
