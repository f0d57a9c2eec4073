"""Opening a connection to a configured peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import (
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from node.gossip.errors import CertificateRejected, PeerRefused
from node.gossip.limits import TransportLimits
from node.gossip.session import REFUSED, close_websocket
from node.gossip.tls import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAddress:
    """Where a member's node listens, as the operator configured it."""

    host: str
    port: int


@asynccontextmanager
async def dial(
    member_id: str, address: PeerAddress, *, trust: TrustStore, limits: TransportLimits
) -> AsyncIterator[ClientWebSocketResponse]:
    """Yield an open WebSocket to the member at that address, which is cut on leaving.

    Raises:
        CertificateRejected: another member than the dialled one answers.
        PeerRefused: the peer answers, but does not take the connection.
        TimeoutError: the handshake takes longer than ``handshake_s``.
        OSError: the peer cannot be reached, or its certificate is refused in the handshake.
    """
    # A connector a connection: nothing is pooled, and closing it aborts what is left.
    async with ClientSession(
        connector=TCPConnector(ssl=trust.client_context, limit=1),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        middlewares=(take_only_an_upgrade,),
    ) as http:
        async with asyncio.timeout(limits.handshake_s):
            websocket = await http.ws_connect(
                URL.build(scheme="https", host=address.host, port=address.port),
                max_msg_size=limits.frame_bytes_max + 1,  # aiohttp refuses this size and above
                timeout=ClientWSTimeout(ws_close=limits.close_s),
            )
        try:
            # The register names the peer before a single frame is exchanged.
            answering = trust.member_of(websocket.get_extra_info("ssl_object"))
            if answering != member_id:
                raise CertificateRejected(
                    "member_unexpected",
                    "another member answers",
                    dialled=member_id,
                    answering=answering,
                )
            yield websocket
        finally:  # does nothing to a session that said farewell itself
            await close_websocket(websocket, REFUSED, limits.close_s)


async def take_only_an_upgrade(
    request: ClientRequest, handler: ClientHandlerType
) -> ClientResponse:
    """End a dial that is answered by anything but 101, before aiohttp would follow a redirect.

    Else a member could point this node at any host, its own metadata service for one.
    """
    response = await handler(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.close()
        raise PeerRefused(
            "peer_declined", "the peer does not take the connection", status=response.status
        )
    return response
