"""Exports of the warehouse's tables to a directory, resumed where an earlier one stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from auditor.stream import regulator_key
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, progress
from wallet.errors import ApiError, InvalidRequest

PATH: Final = "/v1/audit/export"
TABLES: Final = (
    "blocks", "transactions", "legs", "accounts", "members", "assets", "balances_daily",
    "measures", "alerts", "scores",
)  # fmt: skip
REGISTERS: Final = frozenset({"accounts", "members", "assets", "balances_daily"})
"""Tables without heights: they are fetched anew each time."""
_PART: Final = re.compile(r"(\d{1,16})-(\d{1,16})\.parquet")


async def export_tables(
    session: Session, *, tables: Sequence[str], output: Path, reader: str | None
) -> None:
    """Fetch all parts of tables that the directory does not have yet."""
    key = regulator_key(session.keystore(), reader)
    result = {}
    async with connect(session.profile(), key, url=session.node) as connection:
        last = int(connection.status["finalized"]["height"])
        for table in tables or TABLES:
            directory = output / table
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InvalidRequest("unwritable", f"{directory}: {error.strerror}") from None
            result[table] = await _export(connection.client, directory, table, last)
    lines = [
        f"{table}: {one['files']} files fetched, {one['rows']} rows, {one['kept']} files kept"
        for table, one in result.items()
    ]
    session.show({"directory": str(output), "height": last, "tables": result}, lines)


async def _export(client: NodeClient, directory: Path, table: str, last: int) -> dict[str, int]:
    height: int | None = 0
    kept = 0
    if table not in REGISTERS:
        height, kept = _resume(directory)
    files = rows = 0
    while height is not None and height <= last:
        height, count = await _fetch(client, directory, table, height, last)
        files, rows = files + 1, rows + count
        progress(f"{table}: {rows} rows, up to block {last if height is None else height - 1}")
    return {"files": files, "rows": rows, "kept": kept}


def _resume(directory: Path) -> tuple[int, int]:
    """Return the height to go on from, and how many parts without a gap are there already."""
    parts = {
        int(found[1]): int(found[2])
        for path in directory.iterdir()
        if (found := _PART.fullmatch(path.name))
    }
    height = kept = 0
    while height in parts:
        height, kept = parts[height] + 1, kept + 1
    return height, kept


async def _fetch(
    client: NodeClient, directory: Path, table: str, first: int, last: int
) -> tuple[int | None, int]:
    """Fetch one part; it gets its name once it is whole. Return where the next begins, and rows."""
    query = {"format": "parquet", "table": table, "from": str(first), "to": str(last)}
    partial = directory / "part.incomplete"
    digest = sha256()
    async with client.download(PATH, query) as answer:
        headers = answer.headers
        with partial.open("wb") as file:
            async for chunk in answer.content.iter_any():
                digest.update(chunk)
                file.write(chunk)
            # A part with its name is never fetched again, so no power cut may leave it half written.
            file.flush()
            os.fsync(file.fileno())
    try:
        end, rows = int(headers["Sunlit-To"]), int(headers["Sunlit-Rows"])
        following = int(headers["Sunlit-Next"]) if "Sunlit-Next" in headers else None
        is_whole = headers["Sunlit-Sha256"] == digest.hexdigest()
    except (KeyError, ValueError):
        raise ApiError("bad_answer", "a part without its heights", status=200) from None
    if not is_whole or end < first or (following is not None and following != end + 1):
        raise ApiError("bad_answer", f"a part of {table} is not what the node says", status=200)
    name = f"{table}.parquet" if table in REGISTERS else f"{first}-{end}.parquet"
    partial.replace(directory / name)
    return following, rows
