"""The feeder: every final block once, in order, as the bytes that the store holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack
import pytest

from consensus.votes import Checkpoint
from ledger.hashing import BlockHash
from node.analytics.feeder import CursorUnknown, feed
from tests.unit.node.api.served import ServedNode


class Pipe:
    """A pipe that takes so many blocks and then has no room."""

    def __init__(self, room: int) -> None:
        self.blocks: list[tuple[int, bytes, bytes]] = []
        self.is_full = asyncio.Event()
        self._room = room

    async def write(self, data: bytes) -> None:
        height, block_hash, raw = msgpack.unpackb(data)
        self.blocks.append((height, block_hash, raw))
        if len(self.blocks) >= self._room:
            self.is_full.set()
            await asyncio.Event().wait()


@pytest.fixture
def node() -> ServedNode:
    """Return a node with six blocks, of which four are final."""
    node = ServedNode()
    grown = node.grow(6)
    node.finalize(grown[4])
    return node


@asynccontextmanager
async def feeding(node: ServedNode, cursor: Checkpoint, pipe: Pipe) -> AsyncIterator[None]:
    """Feed until left."""
    task = asyncio.create_task(feed(node.stream, cursor, pipe.write))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def checkpoint(node: ServedNode, height: int) -> Checkpoint:
    """Return a block of the node's chain."""
    block_hash = node.view().hash_at(height)
    assert block_hash is not None
    return Checkpoint(height=height, hash=block_hash)


@pytest.mark.parametrize("cursor", [0, 2])
async def test_final_blocks_come_in_order_from_the_cursor(node: ServedNode, cursor: int) -> None:
    """Those after the cursor, no further than the last final one, byte for byte."""
    pipe = Pipe(room=4 - cursor)
    async with feeding(node, checkpoint(node, cursor), pipe):
        await pipe.is_full.wait()
    expected = [one.block for one in node.head.ancestry()[cursor + 1 : 5]]
    assert pipe.blocks == [(b.header.height, b.hash, b.encode()) for b in expected]


async def test_a_cursor_of_another_chain_is_told(node: ServedNode) -> None:
    """A block that this chain does not have at its height is unknown."""
    with pytest.raises(CursorUnknown):
        await feed(node.stream, Checkpoint(height=3, hash=BlockHash(bytes(32))), Pipe(room=1).write)


async def test_a_cursor_ahead_of_the_node_waits(node: ServedNode) -> None:
    """A node whose data was lost is behind its analytics: nothing is fed, and nothing refused."""
    pipe = Pipe(room=1)
    async with feeding(node, checkpoint(node, 5), pipe):
        for _ in range(20):
            await asyncio.sleep(0)
        assert pipe.blocks == []
        node.finalize(node.grow(1)[0])
        await pipe.is_full.wait()
    assert [height for height, _, _ in pipe.blocks] == [6]
