"""The Python client follows the audit stream through a proxy that cuts it off again and again."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress

import pytest

from tests.functional.devnet import HANG_S
from tests.unit.node.api.served import ServedNode, serving
from wallet import session
from wallet.client import NodeClient
from wallet.streaming import stream_blocks
from wallet.tokens import Token, TokenSource

BLOCKS = 200
CUT_BYTES_MIN = 12_000
"""More than an answer's head and its first event, so that every connection brings something."""
CUT_BYTES_MAX = 16_000


class CuttingProxy:
    """Forwards connections, each until a number of bytes that a seed tosses has come back."""

    def __init__(self, host: str, port: int, *, seed: int) -> None:
        self._target = host, port
        self._toss = random.Random(seed)
        self.cuts = 0

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until its bytes are used up."""
        ends = [writer]
        try:
            node_reader, node_writer = await asyncio.open_connection(*self._target)
            ends.append(node_writer)
            asking = asyncio.create_task(self._pump(reader, node_writer))
            left = self._toss.randint(CUT_BYTES_MIN, CUT_BYTES_MAX)
            with suppress(ConnectionError):
                while left and (data := await node_reader.read(left)):
                    writer.write(data)
                    await writer.drain()
                    left -= len(data)
            self.cuts += left == 0
            asking.cancel()
            await asyncio.wait([asking])
            # What is sent is delivered before the end.
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            for end in ends:
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(4096):
                sink.write(data)
                await sink.drain()


async def test_threat_69_the_client_resumes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the connection is cut in the middle of an event, each block comes once, in order."""
    monkeypatch.setattr(session, "PAUSE_S", 0.001)
    node = ServedNode()
    node.finalize(node.grow(BLOCKS + 1)[-1])
    token = Token(text=node.officer_token("regulator"), expires_s=int(node.now_s) + 600)
    monkeypatch.setattr(TokenSource, "current", lambda _: token)
    async with serving(node) as served:
        proxy = CuttingProxy(str(served.host), int(served.port or 0), seed=69)
        server = await asyncio.start_server(proxy.forward, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        got = []
        async with (
            server,
            asyncio.timeout(HANG_S),
            NodeClient(
                f"http://127.0.0.1:{port}", tokens=TokenSource.__new__(TokenSource)
            ) as client,
            aclosing(stream_blocks(client, first=0, follow=False)) as blocks,
        ):
            got = [event.data["hash"] async for event in blocks]
    assert got == [built.hash.hex() for built in node.final.ancestry()]
    assert proxy.cuts > 10
