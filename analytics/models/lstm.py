"""Forecasts of all steps of a horizon by an LSTM, as bands.

    values[:first] ─ earlier part ─▶ network ─ its end stops the training ─▶ course, width of the band
          └────────── all of it, the same course ──▶ the network that values[first:] judge
    values ──────────── all of it, the same course ──▶ the network that is kept

At an origin a network sees the values before it, in units that were learned before it. The band is
widened or narrowed by one factor, so that it holds `COVERAGE` of values that were not learned from
(conformalised quantile regression: Romano, Patterson and Candès, 2019): for the network that is
judged, of those that stopped the training; for the one that is kept, of those that judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import torch

from analytics.models.backtest import COVERAGE, Band, backtest
from analytics.models.columns import Column, Role
from analytics.models.errors import DataRefused
from analytics.models.interface import (
    Forecast,
    Forecaster,
    Importance,
    Metrics,
    Part,
    Prediction,
    Reason,
    Request,
)
from analytics.models.limits import IMPORTANCE_ROWS_MAX
from analytics.models.lstm_training import Learner, new_network, panel_of, plan_of, spread, width_of
from analytics.models.network_training import (
    INFERENCE_ROWS,
    Course,
    load_network,
    outputs,
    parameters_of,
    save_network,
    seeded,
)
from analytics.models.series import as_document, from_document, in_file_order, uneven_steps
from analytics.models.windows import SEASON, Frame, Panel

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress
    from analytics.models.quantile_network import QuantileNetwork
    from analytics.models.tabular import Table

ORIGINS_MAX: Final = 200
"""Most origins of a test, evenly spread: a network is asked in no time."""
_WEIGHTS: Final = "network.safetensors"
_DRIFT: Final = "(drift)"
"""What the network says of a course that is flat."""
_TINY: Final = 1e-12


class LSTM(Forecaster):
    """A network of the quantiles of all steps of a horizon."""

    NAME: ClassVar[str] = "lstm"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset({Part.TIME, Part.TARGET, Part.HORIZON})

    importances: tuple[Importance, ...]
    """Mean size of contributions at held-out origins."""
    course: Course
    """How the first training went."""

    def __init__(
        self, panel: Panel, frame: Frame, network: QuantileNetwork, *, width: float, time: str
    ) -> None:
        self._panel, self._frame, self._width, self._time = panel, frame, width, time
        # What is said of a row must not depend on the rows beside it, so sums need the digits.
        self._network = network.double()
        self.features = tuple(
            Column(name=name, role=Role.NUMBER) for name in (panel.series.name, *panel.names)
        )
        self.excluded = ()

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the model of a series; `metrics` are of its end, which chose nothing."""
        panel, horizon = panel_of(table, request)
        if (uneven := uneven_steps(panel.series)) is not None:
            progress(f"warning: {uneven}")
        plan = plan_of(panel, horizon)
        with seeded(request.seed):
            learner = Learner(
                panel=panel, plan=plan, horizon=horizon, seed=request.seed, progress=progress
            )
            course, width = learner.first()
            frame, network = learner.again(course, plan.first, "the learning part")
            judged = cls(panel, frame, network, width=width, time=str(request.time))
            progress(f"judging forecasts of the last {len(panel) - plan.first} values")
            metrics = judged._measure(panel, plan.first)
            held_out = spread(frame.origins(plan.first, len(panel)))
            importances = judged._leanings(panel, held_out)
            width = width_of(*judged._said(panel, held_out))
            frame, network = learner.again(course, len(panel), "all values")
        tail = panel.tail(frame.history)
        model = cls(tail, frame, network, width=width, time=str(request.time))
        model.seed, model.course, model.importances = request.seed, course, importances
        model.metrics = {**metrics, "epochs": float(course.epochs)}
        how = (
            f"by {request.time}: the latest {len(panel) - plan.first} values judge, from many "
            f"origins; the {plan.first - plan.learned} before them stop the training"
        )
        model.split = {"train": plan.first, "test": len(panel) - plan.first, "how": how}
        return model

    def forecast(self, steps: int | None = None) -> Iterator[Forecast]:
        """Yield the median and the band of each step after the last value.

        Raises: DataRefused (``horizon_too_long``) for more steps than it was trained for.
        """
        import numpy as np  # noqa: PLC0415

        count = steps or self._frame.horizon
        if count > self._frame.horizon:
            detail = f"it tells {self._frame.horizon} steps, not {count}: train with --horizon"
            raise DataRefused("horizon_too_long", detail, horizon=self._frame.horizon)
        origins = np.array([len(self._panel)])
        band = self._band(self._panel, origins)
        line = self._frame.straight(self._frame.lines(self._panel.series.values, origins))[0]
        for place, time in enumerate(self._panel.series.following(count)):
            yield Forecast(
                step=place + 1,
                time=time,
                value=float(band.value[0, place]),
                lower=float(band.lower[0, place]),
                upper=float(band.upper[0, place]),
                naive=float(line[place]),
            )

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield for each row what the rows before it in time foretell.

        Rows that follow those learned from are foretold from these too. A row with too few before
        it is foretold by the line alone.
        """
        yield from in_file_order(table, self._time, self._in_time(table))

    def _in_time(self, table: Table) -> Iterator[Prediction]:
        """Yield the predictions of a table in order of time."""
        import numpy as np  # noqa: PLC0415

        known, panel = self._with_history(table)
        line = "last season" if self._frame.line > 1 else "last value"
        names = [_DRIFT, *(name for name, _ in self._frame.groups(panel))]
        for first in range(known, len(panel), INFERENCE_ROWS):
            origins = np.arange(first, min(first + INFERENCE_ROWS, len(panel)))
            is_told = origins >= self._frame.history
            parts = np.zeros((len(origins), len(names)))
            lines = self._alone(panel, origins)
            if is_told.any():
                starts, told = self._contributions(panel, origins[is_told])
                lines[is_told], parts[is_told] = starts[:, 0], told[:, :, 0]
            for place, origin in enumerate(origins):
                reasons = _reasons(line, float(lines[place]), names, parts[place], self._target)
                score = float(lines[place] + parts[place].sum())
                row = int(origin) - known + 1
                yield Prediction(row=row, prediction=score, score=score, reasons=reasons)

    def evaluate(self, table: Table) -> Metrics:
        """Return the measures of `backtest` on values that the model has not seen.

        Values after those learned from are judged with these as their past; of another series, the
        second half is judged. Raises: DataRefused (``too_few_rows``).
        """
        known, panel = self._with_history(table)
        first = known or max(len(panel) // 2, self._frame.history)
        if len(panel) - first < self._frame.horizon:
            detail = f"{max(len(panel) - first, 0)} values cannot judge {self._frame.horizon} steps"
            raise DataRefused("too_few_rows", detail, rows=len(panel))
        return self._measure(panel, first)

    def explain(self) -> tuple[Importance, ...]:
        """Return what it looks at by the mean size of contributions at held-out origins."""
        return self.importances

    def document(self) -> Mapping[str, Any]:
        """Return the network's shape, how the training went, and the band's factor."""
        return {
            "window": self._frame.window,
            "horizon": self._frame.horizon,
            "step": self._panel.series.step,
            "season": self._frame.season,
            "line": "last season" if self._frame.line > 1 else "last value",
            "is_log": self._frame.is_log,
            "state": self._network.lstm.hidden_size,
            "parameters": parameters_of(self._network),
            "epochs": self.course.epochs,
            "stopping_loss": self.course.loss,
            "coverage": COVERAGE,
            "width_factor": self._width,
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the network's weights; the rest is numbers."""
        save_network(self._network.float(), folder / _WEIGHTS)
        self._network.double()
        return {
            "series": as_document(self._panel.series),
            "names": list(self._panel.names),
            "beside": [[float(value) for value in row] for row in self._panel.beside],
            "frame": self._frame.document(),
            "hidden": self._network.lstm.hidden_size,
            "width": self._width,
            "time": self._time,
            "rates": list(self.course.rates),
            "loss": self.course.loss,
            "importances": [asdict(each) for each in self.importances],
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        import numpy as np  # noqa: PLC0415

        series = from_document(state["series"])
        names = tuple(state["names"])
        beside = np.array(state["beside"], dtype=np.float64).reshape(len(series), len(names))
        panel = Panel(series=series, names=names, beside=beside)
        frame = Frame.from_document(state["frame"])
        network = new_network(panel, frame, state["hidden"])
        load_network(network, folder / _WEIGHTS)
        model = cls(panel, frame, network, width=state["width"], time=state["time"])
        model.course = Course(rates=tuple(state["rates"]), loss=state["loss"])
        model.importances = tuple(Importance(**each) for each in state["importances"])
        return model

    @property
    def _target(self) -> str:
        return self._panel.series.name

    def _alone(self, panel: Panel, origins: np.ndarray) -> np.ndarray:
        """Return the value before each origin; before the first, the earliest that is known."""
        import numpy as np  # noqa: PLC0415

        before = np.maximum(origins - 1, 0)
        values = panel.series.values[before].copy()
        values[origins == 0] = self._panel.series.values[-1]
        return np.asarray(values)

    def _with_history(self, table: Table) -> tuple[int, Panel]:
        """Return how many learned points come before a table's, and the panel of both."""
        request = Request(target=self._target, time=self._time)
        given = Panel.of(table, request, self._panel.names, points_min=1)
        if given.series.times[0] <= self._panel.series.times[-1]:
            return 0, given
        return len(self._panel), self._panel.then(given)

    def _said(self, panel: Panel, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return quantiles (origins, 3, horizon) before the band's factor, and what came."""
        inputs = torch.from_numpy(self._frame.inputs(panel, origins))
        targets = self._frame.targets(panel.series.values, origins)
        return outputs(self._network, inputs), targets

    def _band(self, panel: Panel, origins: np.ndarray) -> Band:
        """Return bands at origins, each of shape (origins, horizon)."""
        import numpy as np  # noqa: PLC0415

        said = outputs(self._network, torch.from_numpy(self._frame.inputs(panel, origins)))
        median = said[:, 1:2]
        said = median + (said - median) * self._width
        lines = self._frame.lines(panel.series.values, origins)[:, np.newaxis]
        told = self._frame.straight(lines + said * np.asarray(self._frame.units))
        return Band(told[:, 1], told[:, 0], told[:, 2])

    def _measure(self, panel: Panel, first: int) -> Metrics:
        import numpy as np  # noqa: PLC0415

        def forecast(origin: int, steps: int) -> Band:
            band = self._band(panel, np.array([origin]))
            return Band(band.value[0, :steps], band.lower[0, :steps], band.upper[0, :steps])

        return backtest(
            panel.series.values,
            first=first,
            horizon=self._frame.horizon,
            season=self._frame.season,
            forecast=forecast,
            origins_max=ORIGINS_MAX,
        )

    def _contributions(self, panel: Panel, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the line (origins, horizon) and what is added to it (origins, parts, horizon).

        The parts are a flat course's and those of `Frame.groups`: what each changes when it is
        told after those before it, and after those behind it, is its part by halves (both ends of
        Shapley's orders, 1953; of two groups, all). They add up to the forecast.
        """
        import numpy as np  # noqa: PLC0415

        inputs = torch.from_numpy(self._frame.inputs(panel, origins))
        groups = [columns for _, columns in self._frame.groups(panel)]
        flat = torch.zeros_like(inputs)
        parts = np.zeros((len(origins), 1 + len(groups), self._frame.horizon))
        parts[:, 0] = outputs(self._network, flat)[:, 1]
        for order in (range(len(groups)), range(len(groups) - 1, -1, -1)):
            told, before = flat.clone(), parts[:, 0]
            for place in order:
                told[:, :, groups[place]] = inputs[:, :, groups[place]]
                after = outputs(self._network, told)[:, 1]
                parts[:, 1 + place] += (after - before) / 2
                before = after
        parts *= np.asarray(self._frame.units)
        lines = self._frame.lines(panel.series.values, origins)
        total = parts.sum(axis=1)
        step = np.where(np.abs(total) < _TINY, _TINY, total)
        gain = self._frame.straight(lines + step) - self._frame.straight(lines)
        return self._frame.straight(lines), parts * (gain / step)[:, np.newaxis]

    def _leanings(self, panel: Panel, origins: np.ndarray) -> tuple[Importance, ...]:
        import numpy as np  # noqa: PLC0415

        chosen = origins[:: -(-len(origins) // IMPORTANCE_ROWS_MAX)]
        _, parts = self._contributions(panel, chosen)
        sizes = np.abs(parts).mean(axis=(0, 2))
        names = [_DRIFT, *(name for name, _ in self._frame.groups(panel))]
        ranked = sorted(zip(names, sizes, strict=True), key=lambda each: (-each[1], each[0]))
        return tuple(Importance(feature=name, importance=float(size)) for name, size in ranked)


def _reasons(
    line: str, start: float, names: list[str], parts: np.ndarray, target: str
) -> tuple[Reason, ...]:
    reasons = [
        Reason(
            feature=line, value=start, contribution=start, text=f"{line} of {target}: {start:.6g}"
        )
    ]
    for place in sorted(range(len(names)), key=lambda place: -abs(parts[place])):
        name, part = names[place], float(parts[place])
        what = {_DRIFT: "what a flat course does", SEASON: "the place in the season"}.get(
            name, f"the course of {name} before it"
        )
        text = f"{what} {'adds' if part >= 0 else 'takes'} {abs(part):.4g}"
        reasons.append(Reason(feature=name, value=None, contribution=part, text=text))
    return tuple(reasons)
