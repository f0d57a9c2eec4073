"""Anomalies of accounts: a block at a time, scores whose parts add up to them.

    block -> windows of the accounts that it moves -> deviations from habit -> model -> scores

The model is fitted anew with the first block of each window, from a sample of windows that are over.
Nothing is said of an account whose past is too short, nor before the sample is large enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from analytics.activity import Moves, txids
from analytics.alerts import Reason
from analytics.anomaly.habits import Habits, Indices
from analytics.anomaly.measures import FEATURES, HOUR_MS, Hours, Window
from analytics.anomaly.model import Matrix, Model, fit
from analytics.anomaly.scale import Scale
from analytics.typologies.finding import Finding
from analytics.typologies.parameters import AnomalyParameters

SAMPLE_MAX: Final = 20_000
"""Most windows of accounts in the sample; the oldest leave first."""
SAMPLE_WINDOWS: Final = 40
"""How far back the sample should reach, windows; where accounts are many, a part of them is taken."""
REASON_MIN: Final = 0.02
"""Least share of a score that is a reason of its own; what is smaller is one reason together."""
PAYMENTS_MAX: Final = 200
"""Most payments that an alert rests on in each direction; the latest count."""
SCORE_STEP: Final = 0.1
"""A score is kept when it is this much above the one that was kept before in its window."""
SCORE_DECIMALS: Final = 9
"""Decimals of a score: what floating point adds up in another way is the same."""


class AccountScore(NamedTuple):
    """How far an account's window is from its habits, at the block that made it so."""

    account: str
    score: float
    """0 to 1."""
    reasons: tuple[Reason, ...]
    """Why; their contributions add up to the score."""


class Sample:
    """Deviations of the last windows that ended, ``SAMPLE_MAX`` at most."""

    def __init__(self) -> None:
        self._ring = np.zeros((SAMPLE_MAX, len(FEATURES)))
        self._added = 0

    def __len__(self) -> int:
        return min(self._added, SAMPLE_MAX)

    @property
    def rows(self) -> Matrix:
        """All of them, in no order, shape (windows, measures)."""
        return self._ring[: len(self)]

    def add(self, deviations: Matrix) -> None:
        """Put rows in the places of the oldest."""
        places = (self._added + np.arange(len(deviations))) % SAMPLE_MAX
        self._ring[places] = deviations
        self._added += len(deviations)


class Anomalies:
    """Scores the accounts that a block moves. Blocks come in order from genesis on."""

    name = "anomaly"
    version = 2

    def __init__(self, parameters: AnomalyParameters) -> None:
        self._parameters = parameters
        self._scale = Scale()
        self._hours = Hours()
        self._habits = Habits()
        self._rows: dict[str, int] = {}
        self._windows: list[Window] = []
        self._sample = Sample()
        self._kept_share = 1.0
        self._closed = 0
        self._number = -1
        self._kept: dict[int, float] = {}
        self._told: set[int] = set()
        self._first: set[int] = set()
        self._first_max = parameters.accounts_min
        self.model: Model | None = None
        """What the market's windows are compared with; None until the sample is large enough."""
        self.scores: tuple[AccountScore, ...] = ()
        """Scores to keep of the last block: those that are news (`SCORE_STEP`), alerts or not."""

    def examine(
        self, moved: Sequence[Moves], explained: Set[str | None], time_ms: int
    ) -> Mapping[str, Finding]:
        """Take a block in; return the findings that reach ``alert_at``, by account.

        ``explained`` are accounts that a rule warns of with this block: their windows are left out of
        what others are compared with.
        """
        self.scores = ()
        if not moved:
            return {}
        number = time_ms // self._parameters.window_ms
        if number != self._number:
            self._begin(number)
        rows = [self._row(moves) for moves in moved]
        self._close(rows, number)
        self._take(rows, moved, time_ms)
        for row, moves in zip(rows, moved, strict=True):
            if moves.activity.account in explained:
                self._windows[row].is_explained = True
        if self.model is None:
            return {}
        chosen = [place for place, row in enumerate(rows) if self._is_known(row)]
        if not chosen:
            return {}
        return self._unusual([(rows[place], moved[place]) for place in chosen], self.model)

    def _begin(self, number: int) -> None:
        """Go on to another window of the market."""
        self._number = number
        if self._closed:
            self._kept_share = SAMPLE_MAX / (SAMPLE_WINDOWS * self._closed)
        share = int(self._parameters.share_max * self._closed)
        self._first_max = max(self._parameters.accounts_min, share)
        self._kept.clear()
        self._told.clear()
        self._first.clear()
        self._closed = 0
        if len(self._sample) >= self._parameters.sample_min:
            chance = self._parameters.false_alarms
            self.model = fit(self._sample.rows, chance, self._parameters.distance_min)

    def _row(self, moves: Moves) -> int:
        account = moves.activity.account
        row = self._rows.get(account)
        if row is None:
            row = self._rows[account] = len(self._rows)
            self._windows.append(Window(self._number))
            self._habits.add(row, moves.activity.kind)
        return row

    def _close(self, rows: Sequence[int], number: int) -> None:
        """Learn from those windows that are over, and begin new ones."""
        over = [row for row in rows if self._windows[row].number != number]
        if not over:
            return
        self._closed += len(over)
        measures = np.array([self._windows[row].measures for row in over])
        known = [place for place, row in enumerate(over) if self._is_sample(row)]
        if known:
            indices = np.array([over[place] for place in known])
            deviations = self._habits.deviations(indices, measures[known])
            kept = [self._is_kept(row) for row in indices]
            self._sample.add(deviations[kept])
        self._habits.learn(np.array(over), measures)
        for row in over:
            self._windows[row].begin(number)

    def _is_known(self, row: int) -> bool:
        """Tell whether an account's past is long enough, and its window more than an odd payment."""
        window, parameters = self._windows[row], self._parameters
        return (
            window.payments >= parameters.payments_min
            and window.number - window.first >= parameters.past_windows
            and int(self._habits.windows[row]) >= parameters.active_windows_min
        )

    def _is_sample(self, row: int) -> bool:
        """Tell whether a closed window can stand for what is usual."""
        is_long = int(self._habits.windows[row]) >= self._parameters.active_windows_min
        return is_long and not self._windows[row].is_explained

    def _is_kept(self, row: int) -> bool:
        """Tell whether a closed window is one of the sample: drawn by what it is, not by chance."""
        draw = crc32(b"%d:%d" % (row, self._windows[row].number)) / 2**32
        return draw < self._kept_share

    def _take(self, rows: Sequence[int], moved: Sequence[Moves], time_ms: int) -> None:
        for moves in moved:
            for payment in moves.paid:
                self._scale.note(payment.asset, payment.amount)
        hour, size = time_ms // HOUR_MS % 24, self._scale.size
        decisions = 0
        for row, moves in zip(rows, moved, strict=True):
            sizes = [size(payment.asset, payment.amount) for payment in moves.paid]
            decisions += self._windows[row].add(moves, sizes, hour, self._hours)
        self._hours.add(hour, decisions)

    def _unusual(self, chosen: Sequence[tuple[int, Moves]], model: Model) -> dict[str, Finding]:
        rows: Indices = np.array([row for row, _ in chosen])
        measures = np.array([self._windows[row].measures for row in rows])
        squared = model.parts(self._habits.deviations(rows, measures))
        distances = squared.sum(axis=1)
        scores = distances / (distances + model.limit)
        self.scores = tuple(
            self._score(row, moves.activity.account, squared[place], float(scores[place]))
            for place, (row, moves) in enumerate(chosen)
            if scores[place] >= self._kept.get(row, 0.0) + SCORE_STEP
        )
        return {
            moves.activity.account: self._finding(row, moves, squared[place], float(scores[place]))
            for place, (row, moves) in enumerate(chosen)
            if scores[place] >= self._parameters.alert_at and self._may_tell(row)
        }

    def _may_tell(self, row: int) -> bool:
        """Tell whether an account is one of few: where many are unusual at once, it is the market.

        What is counted is incidents: who dealt in the window with the account that one began with
        is another party of it. So those who are refunded do not hide who refunds them.
        """
        if row in self._told:
            return True
        if self._first.isdisjoint(self._rows[other] for other in self._windows[row].others()):
            if len(self._first) >= self._first_max:
                return False
            self._first.add(row)
        self._told.add(row)
        return True

    def _score(self, row: int, account: str, squared: Matrix, score: float) -> AccountScore:
        """Return a score to keep, and note that it is kept."""
        self._kept[row] = score
        score = round(score, SCORE_DECIMALS)
        return AccountScore(account, score, self._reasons(row, squared, score))

    def _reasons(self, row: int, squared: Matrix, score: float) -> tuple[Reason, ...]:
        """Return what a score is made of: each measure's share, the largest first."""
        window = self._windows[row]
        shares = squared / squared.sum()
        usual = self._habits.usual(row)
        reasons = [
            Reason(
                feature=feature.name,
                value=value,
                contribution=score * float(share),
                text=feature.text(value, float(expected)),
            )
            for feature, value, expected, share in zip(
                FEATURES, window.measures, usual, shares, strict=True
            )
            if share >= REASON_MIN
        ]
        reasons.sort(key=lambda reason: -reason.contribution)
        rest = score - sum(reason.contribution for reason in reasons)
        if len(reasons) < len(FEATURES):
            count = len(FEATURES) - len(reasons)
            reasons.append(
                Reason(
                    feature="other_measures",
                    value=float(count),
                    contribution=rest,
                    text=f"{count} other measures, each hardly unusual",
                )
            )
        return tuple(reasons)

    def _finding(self, row: int, moves: Moves, squared: Matrix, score: float) -> Finding:
        window = self._windows[row]
        score = round(score, SCORE_DECIMALS)
        began_ms = window.number * self._parameters.window_ms
        activity = moves.activity
        payments = [
            *activity.paid.since(began_ms)[:PAYMENTS_MAX],
            *activity.received.since(began_ms)[:PAYMENTS_MAX],
        ]
        return Finding(
            score=score,
            reasons=self._reasons(row, squared, score),
            transactions=txids(payments),
            since_ms=min(payment.time_ms for payment in payments),
        )
