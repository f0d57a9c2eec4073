"""``POST /v1/audit/query``: free SQL over the documented tables of the warehouse."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, with_config
from typing_extensions import TypedDict

from analytics.sandbox.limits import SQL_CHARACTERS_MAX
from node.analytics.asking import analytics_of
from node.api.json_text import read_json
from node.api.operations import JSON, Access, Call, Content, NoQuery, Operation, ok
from node.api.problems import Problem, invalid_fields

QUERY_BODY_BYTES_MAX: Final = 8 * SQL_CHARACTERS_MAX
"""Largest body of a query, bytes."""
_DESCRIBED: Final = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class QueryBody(BaseModel):
    """What somebody asks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sql: Annotated[str, Field(min_length=1, max_length=SQL_CHARACTERS_MAX)]


@with_config(_DESCRIBED)
class QueryDocument(TypedDict):
    """A query."""

    sql: Annotated[str, Field(min_length=1, max_length=SQL_CHARACTERS_MAX)]
    """One SELECT in DuckDB's SQL over the documented tables."""


@with_config(_DESCRIBED)
class QueryAnswerDocument(TypedDict):
    """The rows that a query gave."""

    columns: list[str]
    """Names of the columns."""
    types: list[str]
    """Their types, as DuckDB names them."""
    rows: list[list[Any]]
    """Values in the columns' order: whole numbers beyond 2^53 - 1 and DECIMAL as strings, times in
    RFC 3339."""
    truncated: bool
    """Whether there are more rows than an answer may have."""


async def run_query(call: Call, _: NoQuery) -> web.Response:
    """Give the rows of a query; nothing can be changed by one, and nothing else can be read."""
    client = analytics_of(call).client
    call.release_view()
    body = await _body(call.request)
    call.statement = body.sql
    # The answer is JSON already: reading and writing it again would hold the event loop.
    answer = await client.post_for_bytes("/query", {"sql": body.sql})
    return web.Response(body=answer, content_type=JSON)


async def _body(request: web.Request) -> QueryBody:
    if request.content_type != JSON:
        raise Problem(415, "unsupported_media_type", f"The body is {JSON}.")
    text = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        text += chunk
        if len(text) > QUERY_BODY_BYTES_MAX:
            detail = f"The body has {QUERY_BODY_BYTES_MAX} bytes at most."
            raise Problem(413, "body_too_large", detail)
    try:
        return QueryBody.model_validate(read_json(bytes(text)))
    except ValidationError as error:
        raise invalid_fields(error) from None


OPERATION: Final = Operation(
    method="POST",
    path="/v1/audit/query",
    name="run_query",
    summary="Free SQL over the warehouse's documented tables",
    tag="audit",
    access=Access.REGULATOR,
    handler=run_query,
    bodies=(Content(document=QueryDocument),),
    answers=ok(QueryAnswerDocument),
    problems=(400, 404, 413, 415, 503, 504),
)
