"""The engine's runner: whoever feeds it is let go when it ends, and a full disk is outlasted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.hashing import BlockHash, TxId
from ledger.identity import MemberId
from node.core.effects import (
    Effect,
    Note,
    RecordVote,
    Retirement,
    RetireTransactions,
    TransactionStatus,
)
from node.core.engine import Engine
from node.core.events import (
    Event,
    FrameReceived,
    NonceFound,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    Tick,
)
from node.core.timing import Now
from node.errors import RestartNeeded, StoreFailed
from node.metrics import Metrics
from node.runner import INBOX_EVENTS_MAX, EngineRunner
from node.storage.chain import StoredChain
from node.storage.space import DiskSpace
from node.storage.vote_journal import VoteJournalFile
from tests.barriers import HANG_S

FEEDERS = 3
RESERVE = 1_000
AMPLE = 10 * RESERVE
PEER = MemberId("bank2")
WRITE = RetireTransactions(
    retired=(Retirement(txid=TxId(bytes(32)), status=TransactionStatus.EXPIRED, code="expired"),)
)


class Failing:
    """An engine whose first event ends it, and a publisher that is told nothing."""

    def start(self, now: Now) -> tuple[Effect, ...]:
        assert now.wall_ms > now.monotonic_ms > 0
        return ()

    def handle(self, event: Event, now: Now) -> tuple[Effect, ...]:
        raise RuntimeError(f"{event} at {now}")

    async def perform(self, effect: Effect) -> None:
        raise AssertionError(effect)

    def chain_moved(self) -> None:
        raise AssertionError

    async def pause(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError


def space_of(disk: Disk) -> DiskSpace:
    """Return the view of a disk that takes writes whenever it has room, looked at often."""
    return DiskSpace(
        [Path()],
        reserve_bytes=RESERVE,
        check_s=0.001,
        free=lambda _: disk.room,
        probe=lambda _: True,
    )


class Disk:
    """A disk, and a store on it that fails at once when there is no room at all."""

    def __init__(self) -> None:
        self.room = AMPLE
        self.writes = 0
        self.on_write: Callable[[], None] = lambda: None

    def apply(self, effects: Sequence[Effect]) -> None:
        self.on_write()
        if self.room == 0:
            raise StoreFailed("disk_full", "no space left")
        self.writes += len(effects)


class Recorder:
    """An engine that writes at every tick, and a publisher; both keep what they hear."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.heard: list[Event] = []
        self.started = asyncio.Event()
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
        self.notes: asyncio.Queue[str] = asyncio.Queue()
        self.fills_disk = False
        self.first: tuple[Effect, ...] = ()

    def start(self, now: Now) -> tuple[Effect, ...]:
        return (*self.first, Note(name="started", fields={"at": now.wall_ms}))

    def handle(self, event: Event, now: Now) -> tuple[Effect, ...]:
        assert now.wall_ms > 0
        self.heard.append(event)
        if self.fills_disk:
            self.disk.room = 0
        note = Note(name=type(event).__name__, fields={})
        return (WRITE, note) if isinstance(event, Tick) else (note,)

    async def perform(self, effect: Effect) -> None:
        assert isinstance(effect, Note)
        await self.notes.put(effect.name)

    def chain_moved(self) -> None:
        raise AssertionError

    async def pause(self) -> None:
        self.paused.set()

    def resume(self) -> None:
        self.resumed.set()

    async def until(self, name: str) -> None:
        """Return when the engine's note of this name was published."""
        while await self.notes.get() != name:
            pass


def make_runner(recorder: Recorder, metrics: Metrics | None = None) -> EngineRunner:
    """Return a runner of a recorder over its disk."""
    return EngineRunner(
        cast(Engine, recorder),
        cast(StoredChain, recorder.disk),
        cast(VoteJournalFile, SimpleNamespace()),
        recorder,
        metrics or Metrics(is_process=False),
        space_of(recorder.disk),
    )


@asynccontextmanager
async def running(runner: EngineRunner) -> AsyncIterator[asyncio.Task[None]]:
    """Hold a runner at work, within the time that a test may hang."""
    task = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(HANG_S):
            yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, RestartNeeded):
            await task


async def put_all(runner: EngineRunner, *events: Event) -> None:
    """Give a runner events in this order."""
    for event in events:
        await runner.put(event)


def is_read_only(registry: CollectorRegistry) -> bool:
    """Return what the metrics say of it."""
    return registry.get_sample_value("sunlit_read_only") == 1


async def test_nobody_waits_for_room_in_the_inbox_of_an_engine_that_ended() -> None:
    """The store failed, say, with the inbox full: sessions still end, and the node with them."""
    failing = Failing()
    runner = EngineRunner(
        cast(Engine, failing),
        cast(StoredChain, SimpleNamespace()),
        cast(VoteJournalFile, SimpleNamespace()),
        failing,
        Metrics(),
        space_of(Disk()),
    )
    for _ in range(INBOX_EVENTS_MAX):
        await runner.put(Tick())
    feeders = [asyncio.create_task(runner.put(Tick())) for _ in range(FEEDERS)]
    with pytest.raises(RuntimeError):
        await runner.run()
    await asyncio.gather(*feeders)
    for _ in range(INBOX_EVENTS_MAX + 1):
        await runner.put(Tick())


async def test_threat_54_without_room_nothing_is_written_and_it_goes_on_by_itself() -> None:
    """The engine hears only of sessions meanwhile, and of verdicts afterwards, in their order."""
    recorder, metrics = Recorder(Disk()), Metrics(is_process=False)
    runner = make_runner(recorder, metrics)
    connected = PeerConnected(member=PEER, session=1)
    gone = PeerDisconnected(member=PEER, session=1)
    first, second = (SignaturesVerified(job_id=job, verdicts=(True,)) for job in (1, 2))
    async with running(runner):
        await runner.put(Tick())
        await recorder.until("Tick")
        recorder.disk.room = RESERVE - 1
        frame = FrameReceived(member=PEER, session=1, frame=b"")
        await put_all(runner, first, Tick(), frame, connected)
        await recorder.until("PeerConnected")
        assert recorder.paused.is_set()
        await put_all(runner, NonceFound(job_id=1, nonce=bytes(8)), second, Tick(), gone)
        await recorder.until("PeerDisconnected")
        assert recorder.heard == [Tick(), connected, gone]
        assert recorder.disk.writes == 1
        assert is_read_only(metrics.registry)
        recorder.disk.room = AMPLE
        await recorder.resumed.wait()
        assert not is_read_only(metrics.registry)
        await runner.put(Tick())
        await recorder.until("Tick")
    assert recorder.heard == [Tick(), connected, gone, first, second, Tick()]
    assert recorder.disk.writes == 2


async def test_threat_54_a_node_that_starts_without_room_waits_with_its_first_effects() -> None:
    """They may be writes: what finality proves, transactions that expired."""
    recorder = Recorder(Disk())
    recorder.disk.room = 0
    async with running(make_runner(recorder)):
        await recorder.paused.wait()
        assert recorder.notes.empty()
        recorder.disk.room = AMPLE
        await recorder.until("started")
        assert recorder.resumed.is_set()


async def test_threat_54_a_write_that_found_no_room_ends_in_a_new_start() -> None:
    """The reserve was eaten at once: the engine is ahead of the disk, so nobody asks it again."""
    recorder = Recorder(Disk())
    runner = make_runner(recorder)
    recorder.fills_disk = True
    async with running(runner) as task:
        await runner.put(Tick())
        await recorder.paused.wait()
        assert runner.is_ahead
        await runner.put(PeerConnected(member=PEER, session=1))
        recorder.disk.room = AMPLE
        with pytest.raises(RestartNeeded):
            await task
    assert recorder.heard == [Tick()]
    assert not recorder.disk.writes
    assert recorder.notes.qsize() == 1, "what was not written was told"


async def test_threat_51_a_vote_is_in_the_journal_before_the_store_has_what_it_led_to() -> None:
    """Killed between the two, a store with a certificate of a vote that the journal lacks stops the key."""
    vote = SignedVote(
        member=MemberId("bank1"),
        vote=Vote(
            set_id=0,
            source=Checkpoint(height=0, hash=BlockHash(bytes(32))),
            target=Checkpoint(height=1, hash=BlockHash(bytes(32))),
        ),
        signature=bytes(64),
    )
    recorder = Recorder(Disk())
    recorder.first = (WRITE, RecordVote(vote=vote))
    written: list[str] = []
    recorder.disk.on_write = partial(written.append, "store")
    journal = SimpleNamespace(append=lambda _: written.append("journal"))
    runner = EngineRunner(
        cast(Engine, recorder),
        cast(StoredChain, recorder.disk),
        cast(VoteJournalFile, journal),
        recorder,
        Metrics(is_process=False),
        space_of(recorder.disk),
    )
    async with running(runner):
        await recorder.until("started")
    assert written == ["journal", "store"]
