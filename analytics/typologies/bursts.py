"""How much faster something happens than it ever did: the measure that several rules share.

A shop has as many payers as a collector of mules' money, but it has them every day. So a count
alone says little, and a calendar is not needed either: the rate within the group is compared with
the account's own rate before it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from analytics.activity import Activity, Flow, Market, Payment

RECORDS_MAX: Final = 64
"""Bursts remembered an account."""
PRECEDENT_SHARE: Final = 0.6
"""An earlier burst this large, as a share of the present one, makes it a habit."""
PAST_SPANS_MIN: Final = 2
"""How many times as long as the group the past must be."""
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


class Burst(NamedTuple):
    """A group of an account's last single payments in one direction."""

    ratio: float
    """Its rate over the rate before it; 0 where the past is too short to tell."""
    payments: list[Payment]
    """The group, newest first."""


def bursts(
    activity: Activity,
    flow: Flow,
    market: Market,
    least: int,
    since_ms: int,
    time_ms: int,
    counts: Callable[[Payment], bool] = lambda _: True,
) -> Iterator[Burst]:
    """Yield the last ``least`` single payments since a time, √2 times as many, and so on: each a burst.

    Groups that grow so find a burst of any length, without a calendar. Where only some payments count,
    a group ends with as many of those, and has the others that came between them.
    """
    recent = flow.singles_since(since_ms)
    ends = [place for place, payment in enumerate(recent, 1) if counts(payment)]
    if len(ends) < least:
        return
    steps = int(2 * math.log2(len(ends) / least)) + 1
    sizes = {ends[int(least * math.sqrt(2) ** step) - 1] for step in range(steps)}
    for size in sorted({*sizes, ends[-1]}):
        group = recent[:size]
        began_ms = group[-1].time_ms
        ratio = 0.0
        if has_past(activity, market, began_ms, time_ms):
            ratio = burst_ratio(
                size, time_ms - began_ms, flow.singles - size, began_ms - activity.opened_ms
            )
        yield Burst(ratio, group)


def has_past(activity: Activity, market: Market, began_ms: int, time_ms: int) -> bool:
    """Tell whether an account's past tells what is usual for a group that began at ``began_ms``.

    While a market is young everything in it is new and the first busy hour is faster than all
    before. So the past must be longer than the group, unless the account came into a market that
    had one.
    """
    past_ms_min = PAST_SPANS_MIN * max(time_ms - began_ms, SPAN_MS_MIN)
    return (
        began_ms - activity.opened_ms >= past_ms_min
        or activity.opened_ms - market.began_ms >= past_ms_min
    )


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
