"""Reads of the warehouse that are quick because they know how it stores things."""

from __future__ import annotations

from typing import Any, Final

import duckdb

_LEG_COLUMNS: Final = (
    "txid, height, index, leg, time, kind, debit, credit, asset, amount, reference"
)
_RECENT_LEGS: Final = f"""
SELECT {_LEG_COLUMNS} FROM internal.legs
WHERE (debit_key = $key OR credit_key = $key) AND height <= $height
ORDER BY height DESC, index DESC, leg DESC LIMIT $limit
"""  # noqa: S608 - made of constants


def account_key(cursor: duckdb.DuckDBPyConnection, account: str) -> int | None:
    """Return the warehouse's number for an account, ``sun1…``; None where there is none."""
    query = "SELECT key FROM internal.accounts WHERE account = ?"
    rows = cursor.execute(query, [account]).fetchall()
    return rows[0][0] if rows else None


def recent_legs(
    cursor: duckdb.DuckDBPyConnection, account: str, *, height: int, limit: int
) -> list[tuple[Any, ...]]:
    """Return an account's last legs up to a height, newest first, as rows of ``legs``.

    It compares numbers: by the ids themselves, ten million legs take several times as long.
    """
    key = account_key(cursor, account)
    if key is None:
        return []
    parameters = {"key": key, "height": height, "limit": limit}
    return cursor.execute(_RECENT_LEGS, parameters).fetchall()
