"""A node's machine: the production engine, and around it a shell under virtual time.

The disk and the vote journal survive a crash; the engine, its mempool, its sessions and whatever
it was about to send do not. A crash may fall between the effects of one call: before its writes,
between the two files that it writes, or when nothing but the sending is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from random import Random
from typing import Protocol

from consensus.headers import ChainRules
from consensus.votes import SignedVote, Verify
from ledger.identity import MemberId
from node.core.effects import (
    Disconnect,
    Effect,
    Halt,
    RecordVote,
    Reply,
    Send,
    StartMining,
    StopMining,
    StopVoting,
    VerifySignatures,
)
from node.core.engine import Engine
from node.core.events import (
    TICK_MS_MAX,
    Event,
    FrameReceived,
    NonceFound,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    Tick,
    TransactionsSubmitted,
)
from node.core.ports import Environment, RecoveredVotes
from node.core.timing import Now
from node.storage.memory import MemoryKeyValue, MemoryStore
from tests.factories import Network as Register
from tests.simulation.mining import SampledMiner
from tests.simulation.network import Network
from tests.simulation.timeline import Timeline

VERIFY_MS_MAX = 5
"""Longest time that the verifier takes for one job."""


class CrashPoint(Enum):
    """Where in the effects of a call a machine stops."""

    BEFORE_WRITES = "before_writes"
    BETWEEN_WRITES = "between_writes"
    AFTER_WRITES = "after_writes"


@dataclass(slots=True)
class VoteJournalDisk:
    """The vote journal on disk: what was written is there after a crash."""

    votes: list[SignedVote] = field(default_factory=list)
    is_stopped: bool = False

    def run(self, effects: Sequence[Effect]) -> None:
        """Write the votes of a call."""
        for effect in effects:
            if isinstance(effect, RecordVote):
                self.votes.append(effect.vote)
            elif isinstance(effect, StopVoting):
                self.is_stopped = True


class Watcher(Protocol):
    """Who looks on: the invariants, and the trace of the run."""

    def on_event(self, machine: Machine, event: Event | None) -> None:
        """An engine is given an event; None when it starts."""
        ...

    def on_effects(self, machine: Machine, effects: Sequence[Effect]) -> None:
        """A call's effects, of which some are about to be run."""
        ...

    def on_fault(self, machine: Machine, what: str) -> None:
        """A machine crashed, started, or lost its data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all machines of a world share."""

    timeline: Timeline
    network: Network
    register: Register
    rules: ChainRules
    verify: Verify
    watcher: Watcher


class Machine:
    """One member's node."""

    def __init__(self, member: MemberId, around: Surroundings, random: Random, skew_ms: int):
        self.member = member
        self.journal = VoteJournalDisk()
        self.engine: Engine | None = None
        self.halted = ""
        self.crash_at: CrashPoint | None = None
        self.on_reply: Callable[[Reply], None] | None = None
        self._around = around
        self._random = random
        self._skew_ms = skew_ms
        self._step_ms = 0
        self._tables = MemoryKeyValue()
        self._store = MemoryStore(around.register.genesis, self._tables)
        self._miner = SampledMiner(around.rules, random)
        self._starts = 0
        self._started_ms = 0
        self._job_id: int | None = None

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self.engine is not None

    @property
    def store(self) -> MemoryStore:
        """What it has on disk."""
        return self._store

    @property
    def now(self) -> Now:
        """What its clocks show: a wall clock that is off, and one that counts from the start."""
        real_ms = self._around.timeline.now_ms
        wall_ms = real_ms + self._skew_ms + self._step_ms
        return Now(wall_ms=wall_ms, monotonic_ms=real_ms - self._started_ms)

    # --- life and death ----------------------------------------------------------------------

    def start(self) -> None:
        """Start the node on what its disk holds."""
        self._starts += 1
        self._started_ms = self._around.timeline.now_ms
        self._store = MemoryStore(self._around.register.genesis, self._tables)
        self._job_id = self.crash_at = None
        self.engine = Engine(self._environment())
        self._around.watcher.on_event(self, None)
        self._run(self.engine.start(self.now))
        self._later(self._random.randrange(TICK_MS_MAX), self._tick)

    def _environment(self) -> Environment:
        return Environment(
            member=self.member,
            chain_id=self._around.register.genesis.chain_id,
            rules=self._around.rules,
            store=self._store,
            votes=RecoveredVotes(
                votes=tuple(self.journal.votes), is_stopped=self.journal.is_stopped
            ),
            verify=self._around.verify,
            sign=self._around.register.sealers[self.member].sign,
            random_bytes=self._random.randbytes,
        )

    def crash(self) -> None:
        """Stop at once: all that is not on disk is gone."""
        self._around.watcher.on_fault(self, "crashed")
        self.engine = None
        self.crash_at = None
        self._around.network.close_all(self.member)

    def set_clock(self, step_ms: int) -> None:
        """Set its wall clock to so much off what it was in the beginning."""
        self._around.watcher.on_fault(self, f"wall clock set, {step_ms} ms off")
        self._step_ms = step_ms

    def wipe(self) -> None:
        """Lose the data of a node that is down, but not the keys and the vote journal."""
        self._around.watcher.on_fault(self, "wiped")
        self._tables = MemoryKeyValue()

    def _later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Plan something that does not outlive a crash."""
        self._around.timeline.after(delay_ms, partial(self._if_same_start, self._starts, action))

    def _if_same_start(self, start: int, action: Callable[[], None]) -> None:
        if self.engine is not None and start == self._starts:
            action()

    # --- events ------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Give the engine an event and run the effects."""
        if self.engine is None:
            return
        self._around.watcher.on_event(self, event)
        self._run(self.engine.handle(event, self.now))

    def _tick(self) -> None:
        self.handle(Tick())
        self._later(TICK_MS_MAX, self._tick)

    def on_connected(self, peer: MemberId, session: int) -> None:
        """A session with a member stands."""
        self.handle(PeerConnected(member=peer, session=session))

    def on_disconnected(self, peer: MemberId, session: int) -> None:
        """The session is over."""
        self.handle(PeerDisconnected(member=peer, session=session))

    def on_frame(self, peer: MemberId, session: int, frame: bytes) -> None:
        """A frame arrived."""
        self.handle(FrameReceived(member=peer, session=session, frame=frame))

    def submit(self, request_id: int, raws: tuple[bytes, ...]) -> None:
        """Hand in transactions, as a customer of this node does."""
        self.handle(TransactionsSubmitted(request_id=request_id, transactions=raws))

    # --- effects -----------------------------------------------------------------------------

    def _run(self, effects: tuple[Effect, ...]) -> None:
        crash_at = self.crash_at
        if crash_at is CrashPoint.BEFORE_WRITES:
            self.crash()  # nothing of this call has happened
            return
        self._around.watcher.on_effects(self, effects)
        self.journal.run(effects)
        if crash_at is CrashPoint.BETWEEN_WRITES:
            self.crash()
            return
        self._store.apply(effects)
        if crash_at is CrashPoint.AFTER_WRITES:
            self.crash()
            return
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(effect)
            case Reply():
                if self.on_reply is not None:
                    self.on_reply(effect)
            case VerifySignatures():
                self._later(self._random.randrange(1, VERIFY_MS_MAX), partial(self._verify, effect))
            case StartMining():
                self._job_id = effect.job_id
                self._later(self._miner.search_ms(effect), partial(self._solve, effect))
            case StopMining():
                self._job_id = None
            case Disconnect():
                self._around.network.ban(self.member, effect.member, effect.discourage_ms)
                self._around.network.close(self.member, effect.member, effect.session)
            case Halt():
                self.halted = effect.code
                self.crash()
            case _:
                pass

    def _send(self, effect: Send) -> None:
        self._around.network.send(self.member, effect.member, effect.session, effect.frame)

    def _verify(self, job: VerifySignatures) -> None:
        verdicts = tuple(self._around.verify(*item) for item in job.items)
        self.handle(SignaturesVerified(job_id=job.job_id, verdicts=verdicts))

    def _solve(self, job: StartMining) -> None:
        if job.job_id == self._job_id:
            self._job_id = None
            self.handle(NonceFound(job_id=job.job_id, nonce=self._miner.solve(job)))
