"""``GET /v1/audit/blocks``: every block with everything in it, in order, each once.

Two forms of one stream: Server-Sent Events, or lines of JSON for who asks for
``application/x-ndjson``. Nothing is queued for a consumer; one that does not take an event in time
is cut off and resumes with the id of the last it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import hdrs, web

from consensus.votes import Checkpoint
from ledger.blocks import Block
from node.api.documents import (
    AuditBlockDocument,
    AuditBlockLineDocument,
    AuditEventDocument,
    CheckpointDocument,
)
from node.api.json_text import write_json
from node.api.limits import (
    STREAM_COMMENT_SECONDS,
    STREAM_RECHECK_SECONDS,
    STREAM_RETRY_MILLISECONDS,
    STREAM_WRITE_SECONDS_MAX,
)
from node.api.operations import EVENT_STREAM, Access, Answer, Call, Content, Operation
from node.api.problems import Problem, unavailable
from node.api.queries import StreamQuery, parse_event_id
from node.api.views import audit_block_document
from node.storage.view import At, Finality
from node.stream import (
    BlockEvent,
    RetractEvent,
    StreamEvent,
    Subscription,
    TooManyConsumers,
)

NDJSON: Final = "application/x-ndjson"
LAST_EVENT_ID: Final = "Last-Event-ID"

LEGS_INLINE_MAX: Final = 200
"""A block with more legs is written out in a thread, so that the event loop is not held."""
RETRY_AFTER_S: Final = 10

STREAMS: Final[web.AppKey[set[asyncio.Task[Any]]]] = web.AppKey("streams", set)
"""Tasks of the open streams, which end when the server stops."""


class Framing(Protocol):
    """How events are written."""

    media_type: str
    opening: bytes
    keep_alive: bytes

    def frame(self, event: str, cursor: str, document: Mapping[str, Any]) -> bytes:
        """Return the bytes of one event."""
        ...

    def closing(self, reason: str, cursor: str) -> bytes:
        """Return the bytes that say why the stream ends, where the form has a place for it."""
        ...


class ServerSentEvents:
    """Server-Sent Events (WHATWG HTML, section 9.2)."""

    media_type = EVENT_STREAM
    opening = f"retry: {STREAM_RETRY_MILLISECONDS}\n\n".encode()
    keep_alive = b": the stream lives\n\n"

    def frame(self, event: str, cursor: str, document: Mapping[str, Any]) -> bytes:
        """Return one event; its JSON is one line, since line breaks are escaped in it."""
        return f"event: {event}\nid: {cursor}\ndata: ".encode() + write_json(document) + b"\n\n"

    def closing(self, reason: str, cursor: str) -> bytes:
        """Return a comment."""
        return f": {reason}; resume with {LAST_EVENT_ID}: {cursor}\n\n".encode()


class JsonLines:
    """Lines of JSON; a blank line keeps the connection alive."""

    media_type = NDJSON
    opening = b""
    keep_alive = b"\n"

    def frame(self, event: str, cursor: str, document: Mapping[str, Any]) -> bytes:
        """Return one line: the document with the event's name and its cursor before it."""
        return write_json({"event": event, "id": cursor, **document}) + b"\n"

    def closing(self, reason: str, cursor: str) -> bytes:  # noqa: ARG002 - lines hold events only
        """Return nothing: every line is an event, and the last one has the cursor."""
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """An event as it is sent."""

    payload: bytes
    position: Checkpoint
    """Where the consumer stands after it."""


async def stream_blocks(call: Call, query: StreamQuery) -> web.StreamResponse:
    """Stream blocks from a height, or after the event that ``Last-Event-ID`` names."""
    last_id = call.request.headers.get(LAST_EVENT_ID)
    cursor = parse_event_id(last_id) if last_id else None
    try:
        subscription = call.backend.stream.subscribe(
            cursor, from_height=query.first, finality=query.finality
        )
    except TooManyConsumers as error:
        raise unavailable(error.code, error.detail, retry_after_s=RETRY_AFTER_S) from None
    consumer = _Consumer(call, query, cursor)
    call.release_view()
    async with aclosing(subscription):
        return await consumer.serve(subscription)


class _Consumer:
    """One client that follows the stream."""

    def __init__(self, call: Call, query: StreamQuery, cursor: Checkpoint | None) -> None:
        view = call.view
        self._call = call
        self._finality = query.finality
        wants_lines = NDJSON in call.request.headers.get(hdrs.ACCEPT, "")
        self._framing: Framing = JsonLines() if wants_lines else ServerSentEvents()
        self._cursor = "" if cursor is None else _id_of(cursor)
        self._end_height: int | None = None
        if query.follow == "false":
            self._end_height = (view.head if query.finality is At.HEAD else view.final).height
        is_known = cursor is not None and view.is_on_best_chain(cursor)
        self._height = query.first - 1 if cursor is None else cursor.height if is_known else -1

    async def serve(self, subscription: Subscription) -> web.StreamResponse:
        """Send events until the end, or until the token, the client or the server is gone."""
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: self._framing.media_type,
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        task = asyncio.current_task()
        streams = self._call.request.app[STREAMS]
        metrics = self._call.backend.metrics
        await response.prepare(self._call.request)
        if task is not None:
            streams.add(task)
        metrics.stream_opened()
        try:
            with suppress(ConnectionError):
                await self._send(response, self._framing.opening)
                await self._follow(subscription, response)
        finally:
            metrics.stream_closed()
            if task is not None:
                streams.discard(task)
        return response

    async def _follow(self, subscription: Subscription, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        checked = spoken = loop.time()
        while self._end_height is None or self._height < self._end_height:
            event = await _next_event(subscription)
            if loop.time() - checked >= STREAM_RECHECK_SECONDS:
                checked = loop.time()
                reason = self._reason_to_end()
                if reason is not None:
                    await self._send(response, self._framing.closing(reason, self._cursor))
                    return
            if event is not None:
                frame = await self._frame(event)
                await self._send(response, frame.payload)
                self._height, self._cursor = frame.position.height, _id_of(frame.position)
                spoken = loop.time()
            elif loop.time() - spoken >= STREAM_COMMENT_SECONDS:
                await self._send(response, self._framing.keep_alive)
                spoken = loop.time()

    def _reason_to_end(self) -> str | None:
        """Return why the stream must end now: its token ran out or was revoked; else None."""
        transport = self._call.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        try:
            self._call.authority.require_valid(self._call.caller, self._call.backend.view())
        except Problem as problem:
            return problem.code
        return None

    async def _send(self, response: web.StreamResponse, payload: bytes) -> None:
        """Send, or cut off a consumer that does not take it in time (threat 67)."""
        try:
            async with asyncio.timeout(STREAM_WRITE_SECONDS_MAX):
                await response.write(payload)
        except TimeoutError:
            transport = self._call.request.transport
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the consumer is too slow") from None

    async def _frame(self, event: StreamEvent) -> _Frame:
        view = self._call.backend.view()
        if isinstance(event, BlockEvent):
            finality = view.finality_of(event.height) or Finality.UNCONFIRMED
            return await self._block_frame(event, finality)
        position = Checkpoint(height=event.height, hash=event.hash)
        name = "reset"
        if isinstance(event, RetractEvent):
            name = "retract"
            sealed = view.sealed_header(event.hash)
            if sealed is not None:
                position = Checkpoint(height=event.height - 1, hash=sealed.header.parent)
        document = {"height": event.height, "hash": event.hash.hex()}
        payload = self._framing.frame(name, _id_of(position), document)
        return _Frame(payload=payload, position=position)

    async def _block_frame(self, event: BlockEvent, finality: Finality) -> _Frame:
        position = Checkpoint(height=event.height, hash=event.hash)
        genesis, framing = self._call.backend.genesis_json, self._framing

        def render(block: Block) -> bytes:
            document = audit_block_document(block, finality.value, genesis)
            return framing.frame("block", _id_of(position), document)

        legs = sum(transaction.leg_count for transaction in event.block.transactions)
        if legs > LEGS_INLINE_MAX:
            payload = await asyncio.to_thread(render, event.block)
        else:
            payload = render(event.block)
        return _Frame(payload=payload, position=position)


async def _next_event(subscription: Subscription) -> StreamEvent | None:
    """Return the next event; None where none came for a while."""
    try:
        async with asyncio.timeout(STREAM_RECHECK_SECONDS):
            return await anext(subscription)
    except TimeoutError:
        return None


def _id_of(position: Checkpoint) -> str:
    return f"{position.height}:{position.hash.hex()}"


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/blocks",
    name="stream_blocks",
    summary="Blocks with their transactions' bodies, as Server-Sent Events or lines of JSON",
    tag="audit",
    access=Access.REGULATOR,
    handler=stream_blocks,
    query=StreamQuery,
    answers={
        200: Answer(
            description=(
                "Events ``block``, ``retract`` (only with finality=head) and ``reset``; the id is "
                "``height:hash``, and ``Last-Event-ID`` beats ``from``."
            ),
            contents=(
                Content(
                    media_type=EVENT_STREAM,
                    document=AuditBlockDocument | CheckpointDocument,
                    description="A block; of ``retract`` and ``reset`` height and hash.",
                ),
                Content(media_type=NDJSON, document=AuditBlockLineDocument | AuditEventDocument),
            ),
        )
    },
    is_stream=True,
)
