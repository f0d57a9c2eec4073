"""A hundred consumers of the audit stream at once, ten of them stalled, over real sockets (threat 67)."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from node.api.limits import STREAM_PIECE_BYTES_MAX
from node.audit import events
from node.audit.events import EventChannel
from node.storage.view import At
from node.stream import CONSUMERS_MAX
from tests.functional.devnet import HANG_S
from tests.unit.node.api.served import Client, ServedNode, bearer, problem, serving
from wallet.events import EventParser

PATH = "/v1/audit/blocks"
STALLED = 10
LEGS = 1_200
LARGE_BLOCKS = 4
"""Blocks of some 300 KB as events: more than the buffers of both sides of a connection hold."""
SOCKET_BYTES = 32 * 1024
"""Send buffer of a connection, small so that it is full soon."""
_ID = re.compile(rb'{"event":"block","id":"([0-9]+):')
RECEIVE_BYTES = 128 * 1024
"""Receive buffer of a stalled consumer: small so that it is full soon, and larger than a packet of
the loopback device, which else waits for timers."""


class Stalled:
    """A consumer that asks for the stream and does not read it."""

    def __init__(self, client: Client, token: str) -> None:
        self._socket = socket.create_connection((client.host, client.port))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.sendall(
            f"GET {PATH}?follow=true HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )

    def cursor(self) -> str:
        """Return the id of the last whole event among what came before the node hung up."""
        received = bytearray()
        try:
            while data := self._socket.recv(RECEIVE_BYTES):
                received += data
        except ConnectionResetError:
            pass
        self._socket.close()
        parser, last = EventParser(), ""
        for event in parser.feed(unchunked(bytes(received).partition(b"\r\n\r\n")[2])):
            last = event.id
        return last


def unchunked(body: bytes) -> bytes:
    """Return the content of a chunked body, as far as it came (RFC 9112, 7.1)."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size or b"0", 16)]
        body = body[int(size or b"0", 16) + 2 :]
    return content


def heavy(node: ServedNode) -> int:
    """Add large final blocks, and return the height of the last final one."""
    network = node.network
    for number in range(LARGE_BLOCKS + 1):
        legs = [network.leg("alice", "bob", 1, reference=f"invoice {number}") for _ in range(LEGS)]
        node.connect(network.transfer(*legs, sequence=next_sequence(node)))
    node.finalize(node.head)
    return node.final.height


def next_sequence(node: ServedNode) -> int:
    """Return Alice's next sequence at the head."""
    return node.view().next_sequences(node.network.holders["alice"].id, At.HEAD)[0]


@contextmanager
def observed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EventChannel]]:
    """Give the channels that the node opens."""
    opened: list[EventChannel] = []
    made = EventChannel.__init__

    def remember(channel: EventChannel, *given: Any) -> None:
        made(channel, *given)
        opened.append(channel)

    with monkeypatch.context() as patched:
        patched.setattr(EventChannel, "__init__", remember)
        yield opened


async def read_until(answer: aiohttp.ClientResponse, height: int) -> list[int]:
    """Return the heights of the blocks that a consumer got, up to one."""
    heights: list[int] = []
    line = bytearray()
    async for data in answer.content.iter_any():
        line += data
        *whole, line = line.split(b"\n")
        heights += [int(_ID.match(one)[1]) for one in whole if one]  # type: ignore[index] # every line has an id
        if heights and heights[-1] == height:
            break
    return heights


async def until_consumers(node: ServedNode, count: int) -> None:
    """Return once the stream has so many consumers."""
    async with asyncio.timeout(HANG_S):
        while node.stream.consumers != count:
            # There is no event for a connection that the server takes or drops.
            await asyncio.to_thread(time.sleep, 0.01)


async def test_threat_67_stalled_consumers_hold_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """90 get every block, 10 that never read are cut off within bounds, and one more is refused."""
    node = ServedNode()
    node.finalize(node.grow(5)[3])
    monkeypatch.setattr(events, "STREAM_WRITE_SECONDS_MAX", 5.0)
    monkeypatch.setattr(events, "STREAM_SOCKET_BYTES_MAX", SOCKET_BYTES)
    headers = bearer(node.officer_token("regulator"))
    lines = headers | {"Accept": "application/x-ndjson"}
    with observed(monkeypatch) as channels:
        async with serving(node) as client:
            token = node.officer_token("regulator")
            stalled = [await asyncio.to_thread(Stalled, client, token) for _ in range(STALLED)]
            readers = [
                await client.get(f"{PATH}?follow=true", headers=lines)
                for _ in range(CONSUMERS_MAX - STALLED)
            ]
            await until_consumers(node, CONSUMERS_MAX)
            refused = await problem(await client.get(PATH, headers=headers), 503)
            assert refused["code"] == "too_many_consumers"
            last = heavy(node)
            async with asyncio.timeout(HANG_S):
                got = await asyncio.gather(*(read_until(reader, last) for reader in readers))
                assert all(heights == list(range(last + 1)) for heights in got)
                waiting = [buffered(channel) for channel in channels]
                assert max(waiting) <= 3 * STREAM_PIECE_BYTES_MAX
            await until_consumers(node, CONSUMERS_MAX - STALLED)
            cursors = await asyncio.gather(*(asyncio.to_thread(one.cursor) for one in stalled))
            for cursor in cursors:
                height = int(cursor.partition(":")[0])
                assert 0 <= height < last
                resumed = await client.get(
                    f"{PATH}?follow=true", headers=lines | {"Last-Event-ID": cursor}
                )
                assert await read_until(resumed, last) == list(range(height + 1, last + 1))
                resumed.close()
            for reader in readers:
                reader.close()


def buffered(channel: EventChannel) -> int:
    """Return how many bytes wait in the node for a consumer."""
    transport = channel._call.request.transport
    return 0 if transport is None else transport.get_write_buffer_size()
