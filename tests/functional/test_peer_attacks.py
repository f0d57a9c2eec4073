"""What outsiders and malicious members send to a listening or dialling node, and what it answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, web

from node.gossip.dialler import PeerAddress, dial
from node.gossip.errors import CertificateRejected, PeerRefused
from node.gossip.session import OVERSIZED, PROTOCOL, SILENT
from tests.functional.peers import (
    LIMITS,
    LOOPBACK,
    Member,
    Node,
    make_member,
    raw_websocket,
    running,
    write_raw,
)

SHORT_S = 0.5  # a time limit that the test waits for
FIN_BINARY, BINARY, FIN_PONG, FIN_BINARY_RSV1 = 0x82, 0x02, 0x8A, 0xC2
LENGTH_64_BITS = 127

Cast = tuple[Member, Member]


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    """Return the member whose node is attacked, and the member that attacks."""
    return make_member(tmp_path, "bank1"), make_member(tmp_path, "bank2")


def client_context(member: Member | None, *, tls: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client context that trusts anybody and shows that member's certificate, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls is not None:
        context.maximum_version = tls
    if member is not None:
        context.load_cert_chain(member.certificate_file, member.key_file)
    return context


async def is_cut_in_handshake(node: Node, context: ssl.SSLContext) -> bool:
    """Return whether the node ends the connection before it answers any request."""
    try:
        reader, writer = await asyncio.open_connection(
            node.address.host, node.address.port, ssl=context
        )
    except (ssl.SSLError, ConnectionError):
        return True
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")
        return await reader.read() == b""
    except (ssl.SSLError, ConnectionError):
        return True
    finally:
        writer.transport.abort()


async def test_threat_09_strangers_are_refused_in_the_handshake(cast: Cast, tmp_path: Path) -> None:
    """No certificate, a foreign one, a namesake's, an expired one: none gets to send a request."""
    node_member, good = cast
    stranger = make_member(tmp_path, "stranger")
    namesake = make_member(tmp_path, "bank2", file_name="namesake")
    expired = make_member(tmp_path, "expired", valid_days=-1)
    async with running(node_member, [node_member, good, expired]) as node:
        for member in (None, stranger, namesake, expired):
            assert await is_cut_in_handshake(node, client_context(member))
        assert await is_cut_in_handshake(node, client_context(good, tls=ssl.TLSVersion.TLSv1_2))
        assert not await is_cut_in_handshake(node, client_context(good))
        assert node.ears.heard == []


@asynccontextmanager
async def answering(
    member: Member, register: list[Member], handler: web.Application
) -> AsyncIterator[PeerAddress]:
    """Run a web server under the member's certificate, in place of its node."""
    runner = web.AppRunner(handler, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=member.trusting(register).server_context)
    await site.start()
    try:
        yield PeerAddress(host=LOOPBACK, port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("valid_days", [10, -1])
async def test_threat_09_dialler_refuses_strangers_too(
    cast: Cast, tmp_path: Path, valid_days: int
) -> None:
    """A node that answers with a foreign or an expired certificate gets no request either."""
    dialler, _ = cast
    answerer = make_member(tmp_path, "other", valid_days=valid_days)
    register = [dialler] if valid_days > 0 else [dialler, answerer]
    async with answering(answerer, [dialler], web.Application()) as address:
        with pytest.raises(ClientConnectorCertificateError):
            async with dial("other", address, trust=dialler.trusting(register), limits=LIMITS):
                pass


async def test_dialler_refuses_another_member_than_the_dialled_one(
    cast: Cast, tmp_path: Path
) -> None:
    """A member cannot take another member's place by taking over its address."""
    dialler, impostor = cast
    register = [dialler, impostor, make_member(tmp_path, "bank3")]
    async with running(impostor, register) as node:
        with pytest.raises(CertificateRejected) as rejected:
            async with dial("bank3", node.address, trust=dialler.trusting(register), limits=LIMITS):
                pass
    assert rejected.value.fields == {"dialled": "bank3", "answering": "bank2"}


async def test_threat_16_redirects_are_not_followed(cast: Cast) -> None:
    """A member that answers with a redirect cannot make the node call another host."""
    dialler, member = cast
    called: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.Response(status=302, headers={"Location": "/latest/meta-data/"})

    application = web.Application()
    application.router.add_get("/{path:.*}", redirect)
    register = [dialler, member]
    async with answering(member, register, application) as address:
        with pytest.raises(PeerRefused) as refused:
            async with dial("bank2", address, trust=dialler.trusting(register), limits=LIMITS):
                pass
    assert refused.value.fields == {"status": 302}
    assert called == ["/"]


async def test_node_does_not_connect_to_itself(cast: Cast) -> None:
    """A connection under the node's own certificate is refused."""
    member, _ = cast
    async with running(member, [member]) as node:
        with pytest.raises(PeerRefused):
            async with dial("bank1", node.address, trust=member.trusting([member]), limits=LIMITS):
                pass
        assert node.ears.heard == []


async def test_threat_03_length_alone_refuses_an_oversized_frame(cast: Cast) -> None:
    """The header of a frame that is one byte too long, or a lie, ends the session at once."""
    register = list(cast)
    async with running(cast[0], register) as node:
        for number, length in enumerate((LIMITS.frame_bytes_max + 1, 2**40, 2**63 - 1), start=1):
            async with raw_websocket(cast[1], node, register) as attacker:
                header = bytes([FIN_BINARY, LENGTH_64_BITS]) + length.to_bytes(8, "big")
                write_raw(attacker, header)  # and not one byte of payload
                await node.ears.until("disconnected", "bank2", OVERSIZED, times=number)


async def test_threat_03_fragments_count_together(cast: Cast) -> None:
    """A message in many fragments is refused when their sum passes the limit."""
    register = list(cast)
    async with (
        running(cast[0], register) as node,
        raw_websocket(cast[1], node, register) as attacker,
    ):
        half = LIMITS.frame_bytes_max // 2 + 1
        header = bytes([BINARY, LENGTH_64_BITS]) + half.to_bytes(8, "big")
        write_raw(attacker, header + bytes(half))
        write_raw(attacker, bytes([0x00, LENGTH_64_BITS]) + half.to_bytes(8, "big"))
        await node.ears.until("disconnected", "bank2", OVERSIZED)


async def test_threat_07_compression_is_neither_granted_nor_taken(cast: Cast) -> None:
    """A client that offers compression does not get it; a compressed frame ends the session."""
    register = list(cast)
    async with (
        running(cast[0], register) as node,
        raw_websocket(cast[1], node, register, compress=15) as attacker,
    ):
        assert not attacker.compress
        write_raw(attacker, bytes([FIN_BINARY_RSV1, 4]) + b"bomb")
        await node.ears.until("disconnected", "bank2", PROTOCOL)


@pytest.mark.parametrize("text", ["hello", "PING", ""])
async def test_text_that_is_no_keep_alive_ends_the_session(cast: Cast, text: str) -> None:
    """Text messages are the keep-alive and nothing else."""
    register = list(cast)
    async with (
        running(cast[0], register) as node,
        raw_websocket(cast[1], node, register) as attacker,
    ):
        await attacker.send_str(text)
        await node.ears.until("disconnected", "bank2", PROTOCOL)


async def test_ping_is_answered(cast: Cast) -> None:
    """A keep-alive question gets its answer."""
    register = list(cast)
    async with running(cast[0], register) as node, raw_websocket(cast[1], node, register) as peer:
        await peer.send_str("ping")
        assert await peer.receive_str() == "pong"


async def test_threat_08_handshakes_have_a_time_limit(cast: Cast) -> None:
    """TCP without TLS, and TLS without a request, are closed when the handshake's time is over."""
    limits = replace(LIMITS, handshake_s=SHORT_S)
    async with running(cast[0], list(cast), limits=limits) as node:
        for context in (None, client_context(cast[1])):
            reader, writer = await asyncio.open_connection(
                node.address.host, node.address.port, ssl=context
            )
            assert await reader.read() == b""
            writer.transport.abort()
        assert node.ears.heard == []


async def test_threat_08_unanswered_dial_has_a_time_limit(cast: Cast) -> None:
    """A host that takes the connection and says nothing does not hold the dialler."""
    limits = replace(LIMITS, handshake_s=SHORT_S)
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(say_nothing, LOOPBACK, 0)
    async with server:
        address = PeerAddress(host=LOOPBACK, port=server.sockets[0].getsockname()[1])
        with pytest.raises(TimeoutError):
            async with dial("bank2", address, trust=cast[0].trusting(cast), limits=limits):
                pass
        await ended.wait()


async def test_threat_08_silent_peer_is_closed(cast: Cast) -> None:
    """A peer that answers no keep-alive is closed."""
    limits = replace(LIMITS, frame_s=SHORT_S, ping_s=SHORT_S / 4)
    register = list(cast)
    async with (
        running(cast[0], register, limits=limits) as node,
        raw_websocket(cast[1], node, register),
    ):
        await node.ears.until("disconnected", "bank2", SILENT)


async def test_threat_08_message_that_never_ends_is_closed(cast: Cast) -> None:
    """Neither a dripping frame nor pongs between fragments extend the time of a message."""
    limits = replace(LIMITS, frame_s=SHORT_S, ping_s=SHORT_S / 4)
    register = list(cast)
    async with running(cast[0], register, limits=limits) as node:
        for number, drop in enumerate((b"x", bytes([FIN_PONG, 0])), start=1):
            async with raw_websocket(cast[1], node, register) as attacker:
                start = bytes([FIN_BINARY, 100]) if drop == b"x" else bytes([BINARY, 1]) + b"x"
                write_raw(attacker, start)
                closed = asyncio.create_task(
                    node.ears.until("disconnected", "bank2", SILENT, times=number)
                )
                while not closed.done():
                    write_raw(attacker, drop)
                    await asyncio.wait([closed], timeout=SHORT_S / 10)


async def test_live_peers_outlast_the_time_limit(cast: Cast) -> None:
    """Two idle nodes keep their session through their keep-alives, frame times over."""
    limits = replace(LIMITS, frame_s=2 * SHORT_S, ping_s=SHORT_S / 10)
    register = list(cast)
    async with (
        running(cast[0], register, limits=limits) as first,
        running(cast[1], register, {"bank1": first.address}, limits=limits) as second,
    ):
        await second.ears.until("connected", "bank1")
        over = asyncio.create_task(second.ears.until("disconnected"))
        done, _ = await asyncio.wait([over], timeout=SHORT_S * 3)
        over.cancel()
        assert not done


async def test_oldest_handshake_makes_room_for_a_new_one(cast: Cast) -> None:
    """Strangers who hold every place do not keep a member out."""
    limits = replace(LIMITS, handshakes_max=4)
    register = list(cast)
    async with running(cast[0], register, limits=limits) as node:
        idle = [
            await asyncio.open_connection(node.address.host, node.address.port) for _ in range(8)
        ]
        async with raw_websocket(cast[1], node, register):
            await node.ears.until("connected", "bank2")
            assert await idle[0][0].read() == b""
        for _, writer in idle:
            writer.transport.abort()
