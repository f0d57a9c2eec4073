"""The block stream: blocks in order, each once, to many consumers, through every reorganisation.

A consumer holds a cursor, the (height, hash) of the last block it took. Nothing is queued for it:
each event is read from the store's view when the consumer asks, so a slow one costs nothing and
misses nothing. Final blocks come by default; a consumer that follows the head also gets a
``RetractEvent`` for each block that it took and that left the chain, highest first.

    for each consumer:  given blocks no longer on the chain  ->  retract
                        next height is there                 ->  block
                        neither                              ->  wait for ``advance``
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from weakref import WeakSet

from consensus.votes import Checkpoint
from ledger.blocks import Block
from ledger.hashing import BlockHash
from node.errors import NodeError, StoreCorrupt
from node.storage.view import At, ChainView

CONSUMERS_MAX = 100
"""Most consumers at a time."""
DECODED_BLOCKS_MAX = 4
"""Blocks kept decoded for consumers that are near each other."""


class TooManyConsumers(NodeError):
    """The stream serves as many consumers as it may; try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEvent:
    """The next block of the chain."""

    height: int
    """Its height."""
    hash: BlockHash
    """Its hash; with the height it is the consumer's cursor from now on."""
    block: Block
    """The block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractEvent:
    """A block that was given left the best chain; the cursor is now its parent."""

    height: int
    """Its height."""
    hash: BlockHash
    """Its hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetEvent:
    """The cursor names no block of this chain: the stream goes on after the last final block."""

    height: int
    """Height of the last final block."""
    hash: BlockHash
    """Its hash; the consumer's cursor from now on."""


StreamEvent = BlockEvent | RetractEvent | ResetEvent


class BlockStream:
    """Serves subscriptions from a store's views; all of it runs on one event loop."""

    def __init__(self, view: Callable[[], ChainView]) -> None:
        self._view = view
        self._moved = asyncio.Event()
        self._subscriptions: WeakSet[Subscription] = WeakSet()
        self._decoded: OrderedDict[BlockHash, asyncio.Future[Block]] = OrderedDict()

    @property
    def consumers(self) -> int:
        """Number of open subscriptions."""
        return len(self._subscriptions)

    @property
    def moved(self) -> asyncio.Event:
        """An event that the next ``advance`` sets; take it before reading a view."""
        return self._moved

    def view(self) -> ChainView:
        """Return the store's view as it is now."""
        return self._view()

    def advance(self) -> None:
        """Wake the consumers: the head or the last final block moved."""
        self._moved.set()
        self._moved = asyncio.Event()

    def subscribe(
        self, cursor: Checkpoint | None = None, *, from_height: int = 0, finality: At = At.FINAL
    ) -> Subscription:
        """Return the events after ``cursor``, or from a height where there is none.

        With ``At.HEAD`` blocks come before they are final, and may be retracted. A cursor that
        is not on the chain, and cannot be retracted from, first gives a ``ResetEvent``.

        Raises:
            TooManyConsumers: 100 subscriptions are open.
        """
        if self.consumers >= CONSUMERS_MAX:
            raise TooManyConsumers(
                "too_many_consumers",
                f"the stream serves at most {CONSUMERS_MAX} consumers",
                limit=CONSUMERS_MAX,
            )
        subscription = Subscription(self, cursor, from_height, finality)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Make room for another consumer."""
        self._subscriptions.discard(subscription)

    async def block(self, view: ChainView, block_hash: BlockHash) -> Block:
        """Return a block of the view, decoded once for all who ask at about the same time."""
        decoding = self._decoded.get(block_hash)
        if decoding is None:
            # A full block takes longer to decode than the event loop may be held.
            loop = asyncio.get_running_loop()
            decoding = loop.run_in_executor(None, _decode, view, block_hash)
            self._decoded[block_hash] = decoding
            if len(self._decoded) > DECODED_BLOCKS_MAX:
                self._decoded.popitem(last=False)
        # One consumer that leaves must not cancel what the others wait for.
        return await asyncio.shield(decoding)


class Subscription:
    """One consumer's events, as an asynchronous iterator; close it to make room for another."""

    def __init__(
        self, stream: BlockStream, cursor: Checkpoint | None, from_height: int, finality: At
    ) -> None:
        self._stream = stream
        self._finality = finality
        self._cursor = cursor
        self._next_height = from_height
        self._given: deque[Checkpoint] = deque()
        """Blocks given that were not final then, lowest first."""
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event, once there is one.

        Raises:
            StoreCorrupt: the store cannot give a block that it should hold.
        """
        while not self._is_closed:
            moved = self._stream.moved
            event = await self._next(self._stream.view())
            if event is not None:
                return event
            await moved.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration."""
        self._is_closed = True
        self._stream.forget(self)

    async def _next(self, view: ChainView) -> StreamEvent | None:
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            given = self._given_up_to(cursor, view)
            if given is None:
                return self._reset(view)
            self._given, self._next_height = given, cursor.height + 1
        if self._given and not view.is_on_best_chain(self._given[-1]):
            return self._retract(view)
        # Its ancestors are on the chain as the last one is; those that are final will stay.
        while self._given and self._given[0].height <= view.final.height:
            self._given.popleft()
        limit = view.final.height if self._finality == At.FINAL else view.head.height
        block_hash = view.hash_at(self._next_height) if self._next_height <= limit else None
        return None if block_hash is None else await self._give(view, block_hash)

    def _given_up_to(self, cursor: Checkpoint, view: ChainView) -> deque[Checkpoint] | None:
        """Return the blocks that may yet leave the chain of a cursor, which is one of ours.

        None where the cursor is not known: made up, too old, or of a branch that is gone.
        """
        off_chain: list[Checkpoint] = []
        block = cursor
        while not view.is_on_best_chain(block):
            sealed = view.sealed_header(block.hash)
            if sealed is None or sealed.header.height != block.height:
                return None
            off_chain.append(block)
            block = Checkpoint(height=block.height - 1, hash=sealed.header.parent)
        given: deque[Checkpoint] = deque()
        for height in range(view.final.height + 1, block.height + 1):
            block_hash = view.hash_at(height)
            if block_hash is not None:
                given.append(Checkpoint(height=height, hash=block_hash))
        given.extend(reversed(off_chain))
        return given

    def _retract(self, view: ChainView) -> StreamEvent:
        if self._finality == At.FINAL:
            # It came with a cursor above the last final block, and was given nothing to retract.
            return self._reset(view)
        block = self._given.pop()
        self._next_height = block.height
        return RetractEvent(height=block.height, hash=block.hash)

    def _reset(self, view: ChainView) -> ResetEvent:
        self._given.clear()
        self._next_height = view.final.height + 1
        return ResetEvent(height=view.final.height, hash=view.final.hash)

    async def _give(self, view: ChainView, block_hash: BlockHash) -> BlockEvent:
        block = await self._stream.block(view, block_hash)
        height = self._next_height
        self._next_height = height + 1
        if height > view.final.height:
            self._given.append(Checkpoint(height=height, hash=block_hash))
        return BlockEvent(height=height, hash=block_hash, block=block)


def _decode(view: ChainView, block_hash: BlockHash) -> Block:
    block = view.block(block_hash)
    if block is None:
        raise StoreCorrupt("block_missing", "a block has no body", hash=block_hash.hex())
    return block
