"""Features of the warehouse: the expressions as DuckDB's SQL over what the warehouse keeps for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from analytics.warehouse.reading import account_key

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

    Of one account only its own payments are read, and amounts for the means. Numbers are rounded to
    `DECIMALS`, because sums of the same blocks differ in their last digits by the order in which
    threads add.
    """
    key = None if account is None else account_key(cursor, account)
    if account is not None and key is None:
        return []
    found = _read(cursor, window, key)
    texts = [found[name].to_pylist() for name in _TEXTS]
    numbers = [found[name].to_numpy().tolist() for name in feature_names()]
    return [
        AccountFeatures(account, member, kind, dict(zip(feature_names(), values, strict=True)))
        for account, member, kind, values in zip(*texts, zip(*numbers, strict=True), strict=True)
    ]


def read_feature_table(cursor: duckdb.DuckDBPyConnection, window: Window) -> pa.Table:
    """Return the features of all accounts as columns, as `read_features` says of each.

    Columns ``account``, ``member``, ``kind`` and `feature_names`, float64.
    """
    return _read(cursor, window, None)


def _read(cursor: duckdb.DuckDBPyConnection, window: Window, key: int | None) -> pa.Table:
    first_ms = window.end_ms - window.length_ms
    asked: dict[str, object] = {
        "height": window.height,
        "until": make_moment(window.end_ms),
        "after": make_moment(first_ms),
        "remembered_after": make_moment(first_ms - window.memory_ms),
    }
    if key is None:
        query = kept_query(is_of_one=False)
    else:
        query, asked["key"] = kept_query(is_of_one=True), key
    found = cursor.sql(query, params=asked).to_arrow_table()
    columns = {name: found[name] for name in _TEXTS}
    columns |= {name: np.round(found[name].to_numpy(), DECIMALS) for name in feature_names()}
    return pa.table(columns)


def feature_names() -> tuple[str, ...]:
    """Return the names of the features in the order of their columns."""
    return _compiled().names


def prepare_features() -> None:
    """Make the query now, so that no block waits for it later."""
    _compiled()


_TEXTS: Final = ("account", "member", "kind")
_PAYMENTS: Final = """
SELECT height, time, debit, credit, asset, amount, receipt FROM internal.legs
WHERE kind = 'transfer' AND debit <> credit AND height <= $height AND time > $after AND time <= $until
"""
_PAIRS: Final = """
SELECT debit AS account, credit AS other FROM internal.legs
WHERE kind = 'transfer' AND debit <> credit AND height <= $height
  AND time > $remembered_after AND time <= $after
"""
_OF_ONE: Final = "AND (debit = $key OR credit = $key)"


@cache
def kept_query(*, is_of_one: bool) -> str:
    """Return the query of the features of one account, ``$key``, or of all of a warehouse.

    What features are made of is cut by constants here, with which DuckDB skips what it need not read;
    what is made of it is the expression.
    """
    compiled, one = _compiled(), _OF_ONE if is_of_one else ""
    return f"""
WITH feature_window AS (
    SELECT $height::BIGINT AS until_height, $until::TIMESTAMP AS until, $after::TIMESTAMP AS after,
        $remembered_after::TIMESTAMP AS remembered_after
), kept_means AS (
    WITH kept_payments AS ({_PAYMENTS}) {compiled.means}
), kept_payments AS ({_PAYMENTS} {one}), kept_pairs AS ({_PAIRS} {one}), kept_accounts AS (
    SELECT key AS account, member, kind, opened_height
    FROM internal.accounts {"WHERE key = $key" if is_of_one else ""}
)
SELECT a.account, f.* EXCLUDE (account)
FROM ({compiled.features}) AS f JOIN internal.accounts AS a ON a.key = f.account
ORDER BY a.account
"""  # noqa: S608 - our own text


class _Compiled(NamedTuple):
    """The expressions as DuckDB's SQL."""

    names: tuple[str, ...]
    features: str
    means: str


@cache
def _compiled() -> _Compiled:
    """Return the expressions over what the warehouse keeps, made once."""
    import ibis  # noqa: PLC0415 - takes a second, and a process that only ingests needs none

    from analytics.features.accounts import NAMES, features  # noqa: PLC0415 - imports ibis
    from analytics.features.payments import Source, mean_payments  # noqa: PLC0415 - imports ibis

    source = Source.kept()
    rows = features(source).select("account", "member", "kind", *NAMES)
    return _Compiled(
        names=NAMES,
        features=str(ibis.to_sql(rows, dialect="duckdb")),
        means=str(ibis.to_sql(mean_payments(source.payments), dialect="duckdb")),
    )


def make_moment(time_ms: int) -> datetime:
    """Return a time as the tables hold it: UTC without a zone."""
    seconds, rest = divmod(time_ms, 1_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1_000, tzinfo=None)
