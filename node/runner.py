"""The engine's shell: one task that feeds the engine, writes what it asks, then tells the world.

    inbox ── events ──> engine (its own thread) ──> effects
                            writes: durable, in the same thread, before the next call
                            the rest: on the event loop, once the writes of the batch are durable

Events that wait together are handled in one batch, so that the transactions of many submissions
share one sync of the disk.

While the disk has less room than the reserve, the engine hears only of sessions that begin and end,
so it writes nothing: it takes no block and no transaction, casts no vote and mines nothing. What is
said meanwhile is not kept, since peers tell it again to a session that begins (threat 54, ADR 0017).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar

from node.core.effects import (
    CommitChain,
    Effect,
    LogTransactions,
    RecordVote,
    RetireTransactions,
    StopVoting,
    StoreBlock,
    StoreCertificate,
    StoreEvidence,
    StoreFinality,
    StoreVotes,
)
from node.core.engine import Engine
from node.core.events import (
    TICK_MS_MAX,
    Event,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    Tick,
)
from node.core.timing import Now
from node.errors import RestartNeeded, StoreFailed
from node.metrics import Metrics
from node.storage.chain import StoredChain
from node.storage.space import DiskSpace
from node.storage.vote_journal import VoteJournalFile

INBOX_EVENTS_MAX: Final = 4_096
"""Events that wait for the engine; peers are not read while it is full."""
BATCH_EVENTS_MAX: Final = 256
"""Events handled between two rounds of publishing and sending."""

STORED = (
    StoreBlock
    | CommitChain
    | StoreCertificate
    | StoreFinality
    | StoreVotes
    | StoreEvidence
    | LogTransactions
    | RetireTransactions
)
_T = TypeVar("_T")


class Published(Protocol):
    """Who carries out what is not a write."""

    async def perform(self, effect: Effect) -> None:
        """Carry out one effect."""
        ...

    def chain_moved(self) -> None:
        """Hear that head or finality moved; the store shows it."""
        ...

    async def pause(self) -> None:
        """Hear that nothing is taken any more, because the disk has no room."""
        ...

    def resume(self) -> None:
        """Hear that there is room again, and the engine goes on."""
        ...


class EngineRunner:
    """Runs one engine over its inbox until cancelled."""

    def __init__(
        self,
        engine: Engine,
        store: StoredChain,
        journal: VoteJournalFile,
        published: Published,
        metrics: Metrics,
        space: DiskSpace,
    ) -> None:
        self._engine = engine
        self._store = store
        self._journal = journal
        self._published = published
        self._metrics = metrics
        self._space = space
        self._left: list[Event] = []
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(INBOX_EVENTS_MAX)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._is_over = False
        self.is_ahead = False
        """Whether the engine holds what a full disk did not take: nobody may ask it."""

    async def put(self, event: Event) -> None:
        """Queue an event; waits while the inbox is full, and not once nobody empties it."""
        if not self._is_over:
            await self._inbox.put(event)
        if self._is_over:
            self._drop_events()

    def _drop_events(self) -> None:
        """Empty the inbox, which lets on those who wait for room."""
        while not self._inbox.empty():
            self._inbox.get_nowait()

    @property
    def is_full(self) -> bool:
        """Whether the inbox has no room."""
        return self._inbox.full()

    async def call(self, work: Callable[[Engine], _T]) -> _T:
        """Run a reading of the engine between two events, in its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, work, self._engine)

    async def run(self) -> None:
        """Handle events until cancelled.

        Raises:
            StoreFailed, StoreCorrupt: a write failed; the node must stop.
            RestartNeeded: a write found no room, and now there is.
        """
        try:
            await self._outlast_shortage()
            await self._release(await self._in_thread(self._start))
            while True:
                events = await self._next_events()
                await self._release(await self._in_thread(partial(self._handle, events)))
                await self._outlast_shortage()
        except StoreFailed as error:
            if not error.is_disk_full:
                raise
            await self._outlast_failure(error)
        finally:
            self._is_over = True
            self._drop_events()
            # The thread ends its write before the store is closed.
            self._executor.shutdown(wait=True)

    async def tick(self) -> None:
        """Feed ticks until cancelled; one at a time, so that a busy engine is not flooded."""
        while True:
            await asyncio.sleep(TICK_MS_MAX / 1_000)
            await self.put(Tick())

    async def _next_events(self) -> Sequence[Event]:
        if self._left:
            events, self._left = self._left, []
            return events
        events = [await self._inbox.get()]
        while len(events) < BATCH_EVENTS_MAX and not self._inbox.empty():
            events.append(self._inbox.get_nowait())
        return events

    # --- while the disk is full --------------------------------------------------------------

    async def _outlast_shortage(self) -> None:
        """Return once there is room to write; until then the node only reads."""
        if not self._is_short(is_read_only=False):
            return
        await self._published.pause()
        left, self._left = self._left, []
        for event in left:
            await self._hear_while_short(event)
        while not self._space.is_back:
            self._is_short(is_read_only=True)
            await self._listen_while_short()
        self._is_short(is_read_only=False)
        self._published.resume()

    def _is_short(self, *, is_read_only: bool) -> bool:
        """Tell whether there is too little room, and have the metrics show it."""
        free_bytes = self._space.free_bytes
        is_short = free_bytes < self._space.reserve_bytes
        self._metrics.observe_space(free_bytes=free_bytes, is_read_only=is_read_only or is_short)
        return is_short

    async def _listen_while_short(self) -> None:
        """Empty the inbox until it is time to look at the disk again."""
        clock = asyncio.get_running_loop().time
        until_s = clock() + self._space.check_s
        while (wait_s := until_s - clock()) > 0:
            try:
                event = await asyncio.wait_for(self._inbox.get(), wait_s)
            except TimeoutError:
                return
            await self._hear_while_short(event)

    async def _hear_while_short(self, event: Event) -> None:
        """Take what the engine must not miss and needs no room for; verdicts wait, they are few."""
        if isinstance(event, PeerConnected | PeerDisconnected):
            await self._release(await self._in_thread(partial(self._handle_one, event)))
        elif isinstance(event, SignaturesVerified):
            self._left.append(event)

    async def _outlast_failure(self, error: StoreFailed) -> None:
        """Serve reads until there is room; the engine is ahead of the disk and does nothing more.

        Raises:
            RestartNeeded: there is room.
        """
        self.is_ahead = True
        await self._published.pause()
        is_back = False
        while not is_back:
            self._is_short(is_read_only=True)
            await asyncio.sleep(self._space.check_s)
            self._drop_events()
            is_back = self._space.is_back
        raise RestartNeeded(
            "disk_was_full", "there is room again; the node starts over from its disk"
        ) from error

    async def _in_thread(self, work: Callable[[], list[Effect]]) -> list[Effect]:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _release(self, effects: Sequence[Effect]) -> None:
        has_moved = False
        for effect in effects:
            if isinstance(effect, CommitChain | StoreFinality):
                has_moved = True
            elif not isinstance(effect, STORED | RecordVote | StopVoting):
                await self._published.perform(effect)
        if has_moved:
            self._published.chain_moved()

    # --- in the engine's thread --------------------------------------------------------------

    def _start(self) -> list[Effect]:
        effects = list(self._engine.start(read_clocks()))
        self._write(effects)
        return effects

    def _handle(self, events: Sequence[Event]) -> list[Effect]:
        """Handle a batch; on return every write is durable."""
        released: list[Effect] = []
        unsynced: list[Effect] = []
        for at, event in enumerate(events):
            if self._space.is_short:
                self._left.extend(events[at:])
                break
            started = time.perf_counter()
            effects = self._engine.handle(event, read_clocks())
            self._metrics.observe_handle(type(event).__name__, time.perf_counter() - started)
            released.extend(effects)
            # The engine reads all back but transactions' log and votes heard: only those wait.
            unsynced.extend(effects)
            if any(_is_read_back(effect) for effect in effects):
                self._write(unsynced)
                unsynced = []
        self._write(unsynced)
        return released

    def _handle_one(self, event: Event) -> list[Effect]:
        effects = list(self._engine.handle(event, read_clocks()))
        self._write(effects)
        return effects

    def _write(self, effects: Sequence[Effect]) -> None:
        # The journal first: a certificate that our own vote completed must not be in the store of a
        # node that does not know the vote, or the key would be taken for copied.
        for effect in effects:
            if isinstance(effect, RecordVote):
                self._journal.append(effect.vote)
                self._metrics.observe_vote()
            elif isinstance(effect, StopVoting):
                self._journal.stop(effect.vote)
        stored = [effect for effect in effects if isinstance(effect, STORED)]
        if stored:
            started = time.perf_counter()
            self._store.apply(stored)
            self._metrics.observe_commit(time.perf_counter() - started)


def _is_read_back(effect: Effect) -> bool:
    return isinstance(effect, STORED | RecordVote | StopVoting) and not isinstance(
        effect, LogTransactions | StoreVotes
    )


def read_clocks() -> Now:
    """Return this moment on the machine's two clocks."""
    return Now(wall_ms=time.time_ns() // 1_000_000, monotonic_ms=time.monotonic_ns() // 1_000_000)
