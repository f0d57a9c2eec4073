"""``GET /accounts``: the accounts of the chain with their balances, in the order of their ids.

A page goes on behind the account that its cursor names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.limits import ACCOUNTS_PAGE_MAX
from analytics.market.conditions import Conditions
from analytics.server import Route, Services, answer, integer

_EQUAL: Final = {"member": "member", "kind": "kind", "status": "status"}
_WARNED: Final = "EXISTS (SELECT 1 FROM alerts WHERE alerts.account = a.account)"
_ACCOUNTS: Final = """
SELECT a.account, a.member, a.kind, a.status, a.opened_height, epoch_ms(a.opened_time),
       a.first_height, a.last_height, epoch_ms(b.time)
FROM accounts AS a LEFT JOIN blocks AS b ON b.height = a.last_height
"""
_BALANCES: Final = """
SELECT a.account, d.asset, arg_max(d.balance, d.day) AS held
FROM internal.days AS d JOIN internal.accounts AS a ON a.key = d.account
WHERE d.account IN (
    SELECT key FROM internal.accounts WHERE account IN (SELECT unnest(?::VARCHAR[]))
)
GROUP BY a.account, d.asset HAVING held > 0 ORDER BY a.account, d.asset
"""
_ALERTS: Final = """
SELECT account, count(*) FROM alerts WHERE account IN (SELECT unnest(?::VARCHAR[]))
GROUP BY account
"""

Balances = Mapping[str, Sequence[Mapping[str, str]]]
"""By account: asset and amount, a string of smallest units, of each balance above zero."""


async def list_accounts(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of accounts."""
    limit = min(integer(request, "limit", minimum=1), ACCOUNTS_PAGE_MAX)
    conditions = Conditions()
    conditions.add_equal(request, {name: f"a.{column}" for name, column in _EQUAL.items()})
    if "text" in request.query:
        conditions.add("starts_with(a.account, ?)", request.query["text"])
    if "has_alerts" in request.query:
        conditions.add(_WARNED if request.query["has_alerts"] == "true" else f"NOT {_WARNED}")
    if "cursor" in request.query:
        conditions.add("a.account > ?", request.query["cursor"])
    # Every part of the text is ours; what was asked for is bound.
    query = f"{_ACCOUNTS} {conditions.where} ORDER BY a.account LIMIT ?"

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        cursor.execute("BEGIN")  # balances, alerts and accounts of one moment
        rows = cursor.execute(query, [*conditions.values, limit + 1]).fetchall()
        found = [row[0] for row in rows]
        balances = read_balances(cursor, found)
        alerts = dict(cursor.execute(_ALERTS, [found]).fetchall())
        return [_document(row, balances, alerts) for row in rows]

    items = await services.queries.run(ask)
    next_cursor = items[limit - 1]["account"] if len(items) > limit else None
    return answer({"items": items[:limit], "next_cursor": next_cursor})


def read_balances(cursor: duckdb.DuckDBPyConnection, accounts: Sequence[str]) -> Balances:
    """Return what accounts hold, above zero."""
    balances: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for account, asset, held in cursor.execute(_BALANCES, [list(accounts)]).fetchall():
        balances[account].append({"asset": asset, "amount": str(held)})
    return balances


def _document(row: Sequence[Any], balances: Balances, alerts: Mapping[str, int]) -> dict[str, Any]:
    account, member, kind, status, opened, opened_ms, first, last, last_ms = row
    return {
        "account": account,
        "member": member,
        "kind": kind,
        "status": status,
        "opened_height": opened,
        "opened_ms": opened_ms,
        "first_height": first,
        "last_height": last,
        "last_ms": last_ms,
        "balances": balances.get(account, []),
        "alerts": alerts.get(account, 0),
    }


ROUTES: Final = (Route(method="GET", path="/accounts", handler=list_accounts),)
