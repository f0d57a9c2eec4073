"""How the network of ``lstm`` is trained: what it learns from, what stops it, how wide its band is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import torch

from analytics.models.backtest import COVERAGE, first_origin
from analytics.models.errors import DataRefused
from analytics.models.limits import SERIES_BESIDE_MAX, SERIES_POINTS_MAX, SERIES_WINDOWS_MAX
from analytics.models.network_training import (
    VALIDATION_SHARE,
    Course,
    Schedule,
    follow,
    outputs,
    tensors,
    train,
)
from analytics.models.quantile_network import QuantileNetwork, pinball
from analytics.models.windows import Frame, Panel

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress, Request
    from analytics.models.network_training import Batch
    from analytics.models.tabular import Table

WINDOW_STEPS_MIN: Final = 8
"""Fewest values that a network sees at an origin."""
WINDOW_STEPS_MAX: Final = 120
"""Most values that a network sees at an origin."""
WINDOWS_MIN: Final = 30
"""Fewest windows that are learned from."""
_WINDOW_SHARE: Final = 4
"""Windows that the learning part is as long as, at least."""
_WINDOW_USUAL: Final = 20
_HIDDEN: Final = ((2_000, 64), (500, 32), (0, 16))
"""Windows learned from, at least, and the size of the network's state."""
SCHEDULE: Final = Schedule(epochs_max=60, patience_epochs=6, slower_epochs=2, decay=1e-3)
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a series is cut for a training."""

    first: int
    """Values that are learned from before the others judge."""
    learned: int
    """Values among them before those that stop the training."""
    window: int
    """Values that the network sees at an origin."""
    windows: int
    """Windows that the first network learns from."""

    @classmethod
    def of(cls, points: int, *, horizon: int, season: int) -> Self:
        """Return the plan for so many values.

        Raises: DataRefused (``horizon_too_long``).
        """
        first = first_origin(points, horizon)
        stopping = max(round(first * VALIDATION_SHARE), horizon + min(horizon, WINDOW_STEPS_MIN))
        usual = max(horizon, 2 * season, _WINDOW_USUAL)
        window = max(min(usual, WINDOW_STEPS_MAX, first // _WINDOW_SHARE), WINDOW_STEPS_MIN)
        windows = first - stopping - horizon + 1 - window - season
        return cls(first=first, learned=first - stopping, window=window, windows=windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """Trains networks on the beginnings of a panel."""

    panel: Panel
    plan: Plan
    horizon: int
    seed: int
    progress: Progress

    def first(self) -> tuple[Course, float]:
        """Return the course of a training that the end of the learning part stops, and the width."""
        frame = self._frame(self.plan.learned)
        network = new_network(self.panel, frame, self._hidden)
        rows = self._windows(frame, frame.origins(0, self.plan.learned))
        held_out = self._windows(frame, frame.origins(self.plan.learned, self.plan.first))
        self.progress(f"{len(rows[0])} windows of {frame.window} values, state {self._hidden}")
        course = train(
            network, rows, held_out,
            loss=pinball, schedule=SCHEDULE, seed=self.seed, progress=self.progress, what="lstm",
        )  # fmt: skip
        return course, width_of(outputs(network, held_out[0]), held_out[1].numpy())

    def again(self, course: Course, known: int, what: str) -> tuple[Frame, QuantileNetwork]:
        """Return a network that followed a course on the first ``known`` points."""
        frame = self._frame(known)
        torch.manual_seed(self.seed)
        network = new_network(self.panel, frame, self._hidden)
        follow(
            network, self._windows(frame, frame.origins(0, known)), course,
            loss=pinball, schedule=SCHEDULE, seed=self.seed, progress=self.progress, what=what,
        )  # fmt: skip
        return frame, network

    @property
    def _hidden(self) -> int:
        return next(size for windows, size in _HIDDEN if self.plan.windows >= windows)

    def _frame(self, known: int) -> Frame:
        return Frame.learn(self.panel, known=known, window=self.plan.window, horizon=self.horizon)

    def _windows(self, frame: Frame, origins: np.ndarray) -> Batch:
        chosen = spread(origins)
        targets = frame.targets(self.panel.series.values, chosen)
        return tensors(frame.inputs(self.panel, chosen), targets)


def panel_of(table: Table, request: Request) -> tuple[Panel, int]:
    """Return the panel of a training and its horizon.

    Raises: DataRefused as `Panel.of`, and ``target_as_feature``, ``too_many_features``,
    ``data_too_large``.
    """
    names = request.features or ()
    if request.target in names or request.time in names:
        detail = "--features: columns beside the series; its target and time are not among them"
        raise DataRefused("target_as_feature", detail)
    if len(names) > SERIES_BESIDE_MAX:
        detail = f"--features: {len(names)} columns; at most {SERIES_BESIDE_MAX} go beside a series"
        raise DataRefused("too_many_features", detail, columns=len(names))
    if len(table) > SERIES_POINTS_MAX:
        detail = f"{len(table)} rows; a series has at most {SERIES_POINTS_MAX}"
        raise DataRefused("data_too_large", detail, rows=len(table))
    panel = Panel.of(table, request, names)
    return panel, request.horizon or panel.series.season


def plan_of(panel: Panel, horizon: int) -> Plan:
    """Return how a panel is cut.

    Raises: DataRefused (``horizon_too_long``, ``too_few_rows`` with how many are needed).
    """
    season = panel.series.season
    plan = Plan.of(len(panel), horizon=horizon, season=season)
    if plan.windows < WINDOWS_MIN:
        needed = len(panel)
        while Plan.of(needed, horizon=horizon, season=season).windows < WINDOWS_MIN:
            needed += 1
        detail = f"{len(panel)} rows; an LSTM of {horizon} steps needs at least {needed}"
        raise DataRefused("too_few_rows", detail, rows=len(panel), needed=needed)
    return plan


def new_network(panel: Panel, frame: Frame, hidden: int) -> QuantileNetwork:
    """Return an untrained network for the inputs of a frame, with a state of so many numbers."""
    inputs = sum(len(columns) for _, columns in frame.groups(panel))
    return QuantileNetwork(inputs=inputs, hidden=hidden, horizon=frame.horizon)


def spread(origins: np.ndarray) -> np.ndarray:
    """Return at most `SERIES_WINDOWS_MAX` origins, evenly spread."""
    import numpy as np  # noqa: PLC0415

    places = np.linspace(0, len(origins) - 1, min(len(origins), SERIES_WINDOWS_MAX)).astype(np.intp)
    return origins[places]


def width_of(said: np.ndarray, came: np.ndarray) -> float:
    """Return the factor of bands (rows, 3, steps) by which they hold `COVERAGE` of what came."""
    import numpy as np  # noqa: PLC0415

    low, median, high = said[:, 0], said[:, 1], said[:, 2]
    reach = np.where(
        came >= median, (came - median) / (high - median), (median - came) / (median - low)
    )
    return max(float(np.quantile(reach, COVERAGE)), _TINY)
