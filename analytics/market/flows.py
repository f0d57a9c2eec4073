"""``GET /flows``: how much money went from whom to whom, between members or between accounts.

A flow is the sum of all legs of one asset from one side to another; issues and redemptions, which
have one side only, and genesis balances are none. The largest comes first. A page goes on from a
cursor ``HEIGHT:OFFSET``: it reads the blocks up to the height that the first page read, so that
pages neither repeat nor miss a flow while the chain grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.limits import FLOWS_PAGE_MAX
from analytics.market.conditions import Conditions
from analytics.server import Route, Services, answer, integer

_KEY: Final = "(SELECT key FROM internal.accounts WHERE account = ?)"
_SIDES: Final = {
    "member": "d.member, c.member, NULL, NULL",
    "account": "d.member, c.member, d.account, c.account",
}
"""What a flow is between, by level: members and accounts on either side, debit first."""
_PARTS: Final = {
    "member": "SELECT debit, credit, asset, 1 AS legs, amount FROM internal.legs {where}",
    # Pairs of accounts are many: their ids are looked up once for all legs of a pair.
    "account": """
        SELECT debit, credit, asset, count(*) AS legs, sum(amount) AS amount
        FROM internal.legs {where} GROUP BY debit, credit, asset
    """,
}
"""What is summed, by level."""


class Place(NamedTuple):
    """Where a page begins."""

    height: int
    """The last block that is read."""
    offset: int
    """Flows before the page."""


async def list_flows(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of flows."""
    limit = min(integer(request, "limit", minimum=1), FLOWS_PAGE_MAX)
    place = _place(request) or Place(services.progress.ingested.height, 0)
    legs, sides = _legs(request, place.height), _between(request)
    # Every part of the text is ours; what was asked for is bound.
    level = request.query["level"]
    query = f"""
        SELECT {_SIDES[level]}, s.asset, sum(s.legs), sum(s.amount)
        FROM ({_PARTS[level].format(where=legs.where)}) AS s
        JOIN internal.accounts AS d ON d.key = s.debit
        JOIN internal.accounts AS c ON c.key = s.credit
        {sides.where} GROUP BY 1, 2, 3, 4, 5 ORDER BY 7 DESC, 5, 1, 2, 3, 4 LIMIT ? OFFSET ?
    """  # noqa: S608

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[Any]:
        values = [*legs.values, *sides.values, limit + 1, place.offset]
        return cursor.execute(query, values).fetchall()

    rows = await services.queries.run(ask)
    is_more = len(rows) > limit
    return answer(
        {
            "items": [_document(row) for row in rows[:limit]],
            "next_cursor": f"{place.height}:{place.offset + limit}" if is_more else None,
            "height": place.height,
        }
    )


def _legs(request: web.Request, height: int) -> Conditions:
    """Return which legs count."""
    conditions = Conditions("debit IS NOT NULL", "credit IS NOT NULL")
    conditions.add("height <= ?", height)
    conditions.add_equal(request, {"asset": "asset"})
    conditions.add_period(request)
    if (account := request.query.get("account")) is not None:
        conditions.add(f"(debit = {_KEY} OR credit = {_KEY})", account, account)
    return conditions


def _between(request: web.Request) -> Conditions:
    """Return which members must stand on the sides: one on either, or two against each other."""
    conditions = Conditions()
    member, counterparty = request.query.get("member"), request.query.get("counterparty")
    if member is not None and counterparty is not None:
        pairs = "((d.member = ? AND c.member = ?) OR (d.member = ? AND c.member = ?))"
        conditions.add(pairs, member, counterparty, counterparty, member)
    elif member is not None:
        conditions.add("(d.member = ? OR c.member = ?)", member, member)
    return conditions


def _place(request: web.Request) -> Place | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != len(Place._fields) or not all(p.isascii() and p.isdigit() for p in parts):
        detail = "a cursor is HEIGHT:OFFSET"
        raise RequestRefused(422, "bad_cursor", detail, pointer="/query/cursor")
    return Place(*map(int, parts))


def _document(row: Sequence[Any]) -> dict[str, Any]:
    debit_member, credit_member, debit, credit, asset, legs, amount = row
    return {
        "debit_member": debit_member,
        "credit_member": credit_member,
        "debit": debit,
        "credit": credit,
        "asset": asset,
        "legs": int(legs),
        "amount": str(amount),
    }


ROUTES: Final = (Route(method="GET", path="/flows", handler=list_flows),)
