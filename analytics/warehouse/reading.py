"""Reads of the warehouse that know how it stores things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import duckdb

from analytics.warehouse.sql import first_row

_SIDES: Final = {"debit": "d.account AS debit", "credit": "c.account AS credit"}
_TXID: Final = "lower(hex(l.txid)) AS txid"


def account_key(cursor: duckdb.DuckDBPyConnection, account: str) -> int | None:
    """Return the warehouse's number for an account, ``sun1…``; None where there is none."""
    row = first_row(cursor, "SELECT key FROM internal.accounts WHERE account = ?", [account])
    return None if row is None else int(row[0])


def scan_query(table: str, columns: Iterable[str]) -> str:
    """Return the query of columns of a documented table, both of them names of the schema.

    Of ``legs`` it looks up the accounts that are asked for alone: DuckDB would join them all the same.
    """
    if table != "legs":
        names = ", ".join(f'"{name}"' for name in columns)
        return f"SELECT {names} FROM {table}"  # noqa: S608 - our own names
    chosen = list(columns)
    names = ", ".join(_SIDES.get(name, _TXID if name == "txid" else f"l.{name}") for name in chosen)
    joins = [
        f"LEFT JOIN internal.accounts AS {side[0]} ON {side[0]}.key = l.{side}"
        for side in _SIDES
        if side in chosen
    ]
    return f"SELECT {names} FROM internal.legs AS l {' '.join(joins)}"  # noqa: S608 - our own names
