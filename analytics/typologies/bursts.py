"""How much faster something happens than it ever did: the measure that several rules share.

A shop has as many payers as a collector of mules' money, but it has them every day. So a count
alone says little, and a calendar is not needed either: the rate within the group is compared with
the account's own rate before it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

RECORDS_MAX: Final = 64
"""Bursts remembered an account."""
PRECEDENT_SHARE: Final = 0.6
"""An earlier burst this large, as a share of the present one, makes it a habit."""
SPAN_MS_MIN: Final = 1_000
"""Shortest time over which a rate is taken, milliseconds: what comes in one block came in some time."""


def burst_ratio(count: int, span_ms: int, count_before: int, before_ms: int) -> float:
    """Return the rate of a group over the rate before it.

    ``count`` events took ``span_ms``; ``count_before`` others came in the ``before_ms`` before them.
    One more is counted before than there was, so that a short past proves little.
    """
    rate = count / max(span_ms, SPAN_MS_MIN)
    rate_before = (count_before + 1) / max(before_ms, SPAN_MS_MIN)
    return rate / rate_before


class Records:
    """The large bursts that accounts had, to tell a habit from a first time."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._records: dict[str, deque[tuple[int, int]]] = {}

    def has_precedent(self, account: str, count: int, time_ms: int) -> bool:
        """Tell whether the account had a burst like this before; remember this one.

        What lies within one window of each other is one burst.
        """
        records = self._records.setdefault(account, deque(maxlen=RECORDS_MAX))
        earlier = [size for began_ms, size in records if time_ms - began_ms > self._window_ms]
        if records and time_ms - records[-1][0] <= self._window_ms:
            began_ms, size = records[-1]
            records[-1] = (began_ms, max(size, count))
        else:
            records.append((time_ms, count))
        return any(size >= PRECEDENT_SHARE * count for size in earlier)
