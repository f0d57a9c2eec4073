"""What an account does within one window of the chain's time: the measures of its anomaly.

Windows are tumbling: they begin at whole multiples of their length since 1970-01-01 UTC. Every
measure only grows while a window lasts, so an account that is not unusual at the end of a window was
not unusual within it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from analytics.activity import Moves, Payment

HOUR_MS: Final = 3_600_000
DAY_HOURS: Final = 24
HOURS_PRIOR: Final = 20.0
"""Payments by the market's habit that an account's own hours are mixed with."""


class Feature(NamedTuple):
    """One measure."""

    name: str
    """Its name in alerts; docs/analytics.md has the definitions."""
    words: str
    """What it counts, for people."""

    def text(self, value: float, usual: float) -> str:
        """Return a value beside what is usual as a sentence."""
        return f"{_shown(value)} {self.words}, usually {_shown(usual)}"


FEATURES: Final = (
    Feature("paid_count", "payments made in a window"),
    Feature("paid_volume", "typical payments' worth paid in a window"),
    Feature("largest_paid", "typical payments' worth in its largest payment"),
    Feature("payees", "accounts paid in a window"),
    Feature("new_payees", "accounts paid for the first time"),
    Feature("odd_hours", "points for payments in hours when it hardly pays"),
    Feature("received_count", "payments received in a window"),
    Feature("payers", "accounts that paid it in a window"),
    Feature("new_payers", "accounts that paid it for the first time"),
)
"""The measures, in order."""


class Hours:
    """How many decisions to pay fall in each hour of the UTC day."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * DAY_HOURS
        self.total = 0

    def add(self, hour: int, count: int) -> None:
        """Count decisions."""
        self.counts[hour] += count
        self.total += count

    def share(self, hour: int) -> float:
        """Return the share of an hour among all; every hour is as if it had one more."""
        return (self.counts[hour] + 1) / (self.total + DAY_HOURS)


class Window:
    """What one account did in its latest window so far."""

    __slots__ = ("_hours", "_payees", "_payers", "first", "is_explained", "measures", "number")

    def __init__(self, number: int) -> None:
        self.first = number
        """The first window in which it moved: its beginning divided by its length."""
        self.is_explained = False
        """Whether a rule warned of the account in this window."""
        self._hours = Hours()
        self._payees: set[str] = set()
        self._payers: set[str] = set()
        self.begin(number)

    def begin(self, number: int) -> None:
        """Start another window."""
        self.number = number
        self.is_explained = False
        self.measures = [0.0] * len(FEATURES)
        self._payees.clear()
        self._payers.clear()

    @property
    def payments(self) -> float:
        """Decisions to pay in the window, its own and others'."""
        return self.measures[0] + self.measures[6]

    def add(self, moves: Moves, sizes: Sequence[float], hour: int, market: Hours) -> int:
        """Take in what a block did to the account; return how many decisions to pay it made.

        ``sizes`` are those of the payments made, as multiples of the asset's unit; ``market`` are
        everybody's hours.
        """
        measures, decisions = self.measures, 0
        if moves.paid:
            decisions, new = _counted(moves.paid, self._payees)
            oddness = decisions * self._oddness(hour, market)
            self._hours.add(hour, decisions)
            measures[0] += decisions
            measures[1] += sum(sizes)
            measures[2] = max(measures[2], *sizes)
            measures[3] = len(self._payees)
            measures[4] += new
            measures[5] += oddness
        if moves.received:
            received, new = _counted(moves.received, self._payers)
            measures[6] += received
            measures[7] = len(self._payers)
            measures[8] += new
        return decisions

    def others(self) -> Iterator[str]:
        """Yield the accounts that it dealt with in the window, but for those of many legs."""
        yield from self._payees
        yield from self._payers

    def _oddness(self, hour: int, market: Hours) -> float:
        """Return how much rarer it pays in an hour than in an average one, nats; at least 0."""
        own = self._hours
        prior = HOURS_PRIOR * market.share(hour)
        share = (own.counts[hour] + prior) / (own.total + HOURS_PRIOR)
        return max(0.0, -math.log(DAY_HOURS * share))


def _counted(payments: Sequence[Payment], others: set[str]) -> tuple[int, int]:
    """Return how many decisions payments are, and with how many accounts never met before.

    A transaction of many legs is one decision, and its payees are no acquaintances.
    """
    singles = [payment for payment in payments if payment.is_single]
    others.update(payment.other for payment in singles)
    decisions = len(singles)
    if decisions < len(payments):
        decisions += len({payment.txid for payment in payments if not payment.is_single})
    return decisions, sum(payment.is_new for payment in singles)


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
