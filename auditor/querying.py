"""Free SQL from the command line."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from auditor.stream import regulator_key
from wallet.connection import connect
from wallet.console import Session, progress, table
from wallet.errors import ApiError
from wallet.spreadsheet import csv_lines

PATH: Final = "/v1/audit/query"


async def show_query(session: Session, *, sql: str, as_csv: bool, reader: str | None) -> None:
    """Print the rows that a statement gives."""
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        answer = await connection.client.ask("POST", PATH, document={"sql": sql})
    columns, rows = answer.get("columns"), answer.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise ApiError("bad_answer", "the answer has no rows", status=200)
    cells = [[_cell(value) for value in row] for row in rows]
    if as_csv:
        for line in csv_lines(columns, cells):
            click.echo(line)
    else:
        session.show(answer, table(columns, cells))
    if answer.get("truncated"):
        progress(f"only the first {len(rows)} rows are shown: there are more than an answer holds")


def _cell(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
