"""Signature verification off the event loop, spread over worker processes.

    verify() ── chunks ──> bounded queue ──> lanes (two a process) ──> worker process

A call is cut into chunks, so that all processes share one large block; chunks of several small
calls that wait at the same time travel together, so that single transactions do not each cost a
round trip. Two lanes a process keep its next request in the pipe while it works on one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from node.workers.child import Child
from node.workers.errors import VerifierFailed, WorkerExited
from node.workers.framing import FRAME_BYTES_MAX

CHUNK_ITEMS_MAX: Final = 256  # about 20 ms of work
CHUNK_BYTES_MAX: Final = FRAME_BYTES_MAX // 2
ITEM_OVERHEAD_BYTES: Final = 16  # MessagePack's own bytes around three byte strings
CHUNKS_WAITING_MAX: Final = 256  # calls beyond that wait for room
LANES_PER_PROCESS: Final = 2
ATTEMPTS: Final = 2  # a chunk that outlives two processes is taken to be what ends them

POOL_CLOSED: Final = "the pool was closed"

SignedMessage = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Part of one call: items that travel together and the verdicts that answer them."""

    items: Sequence[SignedMessage]
    size: int  # bytes that the items take in a request, at most
    verdicts: asyncio.Future[bytes] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class VerifierPool:
    """Worker processes that judge signatures, for as long as the context is entered.

    Use as ``async with VerifierPool(processes=2) as pool: await pool.verify(items)``.
    """

    def __init__(self, *, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"a pool of {processes} processes verifies nothing")
        self._waiting: asyncio.Queue[Chunk] = asyncio.Queue(CHUNKS_WAITING_MAX)
        self._workers = tuple(_Worker() for _ in range(processes))
        self._tasks = asyncio.TaskGroup()
        self._lanes: list[asyncio.Task[None]] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        for worker in self._workers:
            await worker.start()
        await self._tasks.__aenter__()
        for number, worker in enumerate(self._workers):
            for lane in range(LANES_PER_PROCESS):
                name = f"verifier-{number}-lane-{lane}"
                self._lanes.append(self._tasks.create_task(self._serve(worker), name=name))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        for lane in self._lanes:
            lane.cancel()
        try:
            await self._tasks.__aexit__(kind, error, traceback)
        finally:
            self._refuse_waiting()
            for worker in self._workers:
                await worker.end()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The process ids of the workers that run now."""
        return tuple(worker.child.process_id for worker in self._workers if worker.child)

    async def verify(self, items: Sequence[SignedMessage]) -> list[bool]:
        """Return a verdict for each (33-byte public key, 64-byte signature, message), in order.

        Raises:
            VerifierFailed: a chunk ended two worker processes, or the pool was closed.
            ValueError: one message is larger than a request may be.
        """
        chunks = cut(items)
        for chunk in chunks:
            await self._waiting.put(chunk)
        if self._closed:  # nobody is left to take what was put
            self._refuse_waiting()
        answers = await asyncio.gather(*(chunk.verdicts for chunk in chunks))
        return [verdict == 1 for answer in answers for verdict in answer]

    async def _serve(self, worker: _Worker) -> None:
        """Carry chunks to one worker, one request at a time, for ever."""
        while True:
            chunks = [await self._waiting.get()]
            self._add_waiting(chunks)
            try:
                verdicts = await worker.judge([item for chunk in chunks for item in chunk.items])
                settle(chunks, verdicts)
            except WorkerExited as error:
                refuse(chunks, VerifierFailed("the worker processes ended", reason=error.detail))
            except asyncio.CancelledError:
                refuse(chunks, VerifierFailed(POOL_CLOSED))
                raise

    def _add_waiting(self, chunks: list[Chunk]) -> None:
        """Add the chunks that wait behind, as far as one request holds them."""
        count, size = len(chunks[0].items), chunks[0].size
        while not self._waiting.empty() and count < CHUNK_ITEMS_MAX and size < CHUNK_BYTES_MAX:
            chunk = self._waiting.get_nowait()
            chunks.append(chunk)
            count, size = count + len(chunk.items), size + chunk.size

    def _refuse_waiting(self) -> None:
        while not self._waiting.empty():
            refuse([self._waiting.get_nowait()], VerifierFailed(POOL_CLOSED))


class _Worker:
    """One place in the pool: a process, and its successor when it ends."""

    __slots__ = ("_asking", "_hearing", "_replacing", "child")

    def __init__(self) -> None:
        self.child: Child | None = None
        self._asking = asyncio.Lock()
        self._hearing = asyncio.Lock()
        self._replacing = asyncio.Lock()

    async def start(self) -> None:
        self.child = await Child.spawn("node.workers.verify")

    async def end(self) -> None:
        if self.child is not None:
            await self.child.end()
            self.child = None

    async def judge(self, items: list[SignedMessage]) -> bytes:
        """Return a verdict byte an item, from a second process if the first one ends.

        Raises:
            WorkerExited: both ended.
        """
        attempt = 1
        while True:
            child = self.child
            try:
                return await self._ask(child, items)
            except WorkerExited:
                await self._replace(child)
                if attempt == ATTEMPTS:
                    raise
                attempt += 1

    async def _ask(self, child: Child | None, items: list[SignedMessage]) -> bytes:
        if child is None:
            raise WorkerExited("the worker was ended")
        # Locks are first come, first served, so answers are heard in the order of the requests,
        # while the next request may already be on its way.
        async with self._asking:
            await child.send(items)
        async with self._hearing:
            answer = await child.receive()
        if not isinstance(answer, bytes) or len(answer) != len(items):
            raise WorkerExited("the worker's answer does not fit its request", items=len(items))
        return answer

    async def _replace(self, child: Child | None) -> None:
        """Start a successor, unless another lane was quicker."""
        async with self._replacing:
            if self.child is child:
                await self.end()
                await self.start()


def cut(items: Sequence[SignedMessage]) -> list[Chunk]:
    """Return the items in order, in chunks within the limits on count and bytes.

    Raises:
        ValueError: one item alone is over the limit on bytes.
    """
    chunks: list[Chunk] = []
    pending: list[SignedMessage] = []
    pending_bytes = 0
    for item in items:
        size = item_bytes(item)
        if size > CHUNK_BYTES_MAX:
            raise ValueError(f"an item of {size} bytes passes the limit of {CHUNK_BYTES_MAX}")
        if len(pending) == CHUNK_ITEMS_MAX or pending_bytes + size > CHUNK_BYTES_MAX:
            chunks.append(Chunk(items=pending, size=pending_bytes))
            pending, pending_bytes = [], 0
        pending.append(item)
        pending_bytes += size
    if pending:
        chunks.append(Chunk(items=pending, size=pending_bytes))
    return chunks


def item_bytes(item: SignedMessage) -> int:
    """Return the bytes that the item takes in a request, at most."""
    return sum(map(len, item)) + ITEM_OVERHEAD_BYTES


def settle(chunks: Sequence[Chunk], verdicts: bytes) -> None:
    """Give each chunk its part of the verdicts on all of them."""
    start = 0
    for chunk in chunks:
        end = start + len(chunk.items)
        if not chunk.verdicts.done():  # its caller may have been cancelled meanwhile
            chunk.verdicts.set_result(verdicts[start:end])
        start = end


def refuse(chunks: Sequence[Chunk], error: VerifierFailed) -> None:
    """Tell the callers of these chunks that no verdict was reached."""
    for chunk in chunks:
        if not chunk.verdicts.done():
            chunk.verdicts.set_exception(error)
