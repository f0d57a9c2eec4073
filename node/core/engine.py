"""The engine: one event in, the effects out. It owns the node's state and does no I/O.

    effects = engine.handle(event, now)

The engine leads each event through its parts in the order of the data: bytes, transaction or
block, validation, head, finality, vote, next template.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.finality import ConflictingCertificates, FinalityTally
from ledger.errors import DecodeError, LedgerError
from ledger.transactions import SignedTransaction, decode_transaction
from node.core.admission import Admission
from node.core.chain import Chain, CoreFault
from node.core.effects import Effect, Halt, NodeStatus, Note, PublishStatus
from node.core.events import (
    Event,
    FrameReceived,
    NonceFound,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    Tick,
    TransactionsSubmitted,
)
from node.core.finality import Finality
from node.core.intake import Intake
from node.core.mempool import Mempool
from node.core.peers import Peers
from node.core.ports import Environment
from node.core.progress import Progress
from node.core.relay import Relay
from node.core.sealing import Sealing
from node.core.sessions import Sessions
from node.core.sync import Sync
from node.core.timing import Now, StepWatch
from node.core.verdicts import VerdictCache


class Engine:
    """A node's core. Calls must not overlap; time is an argument."""

    def __init__(self, environment: Environment) -> None:
        recovered = environment.store.recover()
        self.environment = environment
        self.chain = Chain(environment, recovered)
        self.peers = Peers()
        self.mempool = Mempool(environment.rules.genesis_hash)
        tally = FinalityTally(environment.rules, recovered.root.checkpoint)
        tally.restore(recovered.certificates, recovered.votes)
        verdicts = VerdictCache()
        self.finality = Finality(environment, tally, self.chain, self.peers)
        self.finality.restore_evidence(recovered.evidence)
        self._relay = Relay(self.mempool, environment.store, self.peers)
        self._sync = Sync(self.chain, self.peers)
        self._sealing = Sealing(environment, self.chain, self.mempool, tally)
        self._admission = Admission(
            environment, self.chain, self.mempool, self._relay, self.peers, self._sealing, verdicts
        )
        self._intake = Intake(
            environment, self.chain, self._sync, self.peers, self.mempool, verdicts
        )
        self._progress = Progress(
            self.chain,
            self.finality,
            self.mempool,
            self._admission,
            self._sealing,
            self._sync,
            self.peers,
            environment.member,
        )
        self._sessions = Sessions(
            environment,
            self.chain,
            self.peers,
            admission=self._admission,
            finality=self.finality,
            intake=self._intake,
            progress=self._progress,
            relay=self._relay,
            sync=self._sync,
            next_job=self._next_job,
        )
        self._job_id = 0
        self._is_halted = False
        self._steps = StepWatch()
        self._status: NodeStatus | None = None
        self._logged = recovered.transactions

    def start(self, now: Now) -> tuple[Effect, ...]:
        """Return the first effects: finality as far as the store proves it, and the first job."""
        return self._guard(self._start(now))

    def _start(self, now: Now) -> Iterable[Effect]:
        yield from self._watch_clocks(now)
        displaced = self._admission.readmit(_waiting(self._logged, self.environment))
        self.mempool.displaced.add(displaced, self.chain.head.checkpoint)
        self._logged = ()
        yield from self._progress.advance(now)
        yield from self._sealing.renew(now)

    def handle(self, event: Event, now: Now) -> tuple[Effect, ...]:
        """Take one event and return what is to be done, in order.

        All effects of a call must be run, or the node stopped, before the next call.
        """
        if self._is_halted:
            return ()
        self.chain.begin_call()
        return self._guard(self._handle(event, now))

    def _guard(self, work: Iterable[Effect]) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        try:
            for effect in work:  # what came before a fault is carried out, then the node stops
                effects.append(effect)  # noqa: PERF402 - extend may lose the items before a fault
        except (ConflictingCertificates, CoreFault) as error:
            self._is_halted = True
            code = getattr(error, "code", "conflicting_certificates")
            effects.append(Halt(code=code, detail=str(error)))
        status = self.status()
        if status != self._status:
            self._status = status
            effects.append(PublishStatus(status=status))
        return tuple(effects)

    def _handle(self, event: Event, now: Now) -> Iterable[Effect]:
        yield from self._watch_clocks(now)
        match event:
            case Tick():
                yield from self._tick(now)
            case PeerConnected():
                yield from self._sessions.connect(event.member, event.session, now)
            case PeerDisconnected():
                if self.peers.in_session(event.member, event.session) is not None:
                    self.peers.remove(event.member)
                yield from self._sync.schedule(now)
            case FrameReceived():
                peer = self.peers.in_session(event.member, event.session)
                if peer is not None:
                    yield from self._sessions.receive(peer, event.frame, now)
                    yield from self._progress.advance(now)
            case TransactionsSubmitted():
                yield from self._admission.submit(
                    event.request_id, event.transactions, self._next_job()
                )
            case SignaturesVerified():
                yield from self._verified(event, now)
            case NonceFound():
                yield from self._solved(event, now)

    def _watch_clocks(self, now: Now) -> Iterable[Effect]:
        step_ms = self._steps.step_ms(now)
        if step_ms is not None:
            yield Note(name="clock_stepped", fields={"step_ms": step_ms})

    def _tick(self, now: Now) -> Iterable[Effect]:
        yield from self._sessions.expire(now)
        yield from self._sync.on_tick(now)
        yield from self._relay.flush(now)
        yield from self.finality.ask(now)
        yield from self.finality.resend(now)
        yield from self._progress.advance(now)
        yield from self._sealing.refresh(now)

    def _verified(self, event: SignaturesVerified, now: Now) -> Iterable[Effect]:
        admitted = self._admission.verified(event.job_id, event.verdicts)
        if admitted is not None:
            yield from admitted
            return
        yield from self._intake.verified(event.job_id, event.verdicts)
        yield from self._progress.advance(now)

    def _solved(self, event: NonceFound, now: Now) -> Iterable[Effect]:
        block = self._sealing.solve(event.job_id, event.nonce)
        if block is None:
            return
        try:
            yield from self._intake.own(block, self._next_job())
        except LedgerError as error:
            yield Note(name="own_block_refused", fields={"code": error.code})
            yield from self._sealing.renew(now)
            return
        yield from self._progress.advance(now)

    def _next_job(self) -> int:
        self._job_id += 1
        return self._job_id

    def status(self) -> NodeStatus:
        """Return what the node says of itself."""
        tally, head = self.finality.tally, self.chain.head
        return NodeStatus(
            head=head.checkpoint,
            head_time_ms=head.sealed.header.time_ms,
            justified=tally.highest_justified,
            final=self.chain.tree.root.checkpoint,
            is_live=self._progress.is_live,
            is_head_safe=self._progress.is_head_safe,
            is_syncing=self._sync.is_syncing,
            peers=tuple(peer.member for peer in self.peers.established()),
            mempool_transactions=len(self.mempool),
            mempool_bytes=self.mempool.bytes_total,
            is_voting=self.finality.is_voting,
        )


def _waiting(logged: Iterable[bytes], environment: Environment) -> Iterable[SignedTransaction]:
    """Yield the logged transactions that no block holds yet."""
    for raw in logged:
        try:
            transaction = decode_transaction(raw)
        except DecodeError as error:
            raise CoreFault("mempool_log", f"a logged transaction is unreadable: {error}") from None
        if environment.store.location(transaction.txid) is None:
            yield transaction
