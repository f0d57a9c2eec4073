"""What every account did lately, and in outline since its beginning: kept a block at a time.

Detection asks two kinds of question. *What happened within a window?* is answered by the payments
that an account's two queues hold. *Is that like this account?* is answered by its outline: when it
began, how often it paid, with whom, and the largest bursts it has had. All of it follows from the
blocks alone, so a replay ends in the same state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from analytics.movements import BlockFacts, Movement
from analytics.sizes import Sizes

_Side = tuple[str, str, bool]
"""Transaction, account, and whether it is debited."""

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
    is_single: bool
    """Whether its transaction moved nothing else at this account in this direction.

    A payroll or a settlement in one transaction is one decision, whatever its legs.
    """
    number: int
    """How many transactions with payments the market had before: a clock that nights stop."""


@dataclass(slots=True)
class Flow:
    """One direction of an account's payments."""

    recent: deque[Payment] = field(default_factory=lambda: deque(maxlen=PAYMENTS_MAX))
    """Payments within the longest window, oldest first."""
    firsts: deque[Payment] = field(default_factory=lambda: deque(maxlen=PAYMENTS_MAX))
    """Those of them that are single and with a new counterparty, oldest first."""
    others: set[str] = field(default_factory=set)
    """Every counterparty so far."""
    singles: int = 0
    """Number of single payments so far."""
    totals: dict[str, int] = field(default_factory=dict)
    """Sum of each asset so far, smallest units."""

    def add(
        self,
        movement: Movement,
        other: str,
        txid: str,
        time_ms: int,
        *,
        is_single: bool,
        number: int,
    ) -> Payment:
        """Take a movement in this direction and return how it is remembered."""
        is_new = other not in self.others
        if is_new and len(self.others) < COUNTERPARTIES_MAX:
            self.others.add(other)
        payment = Payment(
            time_ms,
            other,
            movement.asset,
            movement.amount,
            txid,
            movement.reference,
            is_new,
            is_single,
            number,
        )
        self.recent.append(payment)
        self.totals[payment.asset] = self.totals.get(payment.asset, 0) + payment.amount
        if is_single:
            self.singles += 1
            if is_new:
                self.firsts.append(payment)
        return payment

    def since(self, time_ms: int) -> list[Payment]:
        """Return the payments at or after a time, newest first."""
        return _since(self.recent, time_ms)

    def singles_since(self, time_ms: int) -> list[Payment]:
        """Return the single payments at or after a time, newest first."""
        return [payment for payment in self.since(time_ms) if payment.is_single]

    def firsts_since(self, time_ms: int) -> list[Payment]:
        """Return the first payments with counterparties at or after a time, newest first."""
        return _since(self.firsts, time_ms)

    def drop_before(self, time_ms: int) -> None:
        """Forget payments before a time."""
        for payments in (self.recent, self.firsts):
            while payments and payments[0].time_ms < time_ms:
                payments.popleft()


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
    opened_number: int
    """How many transactions with payments the market had before that."""
    paid: Flow = field(default_factory=Flow)
    received: Flow = field(default_factory=Flow)
    net_payees: int = 0
    """How many accounts it paid that never paid it."""
    balances: dict[str, int] = field(default_factory=dict)
    """Posted balance of each asset, smallest units."""
    idle_ms: int = 0
    """How long it had neither paid nor received before its latest active block."""
    idle_number: int = 0
    """How many transactions with payments the market had in that time."""
    active_ms: int | None = None
    """Time of its latest active block."""
    active_number: int = 0
    """How many transactions with payments the market had before that block's first at the account."""
    active_blocks: int = 0
    """In how many blocks it was active."""

    def touch(self, time_ms: int, number: int) -> None:
        """Note that it is active in a block of that time, after ``number`` transactions of the market."""
        if self.active_ms == time_ms:
            return
        is_first = self.active_ms is None
        self.idle_ms = time_ms - (self.opened_ms if self.active_ms is None else self.active_ms)
        self.idle_number = number - (self.opened_number if is_first else self.active_number)
        self.active_ms, self.active_number = time_ms, number
        self.active_blocks += 1


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
        self.window_ms = window_ms
        """How long payments are remembered one by one, milliseconds."""
        self._decimals = decimals
        self._activities: dict[str, Activity] = {}
        self.began_ms = 0
        """Time of genesis."""
        self.transactions = 0
        """How many transactions with payments there were."""
        self._sizes: dict[str, Sizes] = {}
        self._txid: str | None = None

    def units(self, amount: Decimal, asset: str) -> int:
        """Return a decimal amount of an asset in smallest units, fractions cut."""
        return int(amount.scaleb(self._decimals.get(asset, 0)))

    def decimal(self, units: int, asset: str) -> Decimal:
        """Return smallest units of an asset as a decimal amount."""
        return Decimal(units).scaleb(-self._decimals.get(asset, 0))

    def sizes(self, asset: str) -> Sizes:
        """Return how large the payments of an asset were."""
        return self._sizes.setdefault(asset, Sizes())

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
        if facts.height == 0:
            self.began_ms = facts.time_ms
        for opened in facts.opened:
            self._activities[opened.account] = Activity(
                opened.account, opened.member, opened.kind, facts.time_ms, self.transactions
            )
        moves: dict[str, tuple[list[Payment], list[Payment]]] = {}
        legs = _leg_counts(facts.movements)
        for movement in facts.movements:
            self._settle(movement)
            for account, payment, is_paid in self._payments(movement, facts.time_ms, legs):
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

    def _payments(
        self, movement: Movement, time_ms: int, legs: Mapping[_Side, int]
    ) -> Iterator[tuple[str, Payment, bool]]:
        debit, credit, txid = movement.debit, movement.credit, movement.txid
        if debit is None or credit is None or txid is None or debit == credit:
            return
        payer, payee = self._activities[debit], self._activities[credit]
        oldest_ms = time_ms - self.window_ms
        if txid != self._txid:
            self.transactions += 1
            self._txid = txid
        number = self.transactions - 1
        self.sizes(movement.asset).add(movement.amount)
        for activity in (payer, payee):
            activity.touch(time_ms, number)
            activity.paid.drop_before(oldest_ms)
            activity.received.drop_before(oldest_ms)
        is_single = legs.get((txid, debit, True), 1) == 1
        payment = payer.paid.add(
            movement, credit, txid, time_ms, is_single=is_single, number=number
        )
        # Only a counterparty that is remembered is new once.
        if payment.is_new and credit in payer.paid.others and credit not in payer.received.others:
            payer.net_payees += 1
        yield debit, payment, True
        is_single = legs.get((txid, credit, False), 1) == 1
        receipt = payee.received.add(
            movement, debit, txid, time_ms, is_single=is_single, number=number
        )
        if receipt.is_new and debit in payee.received.others and debit in payee.paid.others:
            payee.net_payees -= 1
        yield credit, receipt, False


def _leg_counts(movements: Sequence[Movement]) -> Mapping[_Side, int]:
    """Return how many legs each transaction has at each account; transactions of one leg are left out."""
    if not any(movement.leg for movement in movements):
        return {}
    counts: Counter[_Side] = Counter()
    for movement in movements:
        if movement.txid is not None and movement.debit and movement.credit:
            counts[movement.txid, movement.debit, True] += 1
            counts[movement.txid, movement.credit, False] += 1
    return counts


def _since(payments: deque[Payment], time_ms: int) -> list[Payment]:
    recent = []
    for payment in reversed(payments):
        if payment.time_ms < time_ms:
            break
        recent.append(payment)
    return recent


def txids(payments: Iterable[Payment]) -> tuple[str, ...]:
    """Return the distinct transactions of payments, oldest first."""
    ordered = sorted(payments, key=lambda payment: payment.time_ms)
    return tuple(dict.fromkeys(payment.txid for payment in ordered))
