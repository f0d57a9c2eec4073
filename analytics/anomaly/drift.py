"""Drift: the market is no longer as it was, all of it at once.

Spans of some hours are compared with the same span of earlier weeks, so that days and weeks have
their seasons. What remains is watched by ADWIN, statistic by statistic; a change that it finds is
warned of when it is large enough, and is what is usual from then on.
Source: A. Bifet and R. Gavalda, Learning from time-changing data with adaptive windowing (2007), as
river implements it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from analytics.activity import Market, Moves
from analytics.alerts import Reason
from analytics.anomaly.scale import Scale
from analytics.anomaly.spans import STATISTICS, Span, Statistic
from analytics.typologies.finding import Finding
from analytics.typologies.parameters import DAY_MS, DriftParameters

if TYPE_CHECKING:
    from river.drift import ADWIN

WEEK_MS: Final = 7 * DAY_MS
LEARNING_RATE_MIN: Final = 0.25
"""Least weight of the latest week in what is usual of a span."""
RECENT_MIN: Final = 5
RECENT_MAX: Final = 12
"""Spans that tell the size of a change, the fewest and the most."""
NEGLIGIBLE: Final = 0.05
"""Changes smaller than this are no reason."""


class Watch:
    """One statistic: what is usual of it in each span of a week, and whether it changed."""

    def __init__(self, statistic: Statistic, spans: int, parameters: DriftParameters) -> None:
        self.statistic = statistic
        """What is watched."""
        self._parameters = parameters
        self._usual = [(0, 0.0)] * spans
        self._level = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT_MAX)
        self._adwin: ADWIN | None = None
        self.is_changed = False
        """Whether a change was found with the last span."""

    def see(self, place: int, value: float) -> None:
        """Take in the value of a span that is over; ``place`` is its place in the week."""
        weeks, usual = self._usual[place]
        value -= self._level
        self.is_changed = False
        if weeks >= self._parameters.weeks_min:
            moved = (value - usual) / self.statistic.full
            self._recent.append(max(-1.0, min(1.0, moved)))
            self.is_changed = self._watch(self._recent[-1])
        rate = max(LEARNING_RATE_MIN, 1 / (weeks + 1))
        self._usual[place] = (weeks + 1, usual + rate * (value - usual))

    @property
    def size(self) -> float:
        """Size of the change that the last spans show, -1 to 1."""
        if len(self._recent) < RECENT_MIN:
            return 0.0
        mean = math.fsum(self._recent) / len(self._recent)
        return max(0.0, mean) if self.statistic.is_one_sided else mean

    def accept(self) -> None:
        """Take what the last spans show as usual from now on."""
        self._level += self.size * self.statistic.full
        self._recent.clear()

    def _watch(self, moved: float) -> bool:
        if self._adwin is None:
            # It costs a hundred megabytes, which a market too young to drift need not pay.
            from river.drift import ADWIN  # noqa: PLC0415

            self._adwin = ADWIN(delta=self._parameters.chance, clock=1)  # type: ignore[no-untyped-call]
        # ADWIN's bound is one for values from 0 to 1.
        self._adwin.update((1 + moved) / 2)  # type: ignore[no-untyped-call]
        return bool(self._adwin.drift_detected)


class Drift:
    """Watches the market. Blocks come in order from genesis on."""

    name = "drift"
    version = 1

    def __init__(self, parameters: DriftParameters) -> None:
        self._parameters = parameters
        self._scale = Scale()
        self._spans = max(1, round(WEEK_MS / parameters.window_ms))
        self._watches = tuple(Watch(statistic, self._spans, parameters) for statistic in STATISTICS)
        self._span: Span | None = None
        self._paid: dict[str, int] = {}

    def examine(self, moved: Sequence[Moves], market: Market, time_ms: int) -> Finding | None:
        """Take a block in; return the change that the span shows which ended before it, if any."""
        number = time_ms // self._parameters.window_ms
        finding = None
        if self._span is None:
            self._span = Span(number)
        elif self._span.number != number:
            finding = self._close(self._span)
            self._span = Span(number)
        for moves in moved:
            if not moves.paid:
                continue
            self._paid[moves.activity.account] = number
            for payment in moves.paid:
                self._scale.note(payment.asset, payment.amount)
            sizes = [self._scale.size(payment.asset, payment.amount) for payment in moves.paid]
            self._span.add(moves, sizes, market, time_ms)
        return finding

    def _close(self, span: Span) -> Finding | None:
        if span.payments < self._parameters.payments_min:
            return None
        active = sum(last > span.number - self._spans for last in self._paid.values())
        figures = span.figures(active)
        for watch in self._watches:
            watch.see(span.number % self._spans, figures[watch.statistic.name])
        changed = [
            watch
            for watch in self._watches
            if watch.is_changed and abs(watch.size) >= self._parameters.alert_at
        ]
        if not changed:
            return None
        finding = self._finding(span)
        for watch in changed:
            watch.accept()
        return finding

    def _finding(self, span: Span) -> Finding:
        """Return the finding: its score is the length of the vector of all changes, at most 1."""
        moved = [watch for watch in self._watches if abs(watch.size) >= NEGLIGIBLE]
        squares = [watch.size**2 for watch in moved]
        whole = math.fsum(squares)
        score = min(1.0, math.sqrt(whole))
        reasons = [
            Reason(
                feature=watch.statistic.name,
                value=watch.size * watch.statistic.full,
                contribution=score * square / whole,
                text=watch.statistic.text(watch.size * watch.statistic.full),
            )
            for watch, square in zip(moved, squares, strict=True)
        ]
        reasons.sort(key=lambda reason: -reason.contribution)
        return Finding(
            score=score,
            reasons=tuple(reasons),
            transactions=tuple(span.txids),
            since_ms=span.began_ms,
        )
