"""ARIMA with a season: seasonal ARIMA of Box and Jenkins in state space, by maximum likelihood.

statsmodels' SARIMAX fits it; `arima_order` finds its order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from analytics.models.arima_order import Order, fitted, scaled_by, search, state_space
from analytics.models.backtest import COVERAGE, Band, backtest, first_origin, naive
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
from analytics.models.series import (
    Series,
    as_document,
    from_document,
    in_file_order,
    series_of,
    uneven_steps,
)

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress
    from analytics.models.tabular import Table


class Arima(Forecaster):
    """Seasonal ARIMA, chosen by corrected AIC."""

    NAME: ClassVar[str] = "arima"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset({Part.TIME, Part.TARGET, Part.HORIZON})

    def __init__(
        self, series: Series, order: Order, parameters: np.ndarray, *, horizon: int, time: str
    ) -> None:
        self._series, self._order, self._parameters = series, order, parameters
        self._horizon, self._time = horizon, time
        self.features, self.excluded = (), ()

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the model of a series; `metrics` are of its end, which chose nothing."""
        series = series_of(table, request)
        if (uneven := uneven_steps(series)) is not None:
            progress(f"warning: {uneven}")
        horizon = request.horizon or series.season
        first = first_origin(len(series), horizon)
        order = search(series.values[:first], series.season, progress)
        progress(f"{order}: judging forecasts of the last {len(series) - first} values")
        judged = fitted(series.values[:first], order)
        metrics = _measure(series.values, judged.params, order, first=first, horizon=horizon)
        progress("learning from all values")
        parameters = fitted(series.values, order).params
        model = cls(series, order, parameters, horizon=horizon, time=str(request.time))
        model.seed, model.metrics = request.seed, metrics
        how = f"by {request.time}: the latest {len(series) - first} values judge, from many origins"
        model.split = {"train": first, "test": len(series) - first, "how": how}
        return model

    def forecast(self, steps: int | None = None) -> Iterator[Forecast]:
        """Yield the median and the 80 % interval of each step after the last value."""
        count = steps or self._horizon
        band = _band(
            _applied(self._series.values, self._parameters, self._order), count, self._order
        )
        line = naive(self._series.values, count, self._season)
        for place, time in enumerate(self._series.following(count)):
            yield Forecast(
                step=place + 1,
                time=time,
                value=float(band.value[place]),
                lower=float(band.lower[place]),
                upper=float(band.upper[place]),
                naive=float(line[place]),
            )

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield for each row what the rows before it in time and the model foretell.

        Rows that follow those learned from are foretold from these too.
        """
        yield from in_file_order(table, self._time, self._in_time(table))

    def _in_time(self, table: Table) -> Iterator[Prediction]:
        """Yield the predictions of a table in order of time."""
        known, series = self._with_history(table)
        values = series.values
        result = _applied(values, self._parameters, self._order)
        centres = result.get_prediction().predicted_mean
        centres = centres if not self._order.is_log else _exp(centres)
        for place in range(known, len(values)):
            row, value = place - known + 1, float(centres[place])
            last = float(values[place - self._season]) if place >= self._season else 0.0
            reasons = (
                Reason(
                    feature=self._line, value=last, contribution=last,
                    text=f"{self._line} of {series.name}: {last:.6g}",
                ),
                Reason(
                    feature=f"ARIMA{self._order}", value=None, contribution=value - last,
                    text=f"the course before it adds {value - last:.6g}",
                ),
            )  # fmt: skip
            yield Prediction(row=row, prediction=value, score=value, reasons=reasons)

    def evaluate(self, table: Table) -> Metrics:
        """Return the measures of `backtest` on values that the model has not seen.

        Values after those learned from are judged with these as their past; of another series, the
        second half is judged.
        """
        known, series = self._with_history(table)
        first = known or len(series) // 2
        if len(series) - first < self._horizon:
            detail = f"{len(series) - first} values cannot judge {self._horizon} steps"
            raise DataRefused("too_few_rows", detail, rows=len(series) - first)
        return _measure(
            series.values, self._parameters, self._order, first=first, horizon=self._horizon
        )

    def explain(self) -> tuple[Importance, ...]:
        """Return the parameters by their size."""
        names = state_space(self._series.values, self._order).param_names
        sizes = sorted(zip(names, self._parameters, strict=True), key=lambda each: -abs(each[1]))
        return tuple(Importance(feature=name, importance=float(size)) for name, size in sizes)

    def document(self) -> Mapping[str, Any]:
        """Return the order, the step and the season."""
        return {
            "order": str(self._order),
            "step": self._series.step,
            "season": self._order.season,
            "coverage": COVERAGE,
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Return everything as JSON values; nothing else is written."""
        del folder
        return {
            "series": as_document(self._series),
            "order": asdict(self._order),
            "parameters": [float(value) for value in self._parameters],
            "horizon": self._horizon,
            "time": self._time,
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        import numpy as np  # noqa: PLC0415

        del folder
        return cls(
            from_document(state["series"]),
            Order(**state["order"]),
            np.array(state["parameters"], dtype=np.float64),
            horizon=state["horizon"],
            time=state["time"],
        )

    @property
    def _season(self) -> int:
        return max(self._order.season, 1)

    @property
    def _line(self) -> str:
        return "last season" if self._season > 1 else "last value"

    def _with_history(self, table: Table) -> tuple[int, Series]:
        """Return how many learned values come before a table's, and the series of both."""
        request = Request(target=self._series.name, time=self._time)
        given = series_of(table, request, points_min=1)
        if given.times[0] <= self._series.times[-1]:
            return 0, series_of(table, request)
        return len(self._series), self._series.then(given)


def _measure(
    values: np.ndarray, parameters: np.ndarray, order: Order, *, first: int, horizon: int
) -> Metrics:
    def forecast(origin: int, steps: int) -> Band:
        return _band(_applied(values[:origin], parameters, order), steps, order)

    return backtest(values, first=first, horizon=horizon, season=order.season, forecast=forecast)


def _applied(values: np.ndarray, parameters: np.ndarray, order: Order) -> Any:
    """Return the model of values with parameters that were learned before."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return state_space(scaled_by(values, order), order).filter(parameters)


def _band(result: Any, steps: int, order: Order) -> Band:
    import numpy as np  # noqa: PLC0415

    told = result.get_forecast(steps)
    ends = np.asarray(told.conf_int(alpha=1.0 - COVERAGE))
    band = Band(np.asarray(told.predicted_mean), ends[:, 0], ends[:, 1])
    if not order.is_log:
        return band
    return Band(_exp(band.value), _exp(band.lower), _exp(band.upper))


def _exp(values: np.ndarray) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    return np.asarray(np.exp(values))
