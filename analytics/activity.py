"""What every account did lately, and in outline since its beginning: kept a block at a time.

Detection asks two kinds of question. *What happened within a window?* is answered by the payments
that an account's two queues hold. *Is that like this account?* is answered by its outline: when it
began, how often it paid, with whom, and the largest bursts it has had. All of it follows from the
blocks alone, so a replay ends in the same state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import takewhile
from typing import Final, NamedTuple

from analytics.movements import BlockFacts, Movement

PAYMENTS_MAX: Final = 20_000
"""Most payments kept an account and direction; the oldest leave first."""
COUNTERPARTIES_MAX: Final = 100_000
"""Most counterparties remembered an account and direction; later ones count as new."""


class Payment(NamedTuple):
    """One movement, seen from one of its two accounts. A named tuple, because there are many."""

    time_ms: int
    """Time of its block, milliseconds since 1970-01-01 UTC."""
    other: str
    """The account on the other side."""
    asset: str
    """Code of the asset."""
    amount: int
    """Smallest units."""
    txid: str
    """Transaction, lower-case hex."""
    reference: str
    """Its payment text."""
    is_new: bool
    """Whether it was the first payment between the two in this direction."""


@dataclass(slots=True)
class Flow:
    """One direction of an account's payments."""

    recent: deque[Payment] = field(default_factory=lambda: deque(maxlen=PAYMENTS_MAX))
    """Payments within the longest window, oldest first."""
    others: set[str] = field(default_factory=set)
    """Every counterparty so far."""
    transactions: int = 0
    """Number of transactions so far, however many legs each had."""
    last_txid: str = ""
    last_ms: int | None = None
    """Time of the last payment; None before the first."""

    def add(self, movement: Movement, other: str, txid: str, time_ms: int) -> Payment:
        """Take a movement in this direction and return how it is remembered."""
        is_new = other not in self.others
        if is_new and len(self.others) < COUNTERPARTIES_MAX:
            self.others.add(other)
        payment = Payment(
            time_ms, other, movement.asset, movement.amount, txid, movement.reference, is_new
        )
        self.recent.append(payment)
        if txid != self.last_txid:
            self.transactions += 1
            self.last_txid = txid
        self.last_ms = time_ms
        return payment

    def since(self, time_ms: int) -> list[Payment]:
        """Return the payments at or after a time, newest first."""
        return list(takewhile(lambda payment: payment.time_ms >= time_ms, reversed(self.recent)))

    def drop_before(self, time_ms: int) -> None:
        """Forget payments before a time."""
        while self.recent and self.recent[0].time_ms < time_ms:
            self.recent.popleft()


@dataclass(slots=True)
class Activity:
    """An account and what it did."""

    account: str
    """Its id, ``sun1…``."""
    member: str
    """Member that keeps it."""
    kind: str
    """``institution``, ``innovator``, ``user`` or ``treasury``."""
    opened_ms: int
    """Time of the block that opened it."""
    paid: Flow = field(default_factory=Flow)
    received: Flow = field(default_factory=Flow)
    balances: dict[str, int] = field(default_factory=dict)
    """Posted balance of each asset, smallest units."""
    idle_ms: int = 0
    """How long it had neither paid nor received before its latest active block."""
    active_ms: int | None = None
    """Time of its latest active block."""

    def touch(self, time_ms: int) -> None:
        """Note that it is active in a block of that time."""
        before = self.opened_ms if self.active_ms is None else self.active_ms
        if self.active_ms != time_ms:
            self.idle_ms = time_ms - before
            self.active_ms = time_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What one block did to one account."""

    activity: Activity
    """The account, after the block."""
    paid: Sequence[Payment]
    """Payments that it made in the block, in order."""
    received: Sequence[Payment]
    """Payments that it received in the block, in order."""


class Market:
    """The activities of all accounts.

    ``window_ms`` is how long payments are remembered one by one, ``decimals`` each asset's number
    of decimal places.
    """

    def __init__(self, window_ms: int, decimals: Mapping[str, int]) -> None:
        self._window_ms = window_ms
        self._decimals = decimals
        self._activities: dict[str, Activity] = {}

    def units(self, amount: Decimal, asset: str) -> int:
        """Return a decimal amount of an asset in smallest units, fractions cut."""
        return int(amount.scaleb(self._decimals.get(asset, 0)))

    def decimal(self, units: int, asset: str) -> Decimal:
        """Return smallest units of an asset as a decimal amount."""
        return Decimal(units).scaleb(-self._decimals.get(asset, 0))

    def activity(self, account: str) -> Activity:
        """Return an account's activity.

        Raises:
            KeyError: no such account was opened.
        """
        return self._activities[account]

    def activities(self) -> Mapping[str, Activity]:
        """Return the activities of all accounts, by id."""
        return self._activities

    def observe(self, facts: BlockFacts) -> list[Moves]:
        """Take a block in; return what it did, an entry for each account that paid or was paid.

        Issues and redemptions change balances; they are no payments between accounts.
        """
        for opened in facts.opened:
            self._activities[opened.account] = Activity(
                opened.account, opened.member, opened.kind, facts.time_ms
            )
        moves: dict[str, tuple[list[Payment], list[Payment]]] = {}
        for movement in facts.movements:
            self._settle(movement)
            for account, payment, is_paid in self._payments(movement, facts.time_ms):
                moves.setdefault(account, ([], []))[not is_paid].append(payment)
        return [
            Moves(activity=self._activities[account], paid=paid, received=received)
            for account, (paid, received) in moves.items()
        ]

    def _settle(self, movement: Movement) -> None:
        for account, change in (
            (movement.debit, -movement.amount),
            (movement.credit, movement.amount),
        ):
            if account is not None:
                balances = self._activities[account].balances
                balances[movement.asset] = balances.get(movement.asset, 0) + change

    def _payments(self, movement: Movement, time_ms: int) -> Iterator[tuple[str, Payment, bool]]:
        debit, credit, txid = movement.debit, movement.credit, movement.txid
        if debit is None or credit is None or txid is None or debit == credit:
            return
        payer, payee = self._activities[debit], self._activities[credit]
        oldest_ms = time_ms - self._window_ms
        for activity in (payer, payee):
            activity.touch(time_ms)
            activity.paid.drop_before(oldest_ms)
            activity.received.drop_before(oldest_ms)
        yield debit, payer.paid.add(movement, credit, txid, time_ms), True
        yield credit, payee.received.add(movement, debit, txid, time_ms), False


def by_transaction(payments: Iterable[Payment]) -> dict[str, list[Payment]]:
    """Return payments grouped by their transaction, in the order in which they came."""
    grouped: dict[str, list[Payment]] = {}
    for payment in payments:
        grouped.setdefault(payment.txid, []).append(payment)
    return grouped


def txids(payments: Iterable[Payment]) -> tuple[str, ...]:
    """Return the distinct transactions of payments, oldest first."""
    ordered = sorted(payments, key=lambda payment: payment.time_ms)
    return tuple(dict.fromkeys(payment.txid for payment in ordered))
