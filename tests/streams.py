"""Asking a block stream for what is there, without waiting for what is not."""

from __future__ import annotations

import asyncio

from node.stream import BlockStream, StreamEvent, Subscription


async def next_or_none(stream: BlockStream, subscription: Subscription) -> StreamEvent | None:
    """Return the next event, or None where the consumer is left waiting for the chain to move."""
    event = asyncio.ensure_future(anext(subscription))
    while not event.done() and not stream.moved._waiters:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    if event.done():
        return event.result()
    event.cancel()
    await asyncio.gather(event, return_exceptions=True)
    return None
