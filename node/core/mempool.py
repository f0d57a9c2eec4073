"""Transactions that wait for a block: checked against the head, one a sequence, within limits.

A transaction ahead of its lane is parked until the ones before it come. Nothing replaces a
transaction that is here: a second one with the same account, lane and sequence is a conflict.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TypeVar

from ledger.attestations import Attest
from ledger.attesting import attestation_key, attested_name
from ledger.errors import InvalidTransaction
from ledger.governance import account_after
from ledger.hashing import BlockHash, TxId
from ledger.identity import ACCOUNT_ID_BYTES, Account, AccountId, AccountStatus, MemberId
from ledger.limits import LANES
from ledger.measures import Govern
from ledger.state import (
    ACCOUNT,
    BALANCE,
    Record,
    StateKey,
    StateView,
    account_key,
    sequence_key,
)
from ledger.transactions import Actor, SignedTransaction
from ledger.transition import validate_effect, validate_window
from node.core import limits
from node.core.displaced import Displaced, Displacement
from node.core.effects import TransactionStatus
from node.core.pooled import Lane, PooledTransaction, lanes_of, pool

EXPIRY_SLACK = 1_024
"""Expiries of transactions that have left, beyond as many as are waiting, before they are dropped."""

_K = TypeVar("_K")
_I = TypeVar("_I")
_V = TypeVar("_V")


class Mempool:
    """Accepted transactions by txid, lane and member."""

    def __init__(
        self, genesis_hash: BlockHash, *, bytes_max: int = limits.MEMPOOL_BYTES_MAX
    ) -> None:
        self._genesis_hash = genesis_hash
        self._bytes_max = bytes_max
        self._pooled: dict[TxId, PooledTransaction] = {}
        self._arrivals: dict[TxId, int] = {}
        self._arrived = count()
        self._by_bytes: dict[bytes, SignedTransaction] = {}
        self._lanes: dict[StateKey, dict[int, TxId]] = {}
        self._by_member: dict[MemberId, dict[TxId, None]] = {}
        self._flows: dict[StateKey, int] = {}
        self._govern: dict[TxId, Govern] = {}
        self._attest: dict[TxId, StateKey] = {}
        self._actor_counts: dict[bytes | str, int] = {}
        self._expiry: list[tuple[int, TxId]] = []
        self.bytes_total = 0
        self.displaced = Displaced()
        """What left at a head that is not final yet."""

    def __len__(self) -> int:
        return len(self._pooled)

    def __contains__(self, txid: TxId) -> bool:
        return txid in self._pooled

    def __iter__(self) -> Iterator[TxId]:
        return iter(self._pooled)

    def get(self, txid: TxId) -> SignedTransaction | None:
        """Return a waiting transaction, or None."""
        pooled = self._pooled.get(txid)
        return pooled.transaction if pooled is not None else None

    def find(self, raw: bytes) -> SignedTransaction | None:
        """Return the waiting transaction of exactly these bytes, whose signatures hold, or None."""
        return self._by_bytes.get(raw)

    # --- admission ---------------------------------------------------------------------------

    def check(
        self, transaction: SignedTransaction, view: StateView, *, height: int
    ) -> PooledTransaction:
        """Check everything but the signatures' bytes, and the pool's limits, cheapest first.

        Returns what ``add`` takes in once the signatures hold.

        Raises:
            InvalidTransaction: with the code of what is wrong, or ``mempool_full``.
        """
        lanes = lanes_of(transaction, view)
        _require_near(lanes)
        _require_soon(transaction, height)
        self._require_room(transaction)
        return self._examine(transaction, lanes, view, height)

    def recheck(
        self, transaction: SignedTransaction, view: StateView, *, height: int
    ) -> PooledTransaction:
        """Check a transaction that was accepted before, for a block of ``height``: no limit counts.

        Balances count what waits here already, so that a second spend of the same money is
        refused at once rather than in a block.

        Raises:
            InvalidTransaction: the state does not allow it.
        """
        return self._examine(transaction, lanes_of(transaction, view), view, height)

    def still_allows(self, pooled: PooledTransaction, view: StateView) -> bool:
        """Tell whether what ``check`` found at this same head holds beside what has come since.

        Nothing but the head changes the state, so only what waits here can stand against it: a
        sequence that is taken, money that is spoken for, no room. No is no verdict: ``check`` has
        it, and the reason.
        """
        transaction, flows = pooled.transaction, self._flows
        if self._bytes_kept + len(transaction.raw) > self._bytes_max:
            return False
        for actor in transaction.body.actors:
            if self._actor_counts.get(actor.id, 0) >= limits.MEMPOOL_ACCOUNT_TRANSACTIONS_MAX:
                return False
        for key, sequence in pooled.lanes:
            if sequence in self._lanes.get(key, ()):
                return False
        for key, need in pooled.needs:
            if max((view.get(key) or 0) + flows.get(key, 0), 0) + need < 0:
                return False
        return True

    def _examine(
        self, transaction: SignedTransaction, lanes: list[Lane], view: StateView, height: int
    ) -> PooledTransaction:
        validate_window(
            transaction,
            height=max(height, transaction.body.valid_from),
            genesis_hash=self._genesis_hash,
        )
        for key, actor, expected in lanes:
            taken = self._lanes.get(key, {}).get(actor.sequence)
            if actor.sequence < expected or (taken is not None and taken != transaction.txid):
                holder = "a block has" if actor.sequence < expected else "what waits here has"
                raise InvalidTransaction(
                    "sequence_conflict",
                    f"{holder} sequence {actor.sequence} of lane {actor.lane}; on the chain "
                    f"{expected} is next",
                    sequence=actor.sequence,
                    lane=actor.lane,
                    expected=expected,
                )
        validate_effect(_PoolView(view, self._flows), transaction, height=height)
        return pool(transaction, lanes, view)

    @property
    def _bytes_kept(self) -> int:
        return self.bytes_total + self.displaced.bytes_total

    def _require_room(self, transaction: SignedTransaction) -> None:
        if self._bytes_kept + len(transaction.raw) > self._bytes_max:
            raise InvalidTransaction("mempool_full", f"{self._bytes_max} bytes are waiting already")
        for actor in transaction.body.actors:
            if self._actor_counts.get(actor.id, 0) >= limits.MEMPOOL_ACCOUNT_TRANSACTIONS_MAX:
                raise InvalidTransaction(
                    "account_mempool_full",
                    f"{limits.MEMPOOL_ACCOUNT_TRANSACTIONS_MAX} transactions of one account wait",
                )

    def add(self, pooled: PooledTransaction) -> None:
        """Take in a transaction that was checked and whose signatures hold."""
        transaction = pooled.transaction
        txid = transaction.txid
        self._pooled[txid] = pooled
        self._arrivals[txid] = next(self._arrived)
        self._by_bytes[transaction.raw] = transaction
        self.bytes_total += len(transaction.raw)
        self._by_member.setdefault(pooled.member, {})[txid] = None
        for key, sequence in pooled.lanes:
            self._lanes.setdefault(key, {})[sequence] = txid
        for key, change in pooled.flows:
            self._flow(key, change)
        if isinstance(transaction.body.effect, Govern):
            self._govern[txid] = transaction.body.effect
        elif isinstance(transaction.body.effect, Attest):
            name = attested_name(pooled.member, transaction.body.effect)
            self._attest[txid] = attestation_key(name)
        for actor in transaction.body.actors:
            self._actor_counts[actor.id] = self._actor_counts.get(actor.id, 0) + 1
        heapq.heappush(self._expiry, (transaction.body.valid_until, txid))
        self._compact_expiry()

    def _compact_expiry(self) -> None:
        """Drop the expiry of what has left: validity may end long after a block took it in."""
        if len(self._expiry) > 2 * len(self._pooled) + EXPIRY_SLACK:
            self._expiry = [entry for entry in self._expiry if entry[1] in self._pooled]
            heapq.heapify(self._expiry)

    def remove(self, txid: TxId) -> PooledTransaction | None:
        """Drop a transaction, if it is here."""
        pooled = self._pooled.pop(txid, None)
        if pooled is None:
            return None
        del self._arrivals[txid], self._by_bytes[pooled.transaction.raw]
        self.bytes_total -= len(pooled.transaction.raw)
        _discard(self._by_member, pooled.member, txid)
        for key, sequence in pooled.lanes:
            _discard(self._lanes, key, sequence)
        for key, change in pooled.flows:
            self._flow(key, -change)
        self._govern.pop(txid, None)
        self._attest.pop(txid, None)
        for actor in pooled.transaction.body.actors:
            count = self._actor_counts[actor.id] - 1
            if count:
                self._actor_counts[actor.id] = count
            else:
                del self._actor_counts[actor.id]
        return pooled

    def _flow(self, key: StateKey, change: int) -> None:
        flow = self._flows.get(key, 0) + change
        if flow:
            self._flows[key] = flow
        else:
            self._flows.pop(key, None)

    # --- the chain moves ---------------------------------------------------------------------

    def connect(self, transactions: Iterable[SignedTransaction]) -> list[Displacement]:
        """Drop a block's transactions; return those whose sequence it gave to another."""
        rejected = []
        for transaction in transactions:
            self.remove(transaction.txid)
            self.displaced.discard(transaction.txid)
            for actor in transaction.body.actors:
                rival = self._lanes.get(sequence_key(actor), {}).get(actor.sequence)
                if rival is not None:
                    rejected.append(self._displace(rival, "sequence_conflict"))
        return rejected

    def drop_unfunded(self, state: Mapping[StateKey, Record | None]) -> list[Displacement]:
        """Drop what the balances that a block changed no longer cover, newest first.

        Two payments of the same money can be accepted by two nodes; when one is in a block, the
        other would otherwise wait for its expiry and hold up the account meanwhile.
        """
        rejected = []
        short = dict.fromkeys(key for key in state if self._is_short(key, state))
        while short:
            key = next(iter(short))
            del short[key]
            # What debits an account stands in its lanes, so nobody else's transactions are looked at.
            account = AccountId(key[len(BALANCE) :][:ACCOUNT_ID_BYTES])
            debits = sorted(set(self._debits_of(account)), key=self._arrivals.__getitem__)
            for txid in reversed(debits):
                if not self._is_short(key, state):
                    break
                flows = self._pooled[txid].flows
                if any(at == key and change < 0 for at, change in flows):
                    rejected.append(self._displace(txid, "insufficient_funds"))
                    # Whoever it would have paid may be short of it now.
                    short |= dict.fromkeys(at for at, _ in flows if self._is_short(at, state))
        return rejected

    def _is_short(self, key: StateKey, state: Mapping[StateKey, Record | None]) -> bool:
        """Tell whether a changed balance does not cover what waits to draw on it."""
        if key[:1] != BALANCE or key not in state:
            return False
        return (state[key] or 0) + self._flows.get(key, 0) < 0

    def drop_barred(self, state: Mapping[StateKey, Record | None]) -> list[Displacement]:
        """Drop what the accounts and attestations that a block changed no longer allow.

        These are debits of accounts that were frozen, measures that have nothing to change any
        more, and attestations of a revision that is there: no block would take them, and they would
        hold up their lanes until they expire.
        """
        changed: dict[StateKey, Account] = {
            key: record for key, record in state.items() if key[:1] == ACCOUNT and record
        }
        barred: dict[TxId, str] = {}
        for key, record in changed.items():
            if record.status is not AccountStatus.ACTIVE:
                code = f"account_{record.status.value}"
                barred |= dict.fromkeys(self._debits_of(AccountId(key[len(ACCOUNT) :])), code)
        if changed:
            barred |= self._void_measures(changed)
        barred |= {
            txid: "already_attested"
            for txid, key in self._attest.items()
            if state.get(key) is not None
        }
        return [self._displace(txid, code) for txid, code in barred.items()]

    def _debits_of(self, account: AccountId) -> list[TxId]:
        """Return what waits in an account's lanes: an account acts where it is debited."""
        lanes = (sequence_key(Actor(account, lane, 0)) for lane in range(LANES))
        return [txid for key in lanes for txid in self._lanes.get(key, {}).values()]

    def _void_measures(self, changed: Mapping[StateKey, Account]) -> dict[TxId, str]:
        """Return governance that the changed accounts void, with the code."""
        void: dict[TxId, str] = {}
        for txid, effect in self._govern.items():
            try:
                for measure in effect.measures:
                    record = changed.get(account_key(measure.account))
                    if record is not None:
                        account_after(record, measure)
            except InvalidTransaction as error:
                void[txid] = error.code
        return void

    def expire(self, height: int) -> list[Displacement]:
        """Drop transactions that no block from ``height`` on may hold."""
        expired = []
        while self._expiry and self._expiry[0][0] < height:
            _, txid = heapq.heappop(self._expiry)
            if txid in self._pooled:
                expired.append(self._displace(txid, "expired", TransactionStatus.EXPIRED))
        return expired

    def _displace(
        self, txid: TxId, code: str, status: TransactionStatus = TransactionStatus.REJECTED
    ) -> Displacement:
        """Drop a transaction that is here, and say why."""
        transaction = self._pooled[txid].transaction
        self.remove(txid)
        return Displacement(transaction=transaction, status=status, code=code)

    def fair_order(self) -> Iterator[PooledTransaction]:
        """Yield all, one of each member in turn, each member's in order of arrival."""
        queues = [iter(list(txids)) for _, txids in sorted(self._by_member.items())]
        while queues:
            for queue in list(queues):
                txid = next(queue, None)
                if txid is None:
                    queues.remove(queue)
                elif txid in self._pooled:
                    yield self._pooled[txid]


class _PoolView:
    """The state at the head with the waiting transactions' flows added to the balances."""

    __slots__ = ("_flows", "_view")

    def __init__(self, view: StateView, flows: dict[StateKey, int]) -> None:
        self._view = view
        self._flows = flows

    def get(self, key: StateKey) -> Record | None:
        """Return the record; a balance counts what waits."""
        record = self._view.get(key)
        if key[:1] == BALANCE and key in self._flows:
            return max((record or 0) + self._flows[key], 0)
        return record


def _require_near(lanes: list[Lane]) -> None:
    for _, actor, expected in lanes:
        if actor.sequence - expected > limits.PARKED_PER_LANE_MAX:
            raise InvalidTransaction(
                "sequence_gap",
                f"sequence {actor.sequence} is more than {limits.PARKED_PER_LANE_MAX} ahead "
                f"of {expected}",
                sequence=actor.sequence,
                expected=expected,
            )


def _require_soon(transaction: SignedTransaction, height: int) -> None:
    valid_from = transaction.body.valid_from
    if valid_from - height > limits.VALID_FROM_AHEAD_MAX:
        raise InvalidTransaction(
            "not_yet_valid",
            f"its validity begins more than {limits.VALID_FROM_AHEAD_MAX} blocks ahead",
            valid_from=valid_from,
            height=height,
        )


def _discard(index: dict[_K, dict[_I, _V]], key: _K, item: _I) -> None:
    """Remove an item from an index of dictionaries, and an emptied dictionary with it."""
    held = index[key]
    del held[item]
    if not held:
        del index[key]
