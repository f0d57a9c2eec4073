"""``GET /v1/audit/access-log``: who asked what of this API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal, NotRequired

from aiohttp import web
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ledger.access_records import BrokenAccessChain, access_root
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.problems import Problem
from node.api.queries import PageQuery, parse_number_cursor

_DESCRIBED: Final = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_DESCRIBED)
class AccessRecordDocument(TypedDict):
    """One request under ``/v1/audit``, or an older log that was found broken."""

    sequence: int
    """1 is the first; each is one more."""
    time: str
    """When it was written, by this node's clock."""
    event: Literal["answered", "opened", "ended", "broken"]
    """A stream is opened and ended; ``broken`` begins the log that follows a broken one."""
    previous: str
    """Hash of the record before it, hex; of the first what names chain and member."""
    hash: str
    """Tagged hash of the rest of this record, as canonical JSON (docs/protocol.md), hex."""
    subject: NotRequired[str]
    """Whose officer asked: the token's subject."""
    kid: NotRequired[str]
    """The key that signed the token, hex."""
    method: NotRequired[str]
    target: NotRequired[str]
    """Path with its query."""
    status: NotRequired[int | None]
    """Of the answer; null where whoever asked had gone, or a stream begins."""
    bytes: NotRequired[int | None]
    """Of the answer's body; null where it is a refusal or not known."""
    sql: NotRequired[str]
    """The statement, for free SQL; its first 8,192 characters."""
    detail: NotRequired[str]
    """Of a broken log: what is wrong with it."""
    records: NotRequired[int]
    """Of a broken log: records that hold, from its start."""
    file: NotRequired[str]
    """Of a broken log: the file that it is kept in."""


@with_config(_DESCRIBED)
class AccessLogDocument(TypedDict):
    """A page of the access log."""

    items: list[AccessRecordDocument]
    next_cursor: str | None
    root: str
    """What the first record follows, hex."""


class AccessLogQuery(PageQuery):
    """Which records."""

    order: Annotated[Literal["newest", "oldest"], Field()] = "newest"
    """Which come first."""


async def list_accesses(call: Call, query: AccessLogQuery) -> web.Response:
    """Give records of the access log; the cursor is the sequence to go on with."""
    log = call.backend.access_log
    cursor = parse_number_cursor(query.cursor)
    is_newest = query.order == "newest"
    tip = log.tip.sequence
    if is_newest:
        last = tip if cursor is None else min(cursor, tip)
        first = max(1, last - query.limit + 1)
        count = last - first + 1
    else:
        first, count = cursor or 1, query.limit
    try:
        items = await asyncio.to_thread(log.read, first, count)
    except BrokenAccessChain as error:
        raise Problem(409, error.code, f"In the log's file {error.detail}.") from None
    following = first - 1 if is_newest else first + len(items)
    has_more = following >= 1 if is_newest else following <= tip
    document = {
        "items": items[::-1] if is_newest else items,
        "next_cursor": str(following) if items and has_more else None,
        "root": access_root(call.genesis_hash, call.backend.member).hash,
    }
    return json_response(document)


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/access-log",
    name="list_accesses",
    summary="Who asked what of the audit API, in a chain of hashes",
    tag="audit",
    access=Access.REGULATOR,
    handler=list_accesses,
    query=AccessLogQuery,
    answers=ok(AccessLogDocument),
    problems=(409,),
)
