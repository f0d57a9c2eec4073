"""The two ways in which the warehouse's own code speaks to DuckDB, beside plain ``execute``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa


def first_row(
    cursor: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> tuple[Any, ...] | None:
    """Return the only row of a query, or None.

    All rows are fetched, because a result that is not read to its end holds its connection.
    """
    rows = cursor.execute(query, list(parameters)).fetchall()
    return rows[0] if rows else None


def run_with(cursor: duckdb.DuckDBPyConnection, statement: str, batch: pa.Table) -> None:
    """Run a statement that reads the rows of ``batch`` under that name."""
    cursor.register("batch", batch)
    cursor.execute(statement)
    cursor.unregister("batch")
