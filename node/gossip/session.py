"""One open connection to a member: whole frames in, whole frames out, within limits of time.

Frames are binary WebSocket messages. Text messages are the keep-alive, `ping` and `pong`. They
take the place of WebSocket's own ping frames because those may arrive amid a fragmented message
and so say nothing about it; a text message cannot. Hence one rule covers a dead peer, a half-open
connection and a message that never ends: each whole message must come within ``frame_s``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import ClientError, ClientWebSocketResponse, WebSocketError, WSCloseCode, WSMsgType
from aiohttp.web import WebSocketResponse

from node.gossip.limits import TransportLimits
from node.gossip.tls import TlsSession

WebSocket = WebSocketResponse | ClientWebSocketResponse

PING: Final = "ping"
PONG: Final = "pong"

# Why a session ended, beside the reasons that callers of `PeerTransport.disconnect` give.
CLOSED_BY_PEER: Final = "closed_by_peer"
CONNECTION_LOST: Final = "connection_lost"
DUPLICATE: Final = "duplicate"
FAULT: Final = "fault"
OVERSIZED: Final = "oversized_frame"
PROTOCOL: Final = "websocket_protocol"
REFUSED: Final = "refused"
REVOKED: Final = "revoked"
SILENT: Final = "silent"
SLOW: Final = "slow"
STOPPING: Final = "stopping"

FAREWELL_BYTES_MAX: Final = 123  # a WebSocket close frame holds 125, two of them its code

OnFrame = Callable[[str, bytes], Awaitable[None]]


class Session:
    """Frames to and from one member, until either side ends it.

    ``gone`` is set by the owner once nothing more will be heard of the session; ``farewell`` is
    what the peer gave as its reason when it closed, at most 123 bytes of untrusted text.
    """

    def __init__(
        self,
        *,
        member_id: str,
        inbound: bool,
        websocket: WebSocket,
        limits: TransportLimits,
    ) -> None:
        self.member_id = member_id
        self.inbound = inbound
        self.tls: TlsSession = websocket.get_extra_info("ssl_object")
        self.gone = asyncio.Event()
        self.farewell = ""
        self._websocket = websocket
        self._limits = limits
        self._queue: deque[bytes | str] = deque()
        self._queue_bytes = 0
        self._queue_filled = asyncio.Event()
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def reason(self) -> str | None:
        """Why the session ends, None while it does not."""
        return self._ending.result() if self._ending.done() else None

    def send(self, message: bytes | str) -> bool:
        """Queue a frame, or a keep-alive; return False if it was not taken.

        A queue that has no room for it ends the session: the peer is slow.

        Raises:
            ValueError: the frame is larger than ``frame_bytes_max``, which is the caller's error.
        """
        if len(message) > self._limits.frame_bytes_max:
            limit = self._limits.frame_bytes_max
            raise ValueError(f"a frame of {len(message)} bytes passes the limit of {limit}")
        if self._ending.done():
            return False
        if self._queue_bytes + len(message) > self._limits.queue_bytes_max:
            self.close(SLOW)
            return False
        self._queue.append(message)
        self._queue_bytes += len(message)
        self._queue_filled.set()
        return True

    def probe(self) -> None:
        """Ask the peer for a sign of life now, which makes a dead connection show itself."""
        self.send(PING)

    def close(self, reason: str) -> None:
        """End the session, for the first reason given; nothing more is sent or delivered."""
        if not self._ending.done():
            self._ending.set_result(reason)

    async def run(self, on_frame: OnFrame) -> str:
        """Carry frames until the session ends; return the reason.

        Each frame is awaited before the next is read, so that a busy node slows its peers down
        instead of piling up their frames.
        """
        async with asyncio.TaskGroup() as tasks:
            works = {"read": self._read(on_frame), "write": self._write(), "ping": self._ping()}
            running = [
                tasks.create_task(work, name=f"peer-{self.member_id}-{name}")
                for name, work in works.items()
            ]
            # Shielded, since a cancelled wait must not cancel the reason itself.
            reason = await asyncio.shield(self._ending)
            for task in running:
                task.cancel()
        return reason

    async def say_farewell(self) -> None:
        """Tell the peer the reason and wait a little for its answer; never raises."""
        await close_websocket(self._websocket, self.reason or STOPPING, self._limits.close_s)

    async def _read(self, on_frame: OnFrame) -> None:
        while True:
            try:
                async with asyncio.timeout(self._limits.frame_s):
                    message = await self._websocket.receive()
            except TimeoutError:
                self.close(SILENT)
                return
            match message.type, message.data:
                case WSMsgType.BINARY, bytes(frame):
                    await on_frame(self.member_id, frame)
                case WSMsgType.TEXT, str(text) if text == PING:
                    self.send(PONG)
                case WSMsgType.TEXT, str(text) if text == PONG:
                    pass
                case kind, data:
                    if kind is WSMsgType.CLOSE:
                        self.farewell = message.extra or ""
                    self.close(end_reason(kind, data))
                    return

    async def _write(self) -> None:
        try:
            while await self._queue_filled.wait():
                while self._queue:
                    async with asyncio.timeout(self._limits.frame_s):
                        await self._write_message(self._queue[0])
                    self._queue_bytes -= len(self._queue.popleft())
                self._queue_filled.clear()
        except TimeoutError:
            self.close(SLOW)
        except (OSError, ClientError):
            self.close(CONNECTION_LOST)

    async def _write_message(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        else:
            await self._websocket.send_str(message)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._limits.ping_s)
            self.send(PING)


async def close_websocket(websocket: WebSocket, reason: str, close_s: float) -> None:
    """Close with the reason as farewell, waiting at most so long; never raises."""
    with suppress(TimeoutError, OSError, ClientError):
        async with asyncio.timeout(close_s):
            farewell = reason.encode()[:FAREWELL_BYTES_MAX]
            await websocket.close(code=WSCloseCode.OK, message=farewell)


def end_reason(kind: WSMsgType, data: object) -> str:
    """Return why a session ends with this message, which is neither frame nor keep-alive."""
    if kind is WSMsgType.ERROR and isinstance(data, WebSocketError):
        return OVERSIZED if data.code == WSCloseCode.MESSAGE_TOO_BIG else PROTOCOL
    if kind is WSMsgType.TEXT:
        return PROTOCOL
    return CLOSED_BY_PEER if kind is WSMsgType.CLOSE else CONNECTION_LOST
