"""How large a market's payments are: what chance would have to bring about for sums to agree."""

from __future__ import annotations

import math
from typing import Final

BINS_OF_OCTAVE: Final = 16
"""Classes of amounts between one amount and its double."""
BINS: Final = 64 * BINS_OF_OCTAVE
"""Classes in all: every amount that the ledger knows is below 2^64 smallest units."""


class Sizes:
    """Counts of an asset's payments by amount, since the market's beginning."""

    def __init__(self) -> None:
        self.count = 0
        """How many payments there were."""
        self._bins = [0] * BINS

    def add(self, amount: int) -> None:
        """Take a payment of some smallest units in."""
        self.count += 1
        self._bins[int(_place(amount))] += 1

    def share_from(self, amount: float) -> float:
        """Return the share of payments of at least an amount; one more is counted than there was."""
        return self.share_within(amount, math.inf)

    def share_within(self, low: float, high: float) -> float:
        """Return the share of payments from one amount to another; one more is counted than there was.

        Within a class of amounts, 4.4 % wide, payments are taken to lie evenly.
        """
        first, last = _place(low), min(_place(high), BINS - 1.0)
        begin, end = int(first), int(last)
        within = float(sum(self._bins[begin : end + 1]))
        within -= self._bins[begin] * (first - begin)
        within -= self._bins[end] * (end + 1 - last)
        return min(1.0, (max(0.0, within) + 1) / (self.count + 1))


def _place(amount: float) -> float:
    """Return where an amount lies among the classes."""
    if amount == math.inf:
        return math.inf
    return math.log2(max(1.0, amount)) * BINS_OF_OCTAVE
