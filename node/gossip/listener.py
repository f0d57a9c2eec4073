"""Taking connections from peers: TCP, mutual TLS, WebSocket, all within one limit of time.

The node accepts sockets itself instead of leaving it to a server object, so that every connection
is one named task from its first byte to its last, and so that strangers can be counted and cut.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

import structlog
from aiohttp.web import (
    BaseRequest,
    RequestHandler,
    Response,
    Server,
    StreamResponse,
    WebSocketResponse,
)

from node.gossip.errors import GossipError, PeerRefused
from node.gossip.limits import TransportLimits
from node.gossip.tls import TlsSession, TrustStore

log = structlog.get_logger(__name__)

# Raise GossipError unless the member behind the TLS session may have a connection now.
Admit = Callable[[TlsSession | None], object]
Carry = Callable[[WebSocketResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection between its TCP handshake and its end."""

    opened: asyncio.Future[WebSocketResponse] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Listener:
    """Accepts connections and hands each open WebSocket of an admitted member to ``carry``."""

    def __init__(
        self, *, trust: TrustStore, limits: TransportLimits, admit: Admit, carry: Carry
    ) -> None:
        self._trust = trust
        self._limits = limits
        self._admit = admit
        self._carry = carry
        self._server = Server(self._upgrade, access_log=None)
        self._arrivals: dict[RequestHandler, Arrival] = {}
        self._handshakes: dict[asyncio.Task[None], None] = {}  # oldest first
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The TCP port that is listened on, also where the system was asked to choose it."""
        if self._socket is None:
            raise RuntimeError("the listener is not open")
        port: int = self._socket.getsockname()[1]
        return port

    async def open(self, host: str, port: int) -> None:
        """Listen on the first address of the host; port 0 lets the system choose.

        Raises:
            OSError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        self._socket = socket.create_server((address[0], address[1]), family=family)
        self._socket.setblocking(False)

    async def serve(self, tasks: asyncio.TaskGroup) -> None:
        """Accept connections until cancelled, each in a task of the group."""
        if self._socket is None:
            raise RuntimeError("the listener is not open")
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError as error:  # out of descriptors, or the peer left already
                log.warning("accept_failed", error=str(error))
                await asyncio.sleep(self._limits.accept_pause_s)
                continue
            if len(self._handshakes) >= self._limits.handshakes_max:
                next(iter(self._handshakes)).cancel()
            task = tasks.create_task(
                self._receive(connection), name=f"inbound-{address[0]}-{address[1]}"
            )
            self._handshakes[task] = None
            task.add_done_callback(partial(self._end_connection, connection))

    async def close(self) -> None:
        """Stop listening and cut what is still connected."""
        if self._socket is not None:
            self._socket.close()
        await self._server.shutdown(self._limits.close_s)

    def _end_connection(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        connection.close()  # a task that was pushed out before its first step never touched it

    async def _receive(self, connection: socket.socket) -> None:
        """Carry one connection from its TLS handshake to its end."""
        protocol = self._server()
        arrival = self._arrivals[protocol] = Arrival()
        try:
            async with asyncio.timeout(self._limits.handshake_s):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol,
                    connection,
                    ssl=self._trust.server_context,
                    ssl_handshake_timeout=self._limits.handshake_s,
                )
                websocket = await arrival.opened
            if (task := asyncio.current_task()) is not None:
                self._handshakes.pop(task, None)
            await self._carry(websocket)
        except Exception as error:  # noqa: BLE001 - the peer boundary: it costs the connection only
            log.warning("inbound_failed", error=repr(error))
        finally:
            arrival.ended.set()
            del self._arrivals[protocol]
            if protocol.transport is not None:
                protocol.transport.abort()

    async def _upgrade(self, request: BaseRequest) -> StreamResponse:
        """Answer the one HTTP request of a connection; aiohttp runs this in its own task."""
        arrival = self._arrivals.get(request.protocol)
        if arrival is None or arrival.opened.done():  # too late, or a second request
            return Response(status=HTTPStatus.BAD_REQUEST)
        websocket = WebSocketResponse(
            max_msg_size=self._limits.frame_bytes_max + 1,  # aiohttp refuses this size and above
            timeout=self._limits.close_s,
            compress=False,
        )
        try:
            self._admit(request.get_extra_info("ssl_object"))
            if not websocket.can_prepare(request).ok:
                raise PeerRefused("not_an_upgrade", "the request is no WebSocket upgrade")
        except GossipError as error:
            return await self._refuse(request, arrival, error)
        await websocket.prepare(request)
        if not arrival.opened.done():
            arrival.opened.set_result(websocket)
            await arrival.ended.wait()
        return websocket

    async def _refuse(
        self, request: BaseRequest, arrival: Arrival, error: GossipError
    ) -> StreamResponse:
        response = Response(status=HTTPStatus.FORBIDDEN, text=error.code)
        await response.prepare(request)
        await response.write_eof()  # written before the connection's task learns of it and cuts
        if not arrival.opened.done():
            arrival.opened.set_exception(error)
        return response
