"""Streams of events to regulators: how they are written, and what ends them.

Two forms of one stream: Server-Sent Events, or lines of JSON for who asks for
``application/x-ndjson``. Nothing is queued for a consumer; one that does not take an event in time
is cut off and resumes with the id of the last it has. Consumers that stand at the same event share its
bytes, so that a hundred cost one writing out and a hundred sends.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol, Self, cast

from aiohttp import hdrs, web

from node.api.json_text import write_json
from node.api.limits import (
    STREAM_COMMENT_SECONDS,
    STREAM_PIECE_BYTES_MAX,
    STREAM_RECHECK_SECONDS,
    STREAM_RENDERED_EVENTS_MAX,
    STREAM_RETRY_MILLISECONDS,
    STREAM_SOCKET_BYTES_MAX,
    STREAM_WRITE_SECONDS_MAX,
    STREAMS_MAX,
)
from node.api.operations import EVENT_STREAM, Call
from node.api.problems import Problem, unavailable

NDJSON: Final = "application/x-ndjson"
STREAM_FULL_RETRY_SECONDS: Final = 10
"""When to ask again where all places are taken."""
LAST_EVENT_ID: Final = "Last-Event-ID"

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


class RenderedEvents:
    """The last few events as they are sent, each written out once for all who ask at about the time."""

    def __init__(self) -> None:
        self._payloads: OrderedDict[Hashable, asyncio.Future[bytes]] = OrderedDict()

    async def payload(self, key: Hashable, render: Callable[[], bytes], *, is_large: bool) -> bytes:
        """Return the event of a key, written out by ``render``; a large one in a thread."""
        rendering = self._payloads.get(key)
        if rendering is None:
            loop = asyncio.get_running_loop()
            if not is_large:
                rendering = loop.create_future()
                rendering.set_result(render())
            else:
                rendering = loop.run_in_executor(None, render)
            self._payloads[key] = rendering
            if len(self._payloads) > STREAM_RENDERED_EVENTS_MAX:
                self._payloads.popitem(last=False)
        # One consumer that leaves must not cancel what the others wait for.
        return await asyncio.shield(rendering)


RENDERED: Final[web.AppKey[RenderedEvents]] = web.AppKey("rendered", RenderedEvents)
"""Events of the block stream that consumers share."""


class StreamEnded(Exception):
    """The stream must end now, and its consumer was told why: its token ran out or was revoked."""


class EventChannel:
    """One consumer's open response. Send each event, and call ``rest`` whenever there is none.

    It comments on schedule, among events too: who reads it may wait for a comment alone. ``clock_s`` is
    the loop's own clock where none is given, seconds.
    """

    def __init__(
        self,
        call: Call,
        framing: Framing,
        cursor: str,
        clock_s: Callable[[], float] | None = None,
    ) -> None:
        self._call = call
        self._response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: framing.media_type,
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        self._clock_s = clock_s or asyncio.get_running_loop().time
        self._checked_s = self._clock_s()
        self._comment_due_s = self._checked_s + STREAM_COMMENT_SECONDS
        self._cursor = cursor
        self.framing = framing

    @classmethod
    @asynccontextmanager
    async def opened(cls, call: Call, cursor: str) -> AsyncIterator[Self]:
        """Hold a response open in the form that the client asked for.

        ``cursor`` is the id of the last event that the consumer has, empty where it has none. A
        consumer that goes away, and a stream that must end, leave quietly. Any other fault cuts the
        connection: a problem document in the middle of a stream would be no HTTP.

        Raises:
            Problem: all places for streams are taken.
        """
        streams, metrics = call.request.app[STREAMS], call.backend.metrics
        if len(streams) >= STREAMS_MAX:
            raise unavailable(
                "too_many_consumers",
                f"{STREAMS_MAX} streams are open, which is all that this node serves at once.",
                retry_after_s=STREAM_FULL_RETRY_SECONDS,
            )
        wants_lines = NDJSON in call.request.headers.get(hdrs.ACCEPT, "")
        channel = cls(call, JsonLines() if wants_lines else ServerSentEvents(), cursor)
        task = asyncio.current_task()
        if task is not None:
            streams.add(task)
        metrics.stream_opened()
        try:
            await channel.response.prepare(call.request)
            _limit_buffers(call.request.transport)
            with suppress(ConnectionError, StreamEnded):
                await channel._write(channel.framing.opening)
                yield channel
        except Exception:
            if call.request.transport is not None:
                call.request.transport.abort()
            raise
        finally:
            metrics.stream_closed()
            if task is not None:
                streams.discard(task)

    @property
    def response(self) -> web.StreamResponse:
        """The response that the events are written to."""
        return self._response

    async def send(self, payload: bytes, cursor: str) -> None:
        """Send one event, after which the consumer stands at ``cursor``.

        Raises:
            StreamEnded: the token holds no longer.
            ConnectionError: the consumer is gone, or too slow (threat 67).
        """
        await self._check()
        await self._write(payload)
        self._cursor = cursor
        await self._comment()

    async def rest(self) -> None:
        """Keep a quiet stream alive; see ``send`` for what it raises."""
        await self._check()
        await self._comment()

    async def rest_until(self, moved: asyncio.Event) -> None:
        """Rest until something moved, or for as long as a stream may go unchecked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STREAM_RECHECK_SECONDS):
                await moved.wait()
        await self.rest()

    async def _comment(self) -> None:
        """Say that the stream lives where that is due; a delay does not put off the next time."""
        now_s = self._clock_s()
        if now_s < self._comment_due_s:
            return
        await self._write(self.framing.keep_alive)
        spans = (now_s - self._comment_due_s) // STREAM_COMMENT_SECONDS + 1
        self._comment_due_s += spans * STREAM_COMMENT_SECONDS

    async def _check(self) -> None:
        if self._clock_s() - self._checked_s < STREAM_RECHECK_SECONDS:
            return
        self._checked_s = self._clock_s()
        transport = self._call.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        try:
            self._call.authority.require_valid(self._call.caller, self._call.backend.view())
        except Problem as problem:
            await self._write(self.framing.closing(problem.code, self._cursor))
            raise StreamEnded from None

    async def _write(self, payload: bytes) -> None:
        """Write, or cut off a consumer that does not take it in time (threat 67)."""
        try:
            async with asyncio.timeout(STREAM_WRITE_SECONDS_MAX):
                # In pieces, each waiting for room: a whole event would lie in the buffer at once.
                for at in range(0, len(payload), STREAM_PIECE_BYTES_MAX):
                    await self._response.write(payload[at : at + STREAM_PIECE_BYTES_MAX])
        except TimeoutError:
            transport = self._call.request.transport
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the consumer is too slow") from None


def _limit_buffers(transport: asyncio.BaseTransport | None) -> None:
    """Bound what lies between the node and a consumer that does not read, in both of its buffers."""
    if transport is None:
        return  # the client has left already
    # uvloop's transports are no subclasses of asyncio's, and have the same methods.
    cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=STREAM_PIECE_BYTES_MAX)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_SOCKET_BYTES_MAX)
