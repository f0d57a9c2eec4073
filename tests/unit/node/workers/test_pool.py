"""How a call is cut into chunks, and how verdicts find their way back."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.workers.errors import VerifierFailed
from node.workers.pool import CHUNK_BYTES_MAX, CHUNK_ITEMS_MAX, cut, item_bytes, refuse, settle


async def test_chunks_keep_the_order_and_the_limits() -> None:
    """Joined again the chunks are the call, and none is over either limit."""
    items = [(bytes(33), bytes(64), number.to_bytes(4, "big")) for number in range(1000)]
    items[500] = (bytes(33), bytes(64), bytes(CHUNK_BYTES_MAX - 1000))
    chunks = cut(items)
    assert [item for chunk in chunks for item in chunk.items] == items
    assert all(len(chunk.items) <= CHUNK_ITEMS_MAX for chunk in chunks)
    assert all(chunk.size == sum(map(item_bytes, chunk.items)) for chunk in chunks)
    assert all(chunk.size <= CHUNK_BYTES_MAX for chunk in chunks)


async def test_one_item_over_the_limit_is_refused() -> None:
    """An item that no request can hold is the caller's error, not the worker's death."""
    with pytest.raises(ValueError, match="passes the limit"):
        cut([(bytes(33), bytes(64), bytes(CHUNK_BYTES_MAX))])


@given(st.lists(st.binary(min_size=1, max_size=5), max_size=8))
def test_each_chunk_gets_its_own_verdicts(answers: list[bytes]) -> None:
    """Verdicts on several chunks that travelled together are dealt out in order."""

    async def deal() -> list[bytes]:
        item = (bytes(33), bytes(64), bytes(32))
        chunks = [chunk for answer in answers for chunk in cut([item] * len(answer))]
        settle(chunks, b"".join(answers))
        return [await chunk.verdicts for chunk in chunks]

    assert asyncio.run(deal()) == answers


async def test_cancelled_callers_disturb_nobody() -> None:
    """A chunk whose caller left is skipped; its neighbour still gets its verdict or its error."""
    item = (bytes(33), bytes(64), bytes(32))
    gone, waiting, failing = (cut([item])[0] for _ in range(3))
    gone.verdicts.cancel()
    settle([gone, waiting], b"\x00\x01")
    refuse([gone, failing], VerifierFailed("the worker processes ended"))
    assert await waiting.verdicts == b"\x01"
    with pytest.raises(VerifierFailed):
        await failing.verdicts
