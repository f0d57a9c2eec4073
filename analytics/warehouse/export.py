"""``GET /export``: a documented table as Parquet, in parts of whole blocks.

A part begins at a height that was asked for and ends where it has enough rows, or where the range or the
warehouse ends; headers say which heights it holds and where the next one begins. Final blocks never
change, so a part of a range is the same whenever it is asked for. Registers, which have no height, are one
part, as they are now.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq
from aiohttp import hdrs, web

from analytics.errors import RequestRefused
from analytics.server import Route, Services, integer
from analytics.warehouse.schema import DOCUMENTED_TABLES
from analytics.warehouse.sql import first_row

EXPORT_ROWS_MAX: Final = 500_000
"""Rows after which a part takes no further block."""
EXPORT_SECONDS_MAX: Final = 25.0
"""Longest making of a part, seconds."""
BATCH_ROWS: Final = 65_536
CHUNK_BYTES: Final = 256 * 1024
PARQUET: Final = "application/vnd.apache.parquet"
ORDERS: Final = {
    "blocks": "height",
    "transactions": "height, index",
    "legs": "height, index, leg",
    "measures": "ALL",
    "alerts": "ALL",
    "scores": "ALL",
}
"""How the tables whose rows belong to blocks are sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that has been written."""

    first: int
    """Lowest height that it may hold."""
    last: int
    """Highest."""
    following: int | None
    """Where the next part begins; None after the last."""
    rows: int
    digest: str
    """SHA-256 of the file, hex."""


def write_part(
    cursor: duckdb.DuckDBPyConnection, path: Path, table: str, first: int, last: int
) -> Part:
    """Write a part to a file; all rows are of one moment."""
    cursor.execute("BEGIN")
    row = first_row(cursor, "SELECT max(height) FROM blocks")
    last = min(last, 0 if row is None or row[0] is None else row[0])
    end, query = last, f"SELECT * FROM {table} ORDER BY ALL"  # noqa: S608 - our own names
    if table in ORDERS:
        end = max(first, _end(cursor, table, first, last))
        query = (
            f"SELECT * FROM {table} WHERE height BETWEEN {first} AND {end} ORDER BY {ORDERS[table]}"  # noqa: S608 - our own names and numbers
        )
    reader = cursor.sql(query).to_arrow_reader(BATCH_ROWS)
    rows = 0
    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    with path.open("rb") as file:
        digest = sha256()
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    following = end + 1 if end < last else None
    return Part(first=first, last=end, following=following, rows=rows, digest=digest.hexdigest())


def _end(cursor: duckdb.DuckDBPyConnection, table: str, first: int, last: int) -> int:
    """Return the last height of a part: at least one block, and no more rows than it may have."""
    row = first_row(
        cursor,
        "SELECT min(height) FROM (SELECT height, sum(count(*)) OVER (ORDER BY height) AS rows"  # noqa: S608 - our own names
        f" FROM {table} WHERE height BETWEEN ? AND ? GROUP BY height) WHERE rows >= ?",
        [first, last, EXPORT_ROWS_MAX],
    )
    return last if row is None or row[0] is None else int(row[0])


async def export_part(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a part of a table."""
    table = request.query.get("table", "")
    if table not in DOCUMENTED_TABLES:
        raise RequestRefused(
            422, "invalid_field", f"table is one of {', '.join(DOCUMENTED_TABLES)}"
        )
    first, last = integer(request, "from"), integer(request, "to")
    if first > services.progress.ingested.height:
        raise RequestRefused(404, "unknown_height", f"the warehouse has no block {first} yet")
    directory = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="sunlit-export-")
    try:
        path = Path(directory.name) / "part.parquet"
        part = await services.queries.run(
            lambda cursor: write_part(cursor, path, table, first, last),
            seconds_max=EXPORT_SECONDS_MAX,
        )
        return await _send(request, path, part)
    finally:
        await asyncio.to_thread(directory.cleanup)


async def _send(request: web.Request, path: Path, part: Part) -> web.StreamResponse:
    headers = {
        hdrs.CONTENT_TYPE: PARQUET,
        "Sunlit-From": str(part.first),
        "Sunlit-To": str(part.last),
        "Sunlit-Rows": str(part.rows),
        "Sunlit-Sha256": part.digest,
    }
    if part.following is not None:
        headers["Sunlit-Next"] = str(part.following)
    response = web.StreamResponse(headers=headers)
    with await asyncio.to_thread(path.open, "rb") as file:
        response.content_length = (await asyncio.to_thread(path.stat)).st_size
        await response.prepare(request)
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            await response.write(chunk)
    await response.write_eof()
    return response


ROUTES: Final = (Route(method="GET", path="/export", handler=export_part),)
