"""``/v1/audit/accounts/{account}/risk``, ``risk`` and ``segments``: who needs attention, and why."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from node.analytics.asking import analytics_of
from node.analytics.risk_documents import (
    AccountRiskDocument,
    MarketRiskDocument,
    SegmentsDocument,
)
from node.api.operations import Access, Call, NoQuery, Operation, json_response, ok
from node.api.queries import Height, parse_account
from node.api.views import account_text, format_time

TAG: Final = "audit"


class RiskQuery(BaseModel):
    """At which block."""

    model_config = ConfigDict(extra="forbid")

    at: Annotated[
        Height | None, Field(description="Height; the last block that detection has done.")
    ] = None


async def show_account_risk(call: Call, query: RiskQuery) -> web.Response:
    """Give an account's latest score up to a block, with its parts and what is around it."""
    client = analytics_of(call).client
    account = account_text(parse_account(call.path("account")))
    asked = {} if query.at is None else {"height": str(query.at)}
    found = await client.get(f"/risk/{account}", asked)
    document = {name: found[name] for name in ("account", "member", "kind", "segment", "features")}
    document |= _with_time(found["latest"]) | {"at_height": found["at"]["height"]}
    document |= {name: [_with_time(one) for one in found[name]] for name in ("history", "alerts")}
    document["neighbours"] = [
        _with_time(one, "last_ms", "last_time") for one in found["neighbours"]
    ]
    return json_response(document)


async def show_risk(call: Call, _: NoQuery) -> web.Response:
    """Give the latest scores of the market and of its members."""
    client = analytics_of(call).client
    market = (await client.get("/risk/market"))["latest"]
    members = (await client.get("/risk/members"))["items"]
    document = {
        "market": None if market is None else {"subject": "market"} | _with_time(market),
        "members": [
            _with_time({name: value for name, value in one.items() if name != "member"})
            | {"subject": one["member"]}
            for one in members
        ],
    }
    return json_response(document)


async def list_segments(call: Call, _: NoQuery) -> web.Response:
    """Give groups of accounts by what they do, with their risk."""
    return json_response(_with_time(await analytics_of(call).client.get("/segments")))


def _with_time(document: dict[str, Any], old: str = "time_ms", new: str = "time") -> dict[str, Any]:
    """Return a document with its time as people read it."""
    kept = {name: value for name, value in document.items() if name != old}
    return kept | {new: format_time(document[old])}


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/accounts/{account}/risk",
        name="get_account_risk",
        summary="An account's risk score, why, and what is around it",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_account_risk,
        query=RiskQuery,
        answers=ok(AccountRiskDocument),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/risk",
        name="get_risk",
        summary="Risk scores of the market and its members, and why",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_risk,
        answers=ok(MarketRiskDocument),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/segments",
        name="list_segments",
        summary="Groups of accounts by what they do",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_segments,
        answers=ok(SegmentsDocument),
        problems=(404, 503),
    ),
)
