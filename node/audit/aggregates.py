"""``/v1/audit/aggregates``: aggregates with noise, for publication, within a budget."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from node.analytics.aggregate_documents import AggregateBody, AggregateDocument
from node.analytics.asking import analytics_of
from node.api.bodies import read_body
from node.api.documents import Page
from node.api.operations import Access, Call, Content, NoQuery, Operation, json_response, ok
from node.api.queries import PageQuery, milliseconds, parse_number_cursor
from node.audit.cases import caller_key, told

TAG: Final = "audit"
AGGREGATE_BODY_BYTES_MAX: Final = 16 * 1024
"""Largest body of a request for an aggregate, bytes."""


async def release_aggregate(call: Call, _: NoQuery) -> web.Response:
    """Release an aggregate; a refusal spends nothing."""
    client = analytics_of(call).client
    body = await read_body(call.request, AggregateBody, bytes_max=AGGREGATE_BODY_BYTES_MAX)
    officer = caller_key(call)
    call.release_view()
    asked = body.model_dump(exclude={"since", "until"}) | {
        "since_ms": None if body.since is None else milliseconds(body.since),
        "until_ms": None if body.until is None else milliseconds(body.until),
        "officer": officer,
    }
    return json_response(told(await client.post("/aggregates", asked)))


async def list_aggregates(call: Call, query: PageQuery) -> web.Response:
    """Give what was released, the newest first."""
    client = analytics_of(call).client
    asked = {"limit": str(query.limit)}
    if (before := parse_number_cursor(query.cursor)) is not None:
        asked["cursor"] = str(before)
    return json_response(told(await client.get("/aggregates", asked)))


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/aggregates",
        name="list_aggregates",
        summary="Aggregates that were released, the newest first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_aggregates,
        query=PageQuery,
        answers=ok(Page[AggregateDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/aggregates",
        name="release_aggregate",
        summary="Release an aggregate with noise, within the year's privacy budget",
        tag=TAG,
        access=Access.REGULATOR,
        handler=release_aggregate,
        bodies=(Content(document=AggregateBody),),
        answers=ok(AggregateDocument),
        problems=(400, 404, 409, 413, 415, 503, 504),
    ),
)
