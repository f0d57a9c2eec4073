"""What the whole market does within a few hours: the statistics whose drift is watched."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from analytics.activity import Market, Moves

BINS_OF_OCTAVE: Final = 16
"""Classes of amounts between one amount and its double, for the median."""
TRANSACTIONS_MAX: Final = 50
"""Most transactions that stand for a span, its last ones."""


class Statistic(NamedTuple):
    """One figure of a span."""

    name: str
    """Its name in alerts."""
    words: str
    """What it is, for people."""
    full: float
    """How far it must move for a change of size 1."""
    is_share: bool
    """Whether it is a share of the payments; else a logarithm to the base 2."""
    is_one_sided: bool = False
    """Whether only its growth is a change: that it sinks is what happens in every young market."""

    def text(self, moved: float) -> str:
        """Return by how much it moved as a sentence; ``moved`` is in its own unit."""
        if self.is_share:
            return f"{self.words} moved by {100 * moved:+.0f} percentage points"
        return f"{self.words} became {math.exp2(moved):.2f} times what it was"


STATISTICS: Final = (
    Statistic("median_amount", "the median payment", 1.0, False),
    Statistic("payments", "the number of payments an active account", 1.0, False),
    Statistic("new_pairs", "the share of payments between accounts new to each other", 0.25, True,
              is_one_sided=True),
    Statistic("between_members", "the share of payments from one member to another", 0.25, True),
)  # fmt: skip
"""Those of a span, in order."""


class Span:
    """A span of time, as far as it went."""

    def __init__(self, number: int) -> None:
        self.number = number
        """Which: its beginning divided by its length."""
        self.payments = 0
        """Decisions to pay in it."""
        self.began_ms = 0
        """Time of the first block with one."""
        self.txids: deque[str] = deque(maxlen=TRANSACTIONS_MAX)
        """Its last transactions, oldest first."""
        self._bins: Counter[int] = Counter()
        self._new = 0
        self._between = 0

    def add(self, moves: Moves, sizes: Iterable[float], market: Market, time_ms: int) -> None:
        """Take in the payments that an account made in a block, of these sizes."""
        self.began_ms = self.began_ms or time_ms
        for payment, size in zip(moves.paid, sizes, strict=True):
            is_counted = payment.is_single or not (self.txids and self.txids[-1] == payment.txid)
            if not is_counted:
                continue
            if not (self.txids and self.txids[-1] == payment.txid):
                self.txids.append(payment.txid)
            self.payments += 1
            self._bins[round(BINS_OF_OCTAVE * math.log2(size))] += 1
            self._new += payment.is_new
            other = market.activity(payment.other)
            self._between += other.member != moves.activity.member

    def figures(self, active: int) -> Mapping[str, float]:
        """Return every statistic's value; ``active`` is how many accounts paid within a week."""
        return {
            "median_amount": self._median() / BINS_OF_OCTAVE,
            "payments": math.log2(self.payments / max(1, active)),
            "new_pairs": self._new / self.payments,
            "between_members": self._between / self.payments,
        }

    def _median(self) -> float:
        """Return the median class, as far into it as its half of the payments reaches."""
        half, below = self.payments / 2, 0
        for place in sorted(self._bins):
            count = self._bins[place]
            if below + count >= half:
                return place - 0.5 + (half - below) / count
            below += count
        raise AssertionError("a span has payments")
