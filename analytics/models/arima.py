"""ARIMA with a season, its order found step by step.

Seasonal ARIMA of Box and Jenkins in state space (statsmodels' SARIMAX, maximum likelihood); the
search of Hyndman and Khandakar (Automatic Time Series Forecasting, 2008): differences by tests,
then the orders by corrected AIC, from four starts to the better neighbour until none is better.
A positive series whose spread grows with its level is modelled in logarithms (Bartlett, 1947).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

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
    grows_with_level,
    series_of,
)

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress
    from analytics.models.tabular import Table

ORDER_MAX: Final = 4
"""Largest order of either part without a season."""
SEASONAL_ORDER_MAX: Final = 1
"""Largest order of either part with a season."""
SEASON_MAX: Final = 24
"""Longest season that is fitted, steps: the state grows with it."""
SEARCH_POINTS_MAX: Final = 1_500
"""Values that an order is chosen on, the latest."""
FITS_MAX: Final = 40
"""Most orders that a search tries."""
_SEASONS_MIN: Final = 3
"""Seasons a series must show before one is tried."""
_SEASONAL_STRENGTH_MIN: Final = 0.64
"""Strength of a season from which it is differenced (Wang, Smith and Hyndman, 2006)."""
_KPSS_LEVEL: Final = 0.05
_DIFFERENCES_MAX: Final = 2
_SEARCH_STEPS: Final = 30
_FIT_STEPS: Final = 100
"""Steps of the search for the largest likelihood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order (p, d, q)(P, D, Q) with a season, of values or of their logarithms."""

    p: int
    """Own past values."""
    d: int
    """Differences."""
    q: int
    """Past errors."""
    seasonal_p: int
    """Own values seasons ago."""
    seasonal_d: int
    """Seasonal differences."""
    seasonal_q: int
    """Errors seasons ago."""
    season: int
    """Steps of the season; 1 without one."""
    is_log: bool
    """Whether logarithms are modelled."""

    def __str__(self) -> str:
        """Return the order as it is written in the field."""
        text = f"({self.p},{self.d},{self.q})"
        if self.season > 1:
            text += f"({self.seasonal_p},{self.seasonal_d},{self.seasonal_q})[{self.season}]"
        return f"{text} of logarithms" if self.is_log else text


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
        horizon = request.horizon or series.season
        first = first_origin(len(series), horizon)
        order = _search(series.values[:first], series.season, progress)
        progress(f"{order}: judging forecasts of the last {len(series) - first} values")
        judged = _fitted(series.values[:first], order)
        metrics = _measure(series.values, judged.params, order, first=first, horizon=horizon)
        progress("learning from all values")
        parameters = _fitted(series.values, order).params
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
        """Yield for each row, in order of time, what the rows before it and the model foretell.

        Rows that follow those learned from are foretold from these too.
        """
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
        names = _model(self._series.values, self._order).param_names
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


def _search(values: np.ndarray, season: int, progress: Progress) -> Order:
    """Return the order with the smallest corrected AIC that the search meets."""
    import numpy as np  # noqa: PLC0415

    recent = values[-SEARCH_POINTS_MAX:]
    seasons = season if len(recent) >= season * _SEASONS_MIN and season <= SEASON_MAX else 1
    is_log = grows_with_level(recent, seasons)
    scaled = np.log(recent) if is_log else recent
    seasonal_d = 0
    if seasons > 1 and _seasonal_strength(scaled, seasons) >= _SEASONAL_STRENGTH_MIN:
        seasonal_d = 1
    flat = scaled[seasons:] - scaled[:-seasons] if seasonal_d else scaled
    d = _differences(flat, seasonal_d)
    found: dict[Order, float] = {}
    waiting = list(_starts(d, seasonal_d, seasons, is_log=is_log))
    while waiting and len(found) < FITS_MAX:
        order = waiting.pop(0)
        progress(f"trying {order}")
        found[order] = _criterion(scaled, order)
        if not waiting:
            best = min(found, key=lambda order: found[order])
            waiting = [each for each in _neighbours(best) if each not in found]
    chosen = min(found, key=lambda order: found[order])
    if not math.isfinite(found[chosen]):
        raise DataRefused("no_model", "no order could be fitted to the series")
    return chosen


def _starts(d: int, seasonal_d: int, season: int, *, is_log: bool) -> Iterator[Order]:
    for p, q in ((2, 2), (0, 0), (1, 0), (0, 1)):
        yield Order(
            p=p, d=d, q=q,
            seasonal_p=int(season > 1 and p > 0), seasonal_d=seasonal_d,
            seasonal_q=int(season > 1 and q > 0), season=season, is_log=is_log,
        )  # fmt: skip


def _neighbours(order: Order) -> Iterator[Order]:
    """Yield the orders one step away."""
    for field, most in (
        ("p", ORDER_MAX), ("q", ORDER_MAX),
        ("seasonal_p", SEASONAL_ORDER_MAX), ("seasonal_q", SEASONAL_ORDER_MAX),
    ):  # fmt: skip
        if field.startswith("seasonal") and order.season == 1:
            continue
        for change in (-1, 1):
            value = getattr(order, field) + change
            if 0 <= value <= most:
                yield Order(**{**asdict(order), field: value})


def _seasonal_strength(values: np.ndarray, season: int) -> float:
    """Return the strength of a season, 0 to 1: what the season explains of what has no trend."""
    import numpy as np  # noqa: PLC0415
    from statsmodels.tsa.seasonal import STL  # noqa: PLC0415

    parts = STL(values, period=season, robust=True).fit()
    spread = np.var(parts.resid + parts.seasonal)
    return max(0.0, 1.0 - float(np.var(parts.resid) / spread)) if spread > 0 else 0.0


def _differences(values: np.ndarray, seasonal_d: int) -> int:
    """Return how often to difference until a KPSS test (1992) finds the level steady."""
    import numpy as np  # noqa: PLC0415
    from statsmodels.tsa.stattools import kpss  # noqa: PLC0415

    for d in range(_DIFFERENCES_MAX - seasonal_d):
        rows = np.diff(values, d)
        lags = int(3 * math.sqrt(len(rows)) / 13)  # as short as R's ndiffs takes it
        if np.ptp(rows) == 0:
            return d
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a p-value beyond its table
            if kpss(rows, regression="c", nlags=lags)[1] >= _KPSS_LEVEL:
                return d
    return _DIFFERENCES_MAX - seasonal_d


def _criterion(scaled: np.ndarray, order: Order) -> float:
    """Return the corrected AIC of an order, of values that are in logarithms where it says so."""
    import numpy as np  # noqa: PLC0415

    try:
        criterion = float(_fit(_model(scaled, order, is_search=True), _SEARCH_STEPS).aicc)
    except (np.linalg.LinAlgError, ValueError):
        return math.inf
    return criterion if math.isfinite(criterion) else math.inf


def _scaled(values: np.ndarray, order: Order) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    return np.asarray(np.log(values) if order.is_log else values)


def _model(scaled: np.ndarray, order: Order, *, is_search: bool = False) -> Any:
    from statsmodels.tsa.statespace.sarimax import SARIMAX  # noqa: PLC0415

    has_level = order.d + order.seasonal_d == 0
    seasonal = (order.seasonal_p, order.seasonal_d, order.seasonal_q, order.season)
    return SARIMAX(
        scaled,
        order=(order.p, order.d, order.q),
        seasonal_order=seasonal if order.season > 1 else (0, 0, 0, 0),
        trend="c" if has_level else None,
        simple_differencing=is_search,  # a smaller state; the values it loses are few
    )


def _fitted(values: np.ndarray, order: Order) -> Any:
    return _fit(_model(_scaled(values, order), order), _FIT_STEPS)


def _fit(model: Any, steps: int) -> Any:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # The matrices are small: threads would spend their time on waiting for one another.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # starts that are not stationary are told as warnings
        return model.fit(disp=False, maxiter=steps)


def _applied(values: np.ndarray, parameters: np.ndarray, order: Order) -> Any:
    """Return the model of values with parameters that were learned before."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return _model(_scaled(values, order), order).filter(parameters)


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
