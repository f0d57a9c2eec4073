r"""A member turned malicious: it has its real keys, knows the protocol, and says what it likes.

async with malicious.session("bank1") as (wire, head):
    await wire.send_frame(b"\xc1")
    assert await wire.farewell() == "malformed"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from ledger.blocks import SealedHeader
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.limits import BLOCK_OVERHEAD_BYTES
from ledger.merkle import leaf_hash
from node.core import limits
from node.core.messages import (
    GetHeaders,
    Headers,
    Hello,
    Message,
    Tip,
    decode_message,
    encode_message,
)
from node.gossip.session import PING, PONG
from tests.chains import ChainBuilder
from tests.functional.cluster import LOOPBACK, Cluster
from tests.functional.peers import Member

_M = TypeVar("_M", bound=Message)


class Follower(ChainBuilder):
    """Builds on a chain that others mined."""

    def adopt(self, headers: Iterable[SealedHeader]) -> None:
        """Learn headers, parents first, so that blocks can be made on them."""
        for sealed in headers:
            history = self._histories[sealed.header.parent]
            self._histories[sealed.hash] = history.append(leaf_hash(sealed.hash))
            self._blocks[sealed.hash] = sealed


class Wire:
    """One session with a node, spoken by hand."""

    def __init__(self, websocket: ClientWebSocketResponse, block_bytes_max: int) -> None:
        self._websocket = websocket
        self._block_bytes_max = block_bytes_max

    async def send(self, message: Message) -> None:
        """Send a message."""
        await self.send_frame(encode_message(message))

    async def send_frame(self, frame: bytes) -> None:
        """Send any bytes."""
        await self._websocket.send_bytes(frame)

    async def next(self, kind: type[_M]) -> _M:
        """Return the next message of one kind; others are passed over."""
        while True:
            message = await self._websocket.receive()
            assert message.type in {WSMsgType.BINARY, WSMsgType.TEXT}, message
            if message.type is WSMsgType.TEXT:
                await self._answer(message.data)
                continue
            decoded = decode_message(
                message.data,
                bytes_max=self._block_bytes_max + BLOCK_OVERHEAD_BYTES,
                block_bytes_max=self._block_bytes_max,
            )
            if isinstance(decoded, kind):
                return decoded

    async def head_sealed_by(self, member: str, head: SealedHeader) -> SealedHeader:
        """Return the node's head once that member sealed it; ``head`` is the last one known."""
        while head.header.sealer != member:
            head = (await self.next(Tip)).head
        return head

    async def headers_after(self, known: BlockHash) -> tuple[SealedHeader, ...]:
        """Return the headers of the node's chain above a block that it has."""
        headers: list[SealedHeader] = []
        while True:
            await self.send(GetHeaders(locator=(known,)))
            batch = (await self.next(Headers)).headers
            headers += batch
            if len(batch) < limits.HEADERS_PER_MESSAGE_MAX:
                return tuple(headers)
            known = batch[-1].hash

    async def farewell(self) -> str:
        """Return why the node ended the session, once it did."""
        while True:
            message = await self._websocket.receive()
            if message.type is WSMsgType.CLOSE:
                return message.extra or ""
            assert message.type in {WSMsgType.BINARY, WSMsgType.TEXT}, message
            if message.type is WSMsgType.TEXT:
                await self._answer(message.data)

    async def _answer(self, text: str) -> None:
        if text == PING:
            await self._websocket.send_str(PONG)


class Malicious:
    """A registered member whose node is this test."""

    def __init__(self, cluster: Cluster, member: Member, register: Iterable[Member]) -> None:
        self.name = MemberId(member.member_id)
        self._network = cluster.network
        self._places = cluster.places
        self._context = member.trusting(register).client_context

    def hello(self) -> Hello:
        """Return the hello that an honest node of this member says, with genesis as its head."""
        return Hello(
            version=limits.PROTOCOL_VERSION,
            genesis_hash=self._network.genesis_hash,
            member=self.name,
            tip=Tip(head=self._network.genesis.header(), justified=b"", final=b""),
        )

    @asynccontextmanager
    async def connection(self, victim: str) -> AsyncIterator[Wire]:
        """Hold a connection to a node on which this side said nothing yet."""
        async with self._http() as http, http.ws_connect(self._url(victim)) as websocket:
            yield Wire(websocket, self._network.genesis.parameters.block_bytes_max)

    @asynccontextmanager
    async def session(self, victim: str) -> AsyncIterator[tuple[Wire, SealedHeader]]:
        """Hold a session in which both said hello; yield it with the head of the node."""
        async with self.connection(victim) as wire:
            hello = await wire.next(Hello)
            await wire.send(self.hello())
            yield wire, hello.tip.head

    async def refusal(self, victim: str) -> str:
        """Return why the node takes no connection of this member now.

        The request is no WebSocket upgrade, so there always is a reason.
        """
        async with self._http() as http, http.get(self._url(victim)) as answer:
            return await answer.text()

    def _url(self, victim: str) -> str:
        return f"https://{LOOPBACK}:{self._places[victim].p2p_port}"

    def _http(self) -> ClientSession:
        return ClientSession(connector=TCPConnector(ssl=self._context))
