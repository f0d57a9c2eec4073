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
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.queries import Height, parse_account
from node.api.views import account_text, format_time

TAG: Final = "audit"


class RiskQuery(BaseModel):
    """At which block."""

    model_config = ConfigDict(extra="forbid")

    at: Annotated[
        Height | None,
        Field(
            description="Height. Unless told the last block that detection has done, or that of the "
            "last payment where nobody paid in the week before it."
        ),
    ] = None


async def show_account_risk(call: Call, query: RiskQuery) -> web.Response:
    """Give an account's latest score up to a block, with its parts and what is around it."""
    client = analytics_of(call).client
    account = account_text(parse_account(call.path("account")))
    found = await client.get(f"/risk/{account}", _asked(query))
    document = {name: found[name] for name in ("account", "member", "kind", "segment", "features")}
    document |= _with_time(found["latest"]) | _at(found)
    lists = ("history", "anomalies", "alerts")
    document |= {name: [_with_time(one) for one in found[name]] for name in lists}
    document["neighbours"] = [
        _with_time(one, "last_ms", "last_time") for one in found["neighbours"]
    ]
    return json_response(document)


async def show_risk(call: Call, query: RiskQuery) -> web.Response:
    """Give the latest scores of the market and of its members up to a block."""
    found = await analytics_of(call).client.get("/risk", _asked(query))
    market, members = found["market"], found["members"]
    document = _at(found) | {
        "market": None if market is None else {"subject": "market"} | _with_time(market),
        "members": [
            _with_time({name: value for name, value in one.items() if name != "member"})
            | {"subject": one["member"]}
            for one in members
        ],
    }
    return json_response(document)


async def list_segments(call: Call, query: RiskQuery) -> web.Response:
    """Give groups of accounts by what they do, with their risk."""
    found = await analytics_of(call).client.get("/segments", _asked(query))
    return json_response(_with_time(found))


def _asked(query: RiskQuery) -> dict[str, str]:
    return {} if query.at is None else {"height": str(query.at)}


def _at(found: dict[str, Any]) -> dict[str, Any]:
    """Return which block an answer is of."""
    at = found["at"]
    return {"at_height": at["height"], "at_time": format_time(at["time_ms"])}


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
        query=RiskQuery,
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
        query=RiskQuery,
        answers=ok(SegmentsDocument),
        problems=(404, 503),
    ),
)
