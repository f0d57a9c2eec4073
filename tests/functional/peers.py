"""Members with certificates, listening ears, and raw clients: the cast of the peer tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, TCPConnector

from node.gossip.dialler import PeerAddress
from node.gossip.limits import TransportLimits
from node.gossip.tls import MemberCertificate, TrustStore, certificate_der, make_certificate
from node.gossip.transport import PeerTransport
from tests.barriers import HANG_S

LOOPBACK = "127.0.0.1"
KIB = 1024

# Small sizes and quick redials; times that would end a session stay long unless a test shortens them.
LIMITS = TransportLimits(
    frame_bytes_max=64 * KIB,
    queue_bytes_max=256 * KIB,
    close_s=0.2,
    redial_first_s=0.01,
    redial_max_s=0.05,
)


@dataclass(frozen=True)
class Member:
    """A member's id and the files of its certificate."""

    member_id: str
    certificate_file: Path
    key_file: Path

    @property
    def registered(self) -> MemberCertificate:
        """The member's entry in the register."""
        certificate = certificate_der(self.certificate_file.read_bytes())
        return MemberCertificate(member_id=self.member_id, certificate=certificate)

    def trusting(self, register: Iterable[Member]) -> TrustStore:
        """Return a trust store of this member's own."""
        return TrustStore(
            certificate_file=self.certificate_file,
            key_file=self.key_file,
            register=[member.registered for member in register],
        )


def make_member(
    directory: Path, member_id: str, *, valid_days: int = 10, file_name: str | None = None
) -> Member:
    """Return a member whose certificate began a year ago and lasts that many days from now."""
    now = datetime.now(UTC)
    key, certificate = make_certificate(
        member_id, not_before=now - timedelta(365), not_after=now + timedelta(valid_days)
    )
    stem = directory / (file_name or member_id)
    member = Member(member_id, stem.with_suffix(".crt"), stem.with_suffix(".key"))
    member.certificate_file.write_bytes(certificate)
    member.key_file.write_bytes(key)
    return member


@dataclass
class Ears:
    """Peer events as they were heard, and barriers on them."""

    heard: list[tuple[object, ...]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_connected(self, member_id: str, *, inbound: bool) -> None:
        self._hear("connected", member_id, inbound)

    async def on_frame(self, member_id: str, frame: bytes) -> None:
        self._hear("frame", member_id, frame)
        if frame == b"raise":
            raise ValueError("the owner cannot bear this frame")

    async def on_disconnected(self, member_id: str, reason: str) -> None:
        self._hear("disconnected", member_id, reason)

    def _hear(self, *event: object) -> None:
        self.heard.append(event)
        self._news.set()

    def count(self, *event: object) -> int:
        """Return how often an event that begins so was heard."""
        return sum(each[: len(event)] == event for each in self.heard)

    async def until(self, *event: object, times: int = 1) -> None:
        """Return once an event that begins so was heard that often."""
        await self.until_true(lambda: self.count(*event) >= times)

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; it is asked again after every event."""
        while not condition():
            self._news.clear()
            await self._news.wait()


@dataclass(frozen=True)
class Node:
    """A running transport, what it told its owner, and how to end it."""

    transport: PeerTransport
    ears: Ears
    task: asyncio.Task[None]

    @property
    def address(self) -> PeerAddress:
        """Where it listens."""
        return PeerAddress(host=LOOPBACK, port=self.transport.port)

    async def stop(self) -> None:
        """Cancel the transport and return when it is gone."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def running(
    member: Member,
    register: Iterable[Member],
    peers: Mapping[str, PeerAddress] | None = None,
    *,
    limits: TransportLimits = LIMITS,
    port: int = 0,
) -> AsyncIterator[Node]:
    """Run a member's transport for as long as the context lasts, at most ``HANG_S``."""
    ears = Ears()
    transport = PeerTransport(
        member_id=member.member_id,
        trust=member.trusting(register),
        events=ears,
        peers=peers or {},
        limits=limits,
        jitter=random.Random(member.member_id),
    )
    async with transport.listening(LOOPBACK, port):
        node = Node(transport, ears, asyncio.create_task(transport.run(), name=member.member_id))
        try:
            async with asyncio.timeout(HANG_S):
                yield node
        finally:
            await node.stop()


@asynccontextmanager
async def raw_websocket(
    member: Member, node: Node, register: Iterable[Member], compress: int = 0
) -> AsyncIterator[ClientWebSocketResponse]:
    """Yield a WebSocket to the node, opened as that member by other code than the transport's."""
    context = member.trusting(register).client_context
    url = f"https://{node.address.host}:{node.address.port}"
    async with (
        ClientSession(connector=TCPConnector(ssl=context)) as http,
        http.ws_connect(
            url, compress=compress, timeout=ClientWSTimeout(ws_close=LIMITS.close_s)
        ) as websocket,
    ):
        yield websocket


def write_raw(websocket: ClientWebSocketResponse, data: bytes) -> None:
    """Write bytes past aiohttp's framing, as an attacker would."""
    websocket._writer.transport.write(data)
