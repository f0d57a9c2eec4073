"""Admission: from submitted bytes to the durable mempool, and the answer to whoever submitted.

Cheap checks come first, signatures next and off the engine. After that it is looked at once more:
the state where the head has moved, what waits in the mempool anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from consensus.tree import BlockNode
from ledger.errors import DecodeError, InvalidTransaction, LedgerError
from ledger.hashing import TxId
from ledger.identity import MemberId
from ledger.transactions import SignedTransaction, decode_transaction
from ledger.transition import signature_items_of_all
from node.core import limits
from node.core.chain import Chain
from node.core.displaced import Displacement
from node.core.effects import (
    Effect,
    LogTransactions,
    Note,
    Reply,
    SubmissionOutcome,
    TransactionStatus,
    VerifySignatures,
)
from node.core.mempool import Mempool
from node.core.peers import Peer, PeerMisbehaved, Peers
from node.core.pooled import PooledTransaction, lanes_of
from node.core.ports import Environment
from node.core.relay import Relay
from node.core.sealing import Sealing
from node.core.verdicts import Item, VerdictCache

HOLDERS_ONLY: Final = frozenset(
    {"insufficient_funds", "account_frozen", "account_closed", "already_frozen", "not_frozen"}
)
"""Refusals that tell what an account holds, or that it is frozen. They wait for the signatures:
otherwise whoever knows an account's public key could ask for its balance with a signature that does
not hold (threat 63)."""


@dataclass(slots=True, kw_only=True)
class _Request:
    """A client's submission; answered when the last outcome is known."""

    request_id: int
    outcomes: list[SubmissionOutcome | None]
    open_count: int


@dataclass(slots=True, kw_only=True)
class _Check:
    """A transaction whose signatures are being verified."""

    transaction: SignedTransaction
    source: MemberId | None
    waiting: list[tuple[_Request, int]]
    pooled: PooledTransaction | None
    """What it takes of the mempool; None where the state refuses it, which its holders are told."""
    head: BlockNode
    """Head of the chain when it was checked."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """Checks whose signatures travel to the verifier together."""

    checks: list[_Check]
    items: list[Item]
    """Signatures of all of them, in order."""


class Admission:
    """Transactions on their way into the mempool."""

    def __init__(
        self,
        environment: Environment,
        chain: Chain,
        mempool: Mempool,
        relay: Relay,
        peers: Peers,
        sealing: Sealing,
        verdicts: VerdictCache,
    ) -> None:
        self._environment = environment
        self._store = environment.store
        self._chain = chain
        self._mempool = mempool
        self._relay = relay
        self._peers = peers
        self._sealing = sealing
        self._verdicts = verdicts
        # By the whole bytes, since one txid may come with other signatures.
        self._checks: dict[bytes, _Check] = {}
        self._jobs: dict[int, _Job] = {}

    def submit(self, request_id: int, raws: tuple[bytes, ...], job_id: int) -> Iterable[Effect]:
        """Take a client's transactions; the reply follows when all are decided."""
        request = _Request(request_id=request_id, outcomes=[None] * len(raws), open_count=len(raws))
        checks: list[_Check] = []
        for index, raw in enumerate(raws):
            outcome = self._screen(raw, request, index, checks)
            if outcome is not None:
                yield from self._answer(request, index, outcome)
        if not raws:
            yield Reply(request_id=request_id, outcomes=())
        yield from self._verify(job_id, checks)

    def _screen(
        self, raw: bytes, request: _Request, index: int, checks: list[_Check]
    ) -> SubmissionOutcome | None:
        """Return the outcome where no signature need be looked at; else queue the check."""
        try:
            transaction = decode_transaction(raw)
        except DecodeError as error:
            return refusal(None, error)
        txid = transaction.txid
        known = self.status(txid)
        if known is not None:
            return known
        running = self._checks.get(raw)
        if running is not None:
            running.waiting.append((request, index))
            return None
        pooled = None
        try:
            pooled = self._check(transaction)
        except InvalidTransaction as error:
            if error.code not in HOLDERS_ONLY:
                return refusal(txid, error)
        checks.append(self._begin(transaction, pooled, source=None, waiting=[(request, index)]))
        return None

    def receive(self, peer: Peer, raws: tuple[bytes, ...], job_id: int) -> Iterable[Effect]:
        """Take a peer's transactions.

        Raises:
            PeerMisbehaved: bytes that are no transaction.
        """
        try:
            # All of them, before any check begins: one that begins must also end.
            transactions = [decode_transaction(raw) for raw in raws]
        except DecodeError as error:
            raise PeerMisbehaved(error.code, error.detail) from None
        peer.known.add([transaction.txid for transaction in transactions])
        checks: list[_Check] = []
        for transaction in transactions:
            if transaction.raw in self._checks or self._is_known(transaction.txid):
                continue
            try:
                pooled = self._check(transaction)
            except InvalidTransaction as error:
                # Its state may be ahead of ours or behind: refused here, not held against it.
                yield Note(name="transaction_refused", fields={"code": error.code})
                continue
            checks.append(self._begin(transaction, pooled, source=peer.member, waiting=[]))
        yield from self._verify(job_id, checks)

    def _is_known(self, txid: TxId) -> bool:
        """Tell whether a peer's transaction was here before.

        What was asked for was unknown a moment ago, which spares asking the store again; if a block
        brought it meanwhile, its sequence is taken.
        """
        if self._relay.is_asked(txid):
            return txid in self._mempool
        return self.status(txid) is not None

    def _check(self, transaction: SignedTransaction) -> PooledTransaction:
        if len(self._checks) >= limits.SUBMISSIONS_IN_FLIGHT_MAX:
            raise InvalidTransaction("mempool_full", "too many signatures are being checked")
        return self._mempool.check(transaction, self._chain, height=self._chain.head.height + 1)

    def _begin(
        self,
        transaction: SignedTransaction,
        pooled: PooledTransaction | None,
        *,
        source: MemberId | None,
        waiting: list[tuple[_Request, int]],
    ) -> _Check:
        check = _Check(
            transaction=transaction,
            source=source,
            waiting=waiting,
            pooled=pooled,
            head=self._chain.head,
        )
        self._checks[transaction.raw] = check
        self._relay.begin_check(transaction.txid)
        return check

    def _verify(self, job_id: int, checks: list[_Check]) -> Iterable[Effect]:
        if not checks:
            return
        items = signature_items_of_all([check.transaction for check in checks])
        self._jobs[job_id] = _Job(checks=checks, items=items)
        yield VerifySignatures(job_id=job_id, items=tuple(items))

    def verified(self, job_id: int, verdicts: tuple[bool, ...]) -> Iterable[Effect] | None:
        """Finish the checks of a job; None where the job is not one of admission."""
        job = self._jobs.pop(job_id, None)
        return None if job is None else self._finish(job, verdicts)

    def _finish(self, job: _Job, verdicts: tuple[bool, ...]) -> Iterable[Effect]:
        accepted: list[SignedTransaction] = []
        answers: list[tuple[_Check, SubmissionOutcome]] = []
        start = 0
        for check in job.checks:
            transaction = check.transaction
            end = start + len(transaction.signatures)
            are_good = all(verdicts[start:end])
            if are_good:
                self._verdicts.remember(job.items[start:end])
            start = end
            outcome = self._decide(check, are_good)
            if outcome.is_new:
                accepted.append(transaction)
            answers.append((check, outcome))
        if accepted:
            yield LogTransactions(transactions=tuple(accepted))
        for check, outcome in answers:
            for request, index in check.waiting:
                yield from self._answer(request, index, outcome)
            if outcome.code == "invalid_signature" and check.source is not None:
                # No honest node passes on what it did not verify.
                yield from self._peers.penalise(check.source, outcome.code, limits.SCORE_MAX)

    def _decide(self, check: _Check, are_good: bool) -> SubmissionOutcome:
        transaction = check.transaction
        txid = transaction.txid
        del self._checks[transaction.raw]
        self._relay.end_check(txid)
        if not are_good:
            error = InvalidTransaction("invalid_signature", "a signature does not hold")
            return refusal(txid, error)
        pooled = check.pooled
        if (
            pooled is None
            or check.head is not self._chain.head
            or txid in self._mempool
            or not self._mempool.still_allows(pooled, self._chain)
        ):
            known = self.status(txid)
            if known is not None:
                return known
            try:
                pooled = self._mempool.check(
                    transaction, self._chain, height=self._chain.head.height + 1
                )
            except InvalidTransaction as error:
                return refusal(txid, error)
        self._admit(pooled, source=check.source)
        return SubmissionOutcome(txid=txid, status=TransactionStatus.PENDING, is_new=True)

    def _admit(self, pooled: PooledTransaction, *, source: MemberId | None) -> None:
        """Put a checked transaction into the mempool, offer it to the template, announce it."""
        self._mempool.add(pooled)
        self._sealing.offer(pooled)
        self._relay.announce(pooled.transaction.txid, source=source)

    def readmit(self, transactions: Iterable[SignedTransaction]) -> list[Displacement]:
        """Put back what left the mempool, or was in the log at start, if the head allows it.

        Each was accepted once, so no limit turns it away, and none may vanish in silence: those
        that the state no longer allows are returned with the reason.
        """
        height = self._chain.head.height + 1
        displaced = []
        for transaction in transactions:
            if transaction.txid in self._mempool:
                continue
            try:
                pooled = self._mempool.recheck(transaction, self._chain, height=height)
            except InvalidTransaction as error:
                displaced.append(self._displacement(transaction, error))
                continue
            self._admit(pooled, source=None)
        return displaced

    def _displacement(
        self, transaction: SignedTransaction, error: InvalidTransaction
    ) -> Displacement:
        is_expired = error.code == "expired"
        is_by_rival = error.code == "sequence_conflict" and all(
            actor.sequence >= expected for _, actor, expected in lanes_of(transaction, self._chain)
        )
        return Displacement(
            transaction=transaction,
            status=TransactionStatus.EXPIRED if is_expired else TransactionStatus.REJECTED,
            code=error.code,
            is_by_rival=is_by_rival,
        )

    def status(self, txid: TxId) -> SubmissionOutcome | None:
        """Return where a known transaction stands, or None for an unknown one."""
        if txid in self._mempool or txid in self._mempool.displaced:
            return SubmissionOutcome(txid=txid, status=TransactionStatus.PENDING)
        location = self._store.location(txid)
        if location is not None:
            is_final = location[0] <= self._chain.tree.root.height
            status = TransactionStatus.FINAL if is_final else TransactionStatus.INCLUDED
            return SubmissionOutcome(txid=txid, status=status)
        retired = self._store.retirement(txid)
        if retired is not None:
            return SubmissionOutcome(txid=txid, status=retired.status, code=retired.code)
        return None

    def _answer(
        self, request: _Request, index: int, outcome: SubmissionOutcome
    ) -> Iterable[Effect]:
        request.outcomes[index] = outcome
        request.open_count -= 1
        if request.open_count == 0:
            decided = tuple(o for o in request.outcomes if o is not None)
            yield Reply(request_id=request.request_id, outcomes=decided)


def refusal(txid: TxId | None, error: LedgerError) -> SubmissionOutcome:
    """Return the outcome of a refused transaction."""
    return SubmissionOutcome(txid=txid, status=None, code=error.code, detail=error.detail)
