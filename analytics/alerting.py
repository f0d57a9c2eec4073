"""``GET /alerts`` and ``GET /alerts/{id}``: the alerts of the warehouse, for the audit API.

Lists come newest first, pages of a stream oldest first; both go on from a cursor ``HEIGHT:ID``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.limits import ALERTS_PAGE_MAX
from analytics.server import Route, Services, answer, integer

_COLUMNS: Final = (
    "id, typology, severity, account, score, reasons, transactions, height, epoch_ms(time), model"
)
_EQUAL: Final = ("typology", "severity", "account")
"""Filters that a column must equal."""
_BOUNDS: Final = {
    "min_score": ("score >= ?", float),
    "since_ms": ("epoch_ms(time) >= ?", int),
    "until_ms": ("epoch_ms(time) <= ?", int),
}
"""Filters that bound a column."""


class Place(NamedTuple):
    """Where a page begins: the last alert before it."""

    height: int
    """Block of that alert."""
    id: str
    """Its id."""


async def list_alerts(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of alerts; ``order=oldest`` turns it round, for streams."""
    limit = min(integer(request, "limit", minimum=1), ALERTS_PAGE_MAX)
    is_oldest_first = request.query.get("order") == "oldest"
    conditions, values = _conditions(request)
    place = _place(request)
    if place is not None:
        conditions.append(f"(height, id) {'>' if is_oldest_first else '<'} (?, ?)")
        values += place
    direction = "ASC" if is_oldest_first else "DESC"
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # Every part of the text is ours; what was asked for is bound.
    query = (
        f"SELECT {_COLUMNS} FROM alerts {where} "  # noqa: S608
        f"ORDER BY height {direction}, id {direction} LIMIT ?"
    )

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[Any]:
        return cursor.execute(query, [*values, limit + 1]).fetchall()

    rows = await services.queries.run(ask)
    items = [_document(row) for row in rows[:limit]]
    next_cursor = f"{items[-1]['height']}:{items[-1]['id']}" if len(rows) > limit else None
    return answer({"items": items, "next_cursor": next_cursor})


async def show_alert(services: Services, request: web.Request) -> web.StreamResponse:
    """Give one alert."""
    wanted = request.match_info["id"]

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[Any]:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM alerts WHERE id = ?",  # noqa: S608 - our own columns
            [wanted],
        ).fetchall()

    rows = await services.queries.run(ask)
    if not rows:
        raise RequestRefused(404, "unknown_alert", f"no alert {wanted}", id=wanted)
    return answer(_document(rows[0]))


def read_alerts(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Any]:
    """Return the documents of those of the named alerts that there are, by id."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM alerts WHERE id IN (SELECT unnest(?::VARCHAR[]))",  # noqa: S608
        [list(ids)],
    ).fetchall()
    return {row[0]: _document(row) for row in rows}


def _conditions(request: web.Request) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for name in _EQUAL:
        if name in request.query:
            conditions.append(f"{name} = ?")
            values.append(request.query[name])
    for name, (condition, convert) in _BOUNDS.items():
        if name in request.query:
            conditions.append(condition)
            values.append(convert(request.query[name]))
    return conditions, values


def _place(request: web.Request) -> Place | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    height, colon, alert = text.partition(":")
    if not colon or not height.isascii() or not height.isdigit():
        raise RequestRefused(422, "invalid_field", "a cursor is HEIGHT:ID", pointer="/query/cursor")
    return Place(int(height), alert)


def _document(row: Sequence[Any]) -> dict[str, Any]:
    alert, typology, severity, account, score, reasons, txids, height, time_ms, model = row
    return {
        "id": alert,
        "typology": typology,
        "severity": severity,
        "account": account,
        "score": score,
        "reasons": json.loads(reasons),
        "transactions": txids,
        "height": height,
        "time_ms": time_ms,
        "model": model,
    }


ROUTES: Final = (
    Route(method="GET", path="/alerts", handler=list_alerts),
    Route(method="GET", path="/alerts/{id}", handler=show_alert),
)
