"""What is usual: of each account, and of its peers, the accounts of its kind.

Measures are taken as their logarithm, log(1 + measure), because life multiplies. An account's
expectation is its own mean mixed with its peers', and so is its spread; the longer its past, the
less it is told by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.anomaly.measures import FEATURES
from analytics.anomaly.model import DEVIATION_MAX, Matrix

PEERS_WEIGHT: Final = 5.0
"""How many windows of its own weigh as much as an account's peers."""
MEMORY_WINDOWS: Final = 30
"""After so many windows an account's older ones fade, each by a thirtieth."""
PEERS_MEMORY: Final = 20_000
"""The same for peers, windows of all of them."""
SPREAD_MIN: Final = 0.25
"""Least standard deviation of a measure's logarithm."""
KINDS: Final = ("user", "innovator", "institution", "treasury")
_ROWS_STEP: Final = 1_024

Indices = NDArray[np.int64]


class Habits:
    """Means and variances of the measures' logarithms, a row an account."""

    def __init__(self) -> None:
        self._kinds = np.zeros(0, dtype=np.int64)
        self._mean = np.zeros((0, len(FEATURES)))
        self._variance = np.zeros((0, len(FEATURES)))
        self.windows = np.zeros(0, dtype=np.int64)
        """Closed windows of each account in which it moved."""
        self._peers_mean = np.zeros((len(KINDS), len(FEATURES)))
        self._peers_variance = np.ones((len(KINDS), len(FEATURES)))
        self._peers_windows = np.zeros(len(KINDS), dtype=np.int64)

    def add(self, row: int, kind: str) -> None:
        """Make room for an account; rows are given in order from 0."""
        if row >= len(self.windows):
            more = max(_ROWS_STEP, len(self.windows))
            empty = np.zeros((more, len(FEATURES)))
            self._mean = np.concatenate([self._mean, empty])
            self._variance = np.concatenate([self._variance, empty])
            zeros = np.zeros(more, dtype=np.int64)
            self._kinds = np.concatenate([self._kinds, zeros])
            self.windows = np.concatenate([self.windows, zeros])
        self._kinds[row] = KINDS.index(kind)

    def deviations(self, rows: Indices, measures: Matrix) -> Matrix:
        """Return how far measures are above what is usual for accounts, in standard deviations.

        Shape (accounts, measures), from 0 to ``DEVIATION_MAX``; less than usual is 0, because a
        window may not be over.
        """
        mean, variance = self._expected(rows)
        spread = np.sqrt(variance + SPREAD_MIN**2)
        cut: Matrix = np.clip((np.log1p(measures) - mean) / spread, 0.0, DEVIATION_MAX)
        return cut

    def usual(self, row: int) -> Matrix:
        """Return an account's expectation of each measure, in the measure's unit."""
        mean, _ = self._expected(np.array([row]))
        expected: Matrix = np.expm1(mean[0])
        return expected

    def learn(self, rows: Indices, measures: Matrix) -> None:
        """Take closed windows in, at most one an account."""
        logs = np.log1p(measures)
        kinds = self._kinds[rows]
        for kind in np.unique(kinds):
            of_kind = logs[kinds == kind]
            seen = min(int(self._peers_windows[kind]) + len(of_kind), PEERS_MEMORY)
            self._peers_windows[kind] = seen
            change = of_kind - self._peers_mean[kind]
            self._peers_mean[kind] += change.sum(axis=0) / seen
            again = change * (of_kind - self._peers_mean[kind]) - self._peers_variance[kind]
            self._peers_variance[kind] += again.sum(axis=0) / seen
        seen_rows = np.minimum(self.windows[rows] + 1, MEMORY_WINDOWS)[:, None]
        changes = logs - self._mean[rows]
        self._mean[rows] += changes / seen_rows
        agains = changes * (logs - self._mean[rows])
        self._variance[rows] += (agains - self._variance[rows]) / seen_rows
        self.windows[rows] += 1

    def _expected(self, rows: Indices) -> tuple[Matrix, Matrix]:
        own = np.minimum(self.windows[rows], MEMORY_WINDOWS)[:, None]
        share = own / (own + PEERS_WEIGHT)
        kinds: Sequence[int] | Indices = self._kinds[rows]
        mean = share * self._mean[rows] + (1 - share) * self._peers_mean[kinds]
        variance = share * self._variance[rows] + (1 - share) * self._peers_variance[kinds]
        return mean, variance
