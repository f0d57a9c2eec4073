"""The audit stream over a real socket: every block once, through reconnections and reorganisations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import ClientResponse

from node.audit import block_stream, events
from tests.barriers import HANG_S
from tests.unit.node.api.served import Client, ServedNode, bearer, problem, serving

PATH = "/v1/audit/blocks"


class Events:
    """Reads the events of one open stream."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return (name, id, data) of the next event; comments are kept aside."""
        fields: dict[str, str] = {}
        async for line in self.response.content:
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text)
            elif text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return fields["event"], fields["id"], json.loads(fields["data"])
        raise EOFError

    async def rest(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return all events until the stream ends."""
        events = []
        try:
            while True:
                events.append(await self.next())
        except EOFError:
            return events


@pytest.fixture
def node() -> ServedNode:
    """Return a node with blocks 0 to 5, of which 0 to 3 are final."""
    node = ServedNode()
    node.finalize(node.grow(5)[3])
    return node


@pytest.fixture
async def client(node: ServedNode) -> AsyncIterator[Client]:
    """Yield a client of the node's API."""
    async with serving(node) as client:
        yield client


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make streams look at their token, and say that they live, without a wait."""
    for module in (block_stream, events):
        monkeypatch.setattr(module, "STREAM_RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(events, "STREAM_COMMENT_SECONDS", 0.02)


async def _open(node: ServedNode, client: Client, query: str = "", **headers: str) -> Events:
    sent = bearer(node.officer_token("regulator")) | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    response = await client.get(f"{PATH}?{query}", headers=sent)
    assert response.status == 200, await response.text()
    return Events(response)


def _id(height: int, block_hash: bytes) -> str:
    return f"{height}:{block_hash.hex()}"


async def test_final_blocks_with_their_bodies(node: ServedNode, client: Client) -> None:
    """Without ``follow`` the stream gives the final blocks, bodies and genesis included, and ends."""
    stream = await _open(node, client)
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    events = await stream.rest()
    blocks = [data for _, _, data in events]
    assert [name for name, _, _ in events] == ["block"] * 4
    assert [block["height"] for block in blocks] == [0, 1, 2, 3]
    assert all(below["hash"] == above["parent"] for below, above in pairwise(blocks))
    assert blocks[0]["genesis"] == node.genesis_json
    assert "genesis" not in blocks[1]
    (transaction,) = blocks[1]["transactions"]
    assert transaction["body"]["legs"][0]["credit"] == node.account_text("bob")
    assert [cursor for _, cursor, _ in events][1] == _id(1, bytes.fromhex(blocks[1]["hash"]))


async def test_lines_instead_of_events(node: ServedNode, client: Client) -> None:
    """``application/x-ndjson`` gives a line a block, with the event's name and cursor in it."""
    stream = await _open(node, client, "from=2&finality=head", Accept="application/x-ndjson")
    lines = [json.loads(line) for line in (await stream.response.text()).splitlines()]
    assert [(line["event"], line["height"]) for line in lines] == [
        ("block", height) for height in (2, 3, 4, 5)
    ]
    assert [line["finality"] for line in lines] == ["final", "final", "unconfirmed", "unconfirmed"]


async def test_new_final_blocks_come_as_they_are_made(node: ServedNode, client: Client) -> None:
    """With ``follow`` the stream stays open and gives each block once it is final."""
    stream = await _open(node, client, "from=3&follow=true")
    assert (await stream.next())[2]["height"] == 3
    blocks = node.grow(2)
    node.finalize(blocks[1])
    assert [(await stream.next())[2]["height"] for _ in range(3)] == [4, 5, 6]
    stream.response.close()


async def test_streams_resume_behind_their_last_event(node: ServedNode, client: Client) -> None:
    """``Last-Event-ID`` beats ``from``; behind the last block there is nothing more."""
    cursors = [cursor for _, cursor, _ in await (await _open(node, client)).rest()]
    stream = await _open(node, client, "from=0", Last_Event_ID=cursors[1])
    assert [cursor for _, cursor, _ in await stream.rest()] == cursors[2:]
    stream = await _open(node, client, Last_Event_ID=cursors[3])
    assert await stream.rest() == []
    stream = await _open(node, client, "from=100")
    assert await stream.rest() == []


async def test_threat_68_forged_cursors(node: ServedNode, client: Client) -> None:
    """A cursor of no block resets the stream to the last final one; one out of form is refused."""
    stream = await _open(node, client, Last_Event_ID=_id(2, b"\xab" * 32))
    final = _id(3, node.final.hash)
    assert await stream.rest() == [("reset", final, {"height": 3, "hash": node.final.hash.hex()})]
    headers = bearer(node.officer_token("regulator"))
    for cursor in ("x", "1:", f"-1:{'ab' * 32}", f"1:{'AB' * 32}", f"{2**53}:{'ab' * 32}"):
        response = await client.get(PATH, headers=headers | {"Last-Event-ID": cursor})
        assert response.status == 422, cursor
        await problem(response, 422)


async def test_threat_69_reorganisations_retract(node: ServedNode, client: Client) -> None:
    """With ``finality=head`` blocks that leave the chain are taken back, highest first."""
    stream = await _open(node, client, "from=4&follow=true&finality=head")
    first, second = await stream.next(), await stream.next()
    fork = node.branches.grow(node.final, 3)
    node.move_to(fork[-1])
    names, cursors = [], []
    for _ in range(5):
        name, cursor, _ = await stream.next()
        names.append(name)
        cursors.append(cursor)
    assert names == ["retract", "retract", "block", "block", "block"]
    assert cursors[:2] == [first[1], _id(3, node.final.hash)]
    assert cursors[2:] == [_id(block.height, block.hash) for block in fork]
    stream.response.close()
    resumed = await _open(node, client, "finality=head", Last_Event_ID=second[1])
    assert [name for name, _, _ in await resumed.rest()] == names


async def test_threat_69_final_streams_know_no_reorganisation(
    node: ServedNode, client: Client
) -> None:
    """By default nothing comes before it is final, so nothing is taken back."""
    stream = await _open(node, client, "from=4&follow=true")
    fork = node.branches.grow(node.final, 3)
    node.move_to(fork[-1])
    node.finalize(fork[1])
    name, cursor, _ = await stream.next()
    assert (name, cursor) == ("block", _id(4, fork[0].hash))
    stream.response.close()


@pytest.mark.usefixtures("quick")
async def test_quiet_streams_say_that_they_live(node: ServedNode, client: Client) -> None:
    """A stream without news sends comments, which are no events."""
    stream = await _open(node, client, "from=4&follow=true")
    async with asyncio.timeout(HANG_S):
        async for line in stream.response.content:
            if line.startswith(b":"):
                break
    stream.response.close()


@pytest.mark.usefixtures("quick")
async def test_threat_64_streams_end_with_their_token(node: ServedNode, client: Client) -> None:
    """When the token ends the stream does, and says where to resume."""
    stream = await _open(node, client, "from=3&follow=true")
    _, cursor, _ = await stream.next()
    node.now_s += 600
    async with asyncio.timeout(HANG_S):
        assert await stream.rest() == []
    assert stream.comments[-1] == f": token_expired; resume with Last-Event-ID: {cursor}"


async def test_threat_67_streams_are_counted(
    node: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stream too many is refused with 503; a place is free again once a client leaves."""
    monkeypatch.setattr("node.stream.CONSUMERS_MAX", 1)
    stream = await _open(node, client, "from=4&follow=true")
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(PATH, headers=headers)
    assert (await problem(response, 503))["code"] == "too_many_consumers"
    stream.response.close()


async def test_threat_67_slow_consumers_are_cut_off(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that takes nothing holds one event at most, and is closed after its time."""
    monkeypatch.setattr(events, "STREAM_WRITE_SECONDS_MAX", 0.1)
    monkeypatch.setattr(events, "write_json", lambda _: b"x" * 4 * 1024 * 1024)
    closed = asyncio.Event()
    monkeypatch.setattr(node.metrics, "stream_closed", closed.set)
    async with serving(node) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
        token = node.officer_token("regulator")
        writer.write(
            f"GET {PATH}?follow=true HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        await writer.drain()
        async with asyncio.timeout(HANG_S):
            await closed.wait()
        assert node.stream.consumers == 0
        writer.close()
        del reader


async def test_stopping_the_server_ends_its_streams(node: ServedNode) -> None:
    """A server that stops does not wait for those who follow."""
    async with serving(node) as client:
        stream = await _open(node, client, "from=3&follow=true")
        await stream.next()
        async with asyncio.timeout(HANG_S):
            await client.server.close()
    assert node.stream.consumers == 0


async def test_large_blocks_are_written_in_a_thread(
    node: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block with many legs gives the same event as a small one does."""
    monkeypatch.setattr(block_stream, "LEGS_INLINE_MAX", 0)
    assert [data["height"] for _, _, data in await (await _open(node, client)).rest()] == [
        0,
        1,
        2,
        3,
    ]
