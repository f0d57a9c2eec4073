"""Final blocks into the analytics process, in order, each once, as fast as it takes them.

Nothing is decoded and nothing is queued: each block's bytes go from the store to the pipe when the
pipe has room. Where the process stands is its own knowledge, so a restart on either side repeats
and leaves out nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from analytics.feed import FedBlock
from consensus.votes import Checkpoint
from node.errors import NodeError, StoreCorrupt
from node.storage.view import ChainView
from node.stream import BlockStream


class CursorUnknown(NodeError):
    """The process holds a block that is not on this chain: its file is built anew."""


async def feed(
    stream: BlockStream, cursor: Checkpoint, write: Callable[[bytes], Awaitable[None]]
) -> None:
    """Write every final block after ``cursor``, for ever.

    A cursor above the last final block waits: a node whose data was lost fetches its chain again.

    Raises:
        CursorUnknown: the cursor is not on the chain.
        StoreCorrupt: the store cannot give a block that it should hold.
    """
    loop = asyncio.get_running_loop()
    height, is_known = cursor.height, False
    while True:
        moved = stream.moved
        view = stream.view()
        final = view.final.height
        if not is_known and final >= cursor.height:
            if not view.is_on_best_chain(cursor):
                raise CursorUnknown(
                    "cursor_unknown", "block is not on the chain", height=cursor.height
                )
            is_known = True
        if not is_known or height >= final:
            del view  # it keeps old data on disk
            await moved.wait()
            continue
        height += 1
        # A large block takes longer to read than the event loop may be held.
        block = await loop.run_in_executor(None, _fed_block, view, height)
        del view
        await write(block)


def _fed_block(view: ChainView, height: int) -> bytes:
    block_hash = view.hash_at(height)
    raw = None if block_hash is None else view.block_bytes(block_hash)
    if block_hash is None or raw is None:
        raise StoreCorrupt("block_missing", "a final block has no body", height=height)
    return FedBlock(height=height, hash=block_hash, raw=raw).encode()
