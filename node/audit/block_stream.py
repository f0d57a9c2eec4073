"""``GET /v1/audit/blocks``: every block with everything in it, in order, each once.

The forms of the stream, and what ends it, are those of ``node.audit.events``.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from consensus.votes import Checkpoint
from node.api.documents import (
    AuditBlockDocument,
    AuditBlockLineDocument,
    AuditEventDocument,
    CheckpointDocument,
)
from node.api.limits import STREAM_RECHECK_SECONDS
from node.api.operations import EVENT_STREAM, Access, Answer, Call, Content, Operation
from node.api.problems import unavailable
from node.api.queries import StreamQuery, parse_event_id
from node.api.views import audit_block_document
from node.audit.events import (
    LAST_EVENT_ID,
    NDJSON,
    RENDERED,
    STREAM_FULL_RETRY_SECONDS,
    EventChannel,
    Framing,
)
from node.storage.view import At, Finality
from node.stream import (
    BlockEvent,
    RetractEvent,
    StreamEvent,
    Subscription,
    TooManyConsumers,
)

LEGS_INLINE_MAX: Final = 200
"""A block with more legs is written out in a thread, so that the event loop is not held."""


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
        raise unavailable(
            error.code, error.detail, retry_after_s=STREAM_FULL_RETRY_SECONDS
        ) from None
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
        self._cursor = "" if cursor is None else _id_of(cursor)
        self._end_height: int | None = None
        if query.follow == "false":
            self._end_height = (view.head if query.finality is At.HEAD else view.final).height
        is_known = cursor is not None and view.is_on_best_chain(cursor)
        self._height = query.first - 1 if cursor is None else cursor.height if is_known else -1

    async def serve(self, subscription: Subscription) -> web.StreamResponse:
        """Send events until the end, or until the token, the client or the server is gone."""
        async with EventChannel.opened(self._call, self._cursor) as channel:
            while self._end_height is None or self._height < self._end_height:
                event = await _next_event(subscription)
                if event is None:
                    await channel.rest()
                    continue
                frame = await self._frame(event, channel.framing)
                await channel.send(frame.payload, _id_of(frame.position))
                self._height = frame.position.height
        return channel.response

    async def _frame(self, event: StreamEvent, framing: Framing) -> _Frame:
        view = self._call.backend.view()
        if isinstance(event, BlockEvent):
            finality = view.finality_of(event.height) or Finality.UNCONFIRMED
            return await self._block_frame(event, finality, framing)
        position = Checkpoint(height=event.height, hash=event.hash)
        name = "reset"
        if isinstance(event, RetractEvent):
            name = "retract"
            sealed = view.sealed_header(event.hash)
            if sealed is not None:
                position = Checkpoint(height=event.height - 1, hash=sealed.header.parent)
        document = {"height": event.height, "hash": event.hash.hex()}
        payload = framing.frame(name, _id_of(position), document)
        return _Frame(payload=payload, position=position)

    async def _block_frame(self, event: BlockEvent, finality: Finality, framing: Framing) -> _Frame:
        position = Checkpoint(height=event.height, hash=event.hash)
        genesis = self._call.backend.genesis_json

        def render() -> bytes:
            document = audit_block_document(event.block, finality.value, genesis)
            return framing.frame("block", _id_of(position), document)

        legs = sum(transaction.leg_count for transaction in event.block.transactions)
        payload = await self._call.request.app[RENDERED].payload(
            (event.hash, finality, framing.media_type), render, is_large=legs > LEGS_INLINE_MAX
        )
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
