"""How well a series is forecast: from many origins, by what was known at each of them alone.

A forecaster is asked at every origin for the horizon's steps; the values that came then judge it,
beside two lines that need no model: the last value, and the last season.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.models.errors import DataRefused
from analytics.models.interface import Metrics

if TYPE_CHECKING:
    import numpy as np

COVERAGE: Final = 0.8
"""Share of the values that an interval should hold."""
TEST_SHARE: Final = 0.2
"""Share of a series, its end, that judges."""
ORIGINS_MAX: Final = 40
"""Most origins of a test, evenly spread, unless a forecaster asks for more."""


@dataclass(frozen=True, slots=True)
class Band:
    """Forecasts of the steps after an origin; float64 of shape (steps,) each."""

    value: np.ndarray
    """The medians."""
    lower: np.ndarray
    """Lower ends of the intervals that should hold `COVERAGE` of the values."""
    upper: np.ndarray
    """Upper ends of them."""


ForecastFrom = Callable[[int, int], Band]
"""Takes an origin, the number of values known, and the steps to forecast."""


def naive(known: np.ndarray, steps: int, season: int) -> np.ndarray:
    """Return the last season's values repeated over the steps; with season 1 the last value."""
    import numpy as np  # noqa: PLC0415

    return np.resize(known[-season:], steps)


def first_origin(points: int, horizon: int) -> int:
    """Return how many values of a series are learned from before the others judge.

    Raises: DataRefused (``horizon_too_long``).
    """
    tested = max(round(points * TEST_SHARE), horizon)
    if tested * 2 > points:
        detail = f"{points} values judge forecasts of at most {points // 2} steps, not {horizon}"
        raise DataRefused("horizon_too_long", detail, horizon=horizon)
    return points - tested


def backtest(
    values: np.ndarray,
    *,
    first: int,
    horizon: int,
    season: int,
    forecast: ForecastFrom,
    origins_max: int = ORIGINS_MAX,
) -> Metrics:
    """Return measures of the forecasts made at origins from ``first`` on, over the horizon.

    ``mae``, ``rmse``, ``mape`` (where no value is 0), ``coverage`` of the intervals and their
    mean ``width``; ``naive_mae`` and ``seasonal_naive_mae`` are the lines to beat, ``skill`` is
    1 - mae / the better of the two.
    """
    import numpy as np  # noqa: PLC0415

    last = len(values) - horizon
    origins = np.unique(np.linspace(first, last, min(origins_max, last - first + 1)).astype(int))
    bands = [forecast(int(origin), horizon) for origin in origins]
    actual = np.stack([values[origin : origin + horizon] for origin in origins])
    value = np.stack([band.value for band in bands])
    lower, upper = (np.stack([getattr(b, end) for b in bands]) for end in ("lower", "upper"))
    lines = {
        name: np.stack([naive(values[:origin], horizon, steps) for origin in origins])
        for name, steps in (("naive", 1), ("seasonal_naive", season))
    }
    errors = value - actual
    measures = {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "coverage": float(((lower <= actual) & (actual <= upper)).mean()),
        "width": float((upper - lower).mean()),
    }
    measures |= {f"{name}_mae": float(np.abs(line - actual).mean()) for name, line in lines.items()}
    if (actual != 0).all():
        measures["mape"] = float(np.abs(errors / actual).mean())
        for name, line in lines.items():
            measures[f"{name}_mape"] = float(np.abs((line - actual) / actual).mean())
    best = min(measures["naive_mae"], measures["seasonal_naive_mae"])
    measures["skill"] = 1.0 - measures["mae"] / best if best > 0 else 0.0
    measures["origins"] = float(len(origins))
    return measures
