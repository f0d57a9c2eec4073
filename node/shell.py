"""The engine's hands: replies, messages, verification jobs and mining jobs, carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from ledger.blocks import NONCE_BYTES
from ledger.identity import MemberId
from node.api.backend import Busy, ReadOnly
from node.core.effects import (
    Disconnect,
    Effect,
    Halt,
    NodeStatus,
    Note,
    PublishStatus,
    Reply,
    Send,
    StartMining,
    StopMining,
    SubmissionOutcome,
    VerifySignatures,
)
from node.core.events import (
    FrameReceived,
    NonceFound,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    TransactionsSubmitted,
)
from node.errors import NodeError
from node.gossip.transport import PeerTransport
from node.metrics import Metrics
from node.runner import EngineRunner
from node.stream import BlockStream
from node.workers.miner import Miner
from node.workers.pool import VerifierPool

SUBMISSIONS_WAITING_MAX: Final = 1_024
"""Requests that wait for the engine's answer; one more is told to come back."""
RESUMED: Final = "resumed"
"""Why sessions end after a time without room on the disk."""
_QUIET_NOTES: Final = frozenset({"transaction_refused"})

log = structlog.get_logger(__name__)
_P = TypeVar("_P")


class NodeHalted(NodeError):
    """The engine stopped the node, because going on could harm; the operator must decide."""


class Shell:
    """Carries out the engine's effects and feeds it what comes back."""

    def __init__(self, *, metrics: Metrics, stream: BlockStream, status: NodeStatus) -> None:
        self.metrics = metrics
        self.stream = stream
        self.is_read_only = False
        """Whether nothing is taken, because the disk has no room (threat 54)."""
        self._status = status
        self._replies: dict[int, asyncio.Future[Sequence[SubmissionOutcome]]] = {}
        self._request_id = 0
        self._session_id = 0
        self._hashes = 0
        self._sessions: dict[str, int] = {}
        self._runner: EngineRunner | None = None
        self._transport: PeerTransport | None = None
        self._miner: Miner | None = None
        self._verifier: VerifierPool | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def connect(
        self,
        *,
        runner: EngineRunner,
        transport: PeerTransport,
        verifier: VerifierPool,
        miner: Miner | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Take the parts that run beside it; before the runner starts."""
        self._runner = runner
        self._transport = transport
        self._verifier = verifier
        self._miner = miner
        self._tasks = tasks

    @property
    def status(self) -> NodeStatus:
        """What the engine last published of itself; a node that only reads does not vote."""
        return replace(self._status, is_voting=self._status.is_voting and not self.is_read_only)

    # --- towards the engine ------------------------------------------------------------------

    async def submit(self, transactions: Sequence[bytes]) -> Sequence[SubmissionOutcome]:
        """Submit transactions and wait for the engine's answer; what it accepts is durable.

        Raises:
            Busy: too many submissions wait; nothing was taken.
            ReadOnly: the disk has no room; what was not answered before may be sent again.
        """
        if self.is_read_only:
            raise ReadOnly
        runner = _part(self._runner)
        if runner.is_full or len(self._replies) >= SUBMISSIONS_WAITING_MAX:
            raise Busy
        self._request_id += 1
        request_id = self._request_id
        reply: asyncio.Future[Sequence[SubmissionOutcome]] = (
            asyncio.get_running_loop().create_future()
        )
        self._replies[request_id] = reply
        try:
            await runner.put(
                TransactionsSubmitted(request_id=request_id, transactions=tuple(transactions))
            )
            outcomes = await reply
        finally:
            self._replies.pop(request_id, None)
        self.metrics.observe_submissions(outcomes)
        return outcomes

    async def on_connected(self, member_id: str, *, inbound: bool) -> None:
        """Tell the engine of a peer's session."""
        log.info("peer_connected", peer=member_id, inbound=inbound)
        self._session_id += 1
        session = self._sessions[member_id] = self._session_id
        await _part(self._runner).put(PeerConnected(member=MemberId(member_id), session=session))

    async def on_frame(self, member_id: str, frame: bytes) -> None:
        """Hand the engine a peer's message; waiting here is the back-pressure."""
        session = self._sessions[member_id]
        await _part(self._runner).put(
            FrameReceived(member=MemberId(member_id), session=session, frame=frame)
        )

    async def on_disconnected(self, member_id: str, reason: str) -> None:
        """Tell the engine that a peer's session is over."""
        log.info("peer_disconnected", peer=member_id, reason=reason)
        session = self._sessions.pop(member_id)
        await _part(self._runner).put(PeerDisconnected(member=MemberId(member_id), session=session))

    async def on_solution(self, job_id: int, nonce: int) -> None:
        """Hand the engine the miner's nonce."""
        await _part(self._runner).put(
            NonceFound(job_id=job_id, nonce=nonce.to_bytes(NONCE_BYTES, "big"))
        )

    # --- from the engine ---------------------------------------------------------------------

    def chain_moved(self) -> None:
        """Wake the consumers of the block stream."""
        self.stream.advance()

    async def pause(self) -> None:
        """Stop mining and refuse submissions, also those that wait; reads and streams go on."""
        self.is_read_only = True
        log.error("read_only", reason="disk_full")
        if self._miner is not None:
            await self._miner.stop()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ReadOnly())

    def resume(self) -> None:
        """Take submissions again, and begin every session anew: what was said is to be told again.

        Mining goes on as the engine renews its template's time.
        """
        self.is_read_only = False
        log.info("read_only_over")
        for member_id in tuple(self._sessions):
            _part(self._transport).disconnect(member_id, RESUMED)

    async def perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one case an effect
        """Carry out one effect that is not a write.

        Raises:
            NodeHalted: the engine stopped the node.
        """
        match effect:
            case Reply():
                self._reply(effect)
            case PublishStatus():
                self._status = effect.status
                self.metrics.observe_status(self.status)
            case Note():
                self._note(effect)
            case Send():
                if self._sessions.get(effect.member) == effect.session:
                    _part(self._transport).send(effect.member, effect.frame)
            case VerifySignatures():
                name = f"verify-{effect.job_id}"
                _part(self._tasks).create_task(self._verify(effect), name=name)
            case StartMining():
                if self._miner is not None:
                    self._count_hashes(self._miner.hashes)
                    await self._miner.start(effect.job_id, effect.work_prefix, effect.target)
            case StopMining():
                if self._miner is not None:
                    await self._miner.stop()
            case Disconnect():
                if self._sessions.get(effect.member) == effect.session:
                    _part(self._transport).disconnect(
                        effect.member, effect.code, effect.discourage_ms
                    )
            case Halt():
                raise NodeHalted(effect.code, effect.detail)
            case _:
                raise TypeError(f"{type(effect).__name__} is a write; the runner carries it out")

    def _count_hashes(self, total: int) -> None:
        self.metrics.observe_hashes(total - self._hashes)
        self._hashes = total

    def _reply(self, effect: Reply) -> None:
        reply = self._replies.get(effect.request_id)
        if reply is not None and not reply.done():  # else the client went away
            reply.set_result(effect.outcomes)

    def _note(self, note: Note) -> None:
        self.metrics.observe_note(note)
        if note.name not in _QUIET_NOTES:
            log.info(note.name, **note.fields)

    async def _verify(self, job: VerifySignatures) -> None:
        verdicts = await _part(self._verifier).verify(job.items)
        await _part(self._runner).put(
            SignaturesVerified(job_id=job.job_id, verdicts=tuple(verdicts))
        )


def _part(part: _P | None) -> _P:
    """Return a part that ``connect`` gave; the runner does not start before."""
    if part is None:
        raise RuntimeError("the shell was used before its parts were connected")
    return part
