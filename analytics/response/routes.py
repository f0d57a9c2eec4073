"""``/cases`` and ``/alerts/{id}/response``: what the node asks about cases.

    GET  /cases                     a page, newest first
    POST /cases                     {"alerts", "title", "by", "officer"} opens one, or finds it
    GET  /cases/{id}                the case, its measures on the chain and their effect
    POST /cases/{id}/notes          {"by", "text"}
    POST /cases/{id}/state          {"by", "state", "officer"}
    GET  /alerts/{id}/response      the alert, the id of its case and what was drafted
    POST /alerts/{id}/response      {"by", "case", "account", "proposal"} opens or finds the case
    POST /cases/{id}/simulation     {"height", "until"} what the case's freezes would have changed
    POST /simulations               {"accounts", "height", "until"} the same of any accounts

Before a case is told, measures that came onto the chain since the last time are looked up, so that
what is told never lags behind the warehouse.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.alerting import read_alerts
from analytics.errors import RequestRefused
from analytics.limits import CASES_PAGE_MAX
from analytics.response.effects import read_effects, read_measures
from analytics.response.simulating import Asked, simulate
from analytics.response.states import CaseState
from analytics.response.store import new_case_id
from analytics.server import Route, Services, answer, integer

_FILTERS: Final = ("state", "officer", "account", "alert")
Json = dict[str, Any]


async def list_cases(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of cases; the cursor is the number of the last case before it."""
    limit = min(integer(request, "limit", minimum=1), CASES_PAGE_MAX)
    before = integer(request, "cursor") if "cursor" in request.query else None
    filters = {name: request.query[name] for name in _FILTERS if name in request.query}
    await _settle(services)
    list_them = partial(services.cases.list_cases, filters, limit=limit, before=before)
    items, following = await asyncio.to_thread(list_them)
    next_cursor = None if following is None else str(following)
    return answer({"items": items, "next_cursor": next_cursor})


async def open_case(services: Services, request: web.Request) -> web.StreamResponse:
    """Open a case from alerts; ``is_new`` is false where there is one with all of them."""
    asked: Json = await request.json()
    alerts = await _alerts(services, asked["alerts"])
    known = {await asyncio.to_thread(services.cases.case_of, alert["id"]) for alert in alerts}
    case_id = known.pop() if len(known) == 1 and None not in known else None
    chosen = case_id or new_case_id()
    is_new = await asyncio.to_thread(
        partial(
            services.cases.open_case,
            alerts,
            title=asked["title"] or _title(alerts[0]),
            by=asked["by"],
            officer=asked["officer"] or asked["by"],
            case_id=chosen,
        )
    )
    return answer(await _case(services, chosen) | {"is_new": is_new})


async def show_case(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a case with its measures' effect."""
    return answer(await _case(services, request.match_info["id"]))


async def add_note(services: Services, request: web.Request) -> web.StreamResponse:
    """Add a note to a case."""
    case_id, asked = request.match_info["id"], await request.json()
    add = partial(services.cases.add_note, case_id, by=asked["by"], text=asked["text"])
    await asyncio.to_thread(add)
    return answer(await _case(services, case_id))


async def move_case(services: Services, request: web.Request) -> web.StreamResponse:
    """Move a case to another state, or hand it to another officer."""
    case_id, asked = request.match_info["id"], await request.json()
    await _settle(services)
    move = partial(
        services.cases.move,
        case_id,
        by=asked["by"],
        state=CaseState(asked["state"]),
        officer=asked["officer"],
    )
    await asyncio.to_thread(move)
    return answer(await _case(services, case_id))


async def show_response(services: Services, request: web.Request) -> web.StreamResponse:
    """Give an alert, the case that it belongs to or would, and what was drafted for it."""
    (alert,) = await _alerts(services, [request.match_info["id"]])
    case_id = await asyncio.to_thread(services.cases.case_of, alert["id"])
    proposal = await asyncio.to_thread(services.cases.proposal_of, alert["id"])
    return answer(
        {
            "alert": alert,
            "case": case_id or new_case_id(),
            "is_open": case_id is not None,
            "proposal": proposal,
        }
    )


async def keep_response(services: Services, request: web.Request) -> web.StreamResponse:
    """Keep what was drafted for an alert, in its case, which is opened if there is none."""
    asked: Json = await request.json()
    (alert,) = await _alerts(services, [request.match_info["id"]])
    by = asked["by"]
    opening = partial(
        services.cases.open_case,
        [alert],
        title=_title(alert),
        by=by,
        officer=by,
        case_id=asked["case"],
    )
    if await asyncio.to_thread(services.cases.case_of, alert["id"]) != asked["case"]:
        await asyncio.to_thread(opening)
    keeping = partial(
        services.cases.propose,
        alert["id"],
        by=by,
        account=asked["account"],
        proposal=asked["proposal"],
    )
    await asyncio.to_thread(keeping)
    proposal = await asyncio.to_thread(services.cases.proposal_of, alert["id"])
    return answer({"case": await _case(services, asked["case"]), "proposal": proposal})


async def simulate_case(services: Services, request: web.Request) -> web.StreamResponse:
    """Give what a freeze of a case's accounts would have changed, from its first alert on at least."""
    asked: Json = await request.json()
    case = await asyncio.to_thread(services.cases.show, request.match_info["id"])
    alerts = [alert for alert in case["alerts"] if alert["account"] is not None]
    drafted = [proposal["account"] for proposal in case["proposals"]]
    accounts = drafted or [alert["account"] for alert in alerts]
    if not accounts:
        detail = "the case is about the market; there is no account to freeze"
        raise RequestRefused(409, "alert_without_account", detail)
    height = asked["height"]
    if height is None:
        height = min(alert["height"] for alert in alerts if alert["account"] in accounts)
    return await _simulation(services, accounts, height, asked["until"])


async def simulate_accounts(services: Services, request: web.Request) -> web.StreamResponse:
    """Give what a freeze of some accounts would have changed."""
    asked: Json = await request.json()
    return await _simulation(services, asked["accounts"], asked["height"], asked["until"])


async def _simulation(
    services: Services, accounts: list[str], height: int, until: int | None
) -> web.StreamResponse:
    ingested = services.progress.ingested.height
    for named in (height, until):
        if named is not None and named > ingested:
            detail = f"the last block of the warehouse is {ingested}"
            raise RequestRefused(404, "unknown_height", detail, height=named)
    last = ingested if until is None else until
    if last < height:
        detail = f"a replay of blocks above {height} cannot end at {last}"
        raise RequestRefused(422, "conflicting_parameters", detail, height=height, until=last)
    question = Asked(tuple(dict.fromkeys(accounts)), height, last)
    return answer(await services.queries.run(partial(simulate, asked=question)))


async def _alerts(services: Services, ids: list[str]) -> list[Json]:
    """Return alerts in the order of their ids' list; a case's own copy where the rules changed."""
    found = await services.queries.run(partial(read_alerts, ids=ids))
    missing = [one for one in ids if one not in found]
    for one in missing:
        kept = await asyncio.to_thread(services.cases.alert, one)
        if kept is None:
            raise RequestRefused(404, "unknown_alert", f"no alert {one}", id=one)
        found[one] = kept
    return [found[one] for one in ids]


async def _case(services: Services, case_id: str) -> Json:
    await _settle(services)
    case = await asyncio.to_thread(services.cases.show, case_id)
    effects = await services.queries.run(partial(read_effects, accounts=case["accounts"]))
    return case | {"effects": effects, "height": services.progress.ingested.height}


async def _settle(services: Services) -> None:
    """Give cases the measures that came onto the chain since the last time."""
    height = services.progress.ingested.height
    above = await asyncio.to_thread(lambda: services.cases.settled_height)
    if height <= above:
        return

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[Any]:
        return read_measures(cursor, above, height)

    measures = await services.queries.run(ask)
    await asyncio.to_thread(services.cases.settle, measures, height)


def _title(alert: Json) -> str:
    return f"{alert['typology']} of {alert['account'] or 'the market'}"


ROUTES: Final = (
    Route(method="GET", path="/cases", handler=list_cases),
    Route(method="POST", path="/cases", handler=open_case),
    Route(method="GET", path="/cases/{id}", handler=show_case),
    Route(method="POST", path="/cases/{id}/notes", handler=add_note),
    Route(method="POST", path="/cases/{id}/state", handler=move_case),
    Route(method="GET", path="/alerts/{id}/response", handler=show_response),
    Route(method="POST", path="/alerts/{id}/response", handler=keep_response),
    Route(method="POST", path="/cases/{id}/simulation", handler=simulate_case),
    Route(method="POST", path="/simulations", handler=simulate_accounts),
)
