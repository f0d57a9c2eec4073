"""The order of an ARIMA, found step by step.

The search of Hyndman and Khandakar (Automatic Time Series Forecasting, 2008): differences by tests, then
the orders by corrected AIC, from four starts to the better neighbour until none is better. A positive
series whose spread grows with its level is modelled in logarithms (Bartlett, 1947).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analytics.models.errors import DataRefused
from analytics.models.series import grows_with_level

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress

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
    has_drift: bool = False
    """Whether what is differenced once, by a step or a season, has a mean: a trend."""

    def __str__(self) -> str:
        """Return the order as it is written in the field."""
        text = f"({self.p},{self.d},{self.q})"
        if self.season > 1:
            text += f"({self.seasonal_p},{self.seasonal_d},{self.seasonal_q})[{self.season}]"
        text = f"{text} with drift" if self.has_drift else text
        return f"{text} of logarithms" if self.is_log else text


def search(values: np.ndarray, season: int, progress: Progress) -> Order:
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
            has_drift=d + seasonal_d == 1,
        )  # fmt: skip


def _neighbours(order: Order) -> Iterator[Order]:
    """Yield the orders one step away."""
    if order.d + order.seasonal_d == 1:
        yield replace(order, has_drift=not order.has_drift)
    for field, most in (
        ("p", ORDER_MAX), ("q", ORDER_MAX),
        ("seasonal_p", SEASONAL_ORDER_MAX), ("seasonal_q", SEASONAL_ORDER_MAX),
    ):  # fmt: skip
        if field.startswith("seasonal") and order.season == 1:
            continue
        for change in (-1, 1):
            value = getattr(order, field) + change
            if 0 <= value <= most:
                yield replace(order, **{field: value})


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
        criterion = float(_fit(state_space(scaled, order, is_search=True), _SEARCH_STEPS).aicc)
    except (np.linalg.LinAlgError, ValueError):
        return math.inf
    return criterion if math.isfinite(criterion) else math.inf


def scaled_by(values: np.ndarray, order: Order) -> np.ndarray:
    """Return values as an order models them, in logarithms or as they are."""
    import numpy as np  # noqa: PLC0415

    return np.asarray(np.log(values) if order.is_log else values)


def state_space(scaled: np.ndarray, order: Order, *, is_search: bool = False) -> Any:
    """Return statsmodels' model of values from `scaled_by`; for the search a smaller, coarser one."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX  # noqa: PLC0415

    has_level = order.d + order.seasonal_d == 0 or order.has_drift
    seasonal = (order.seasonal_p, order.seasonal_d, order.seasonal_q, order.season)
    return SARIMAX(
        scaled,
        order=(order.p, order.d, order.q),
        seasonal_order=seasonal if order.season > 1 else (0, 0, 0, 0),
        trend="c" if has_level else None,
        simple_differencing=is_search,  # a smaller state; the values it loses are few
    )


def fitted(values: np.ndarray, order: Order) -> Any:
    """Return statsmodels' results for values, fitted by maximum likelihood."""
    return _fit(state_space(scaled_by(values, order), order), _FIT_STEPS)


def _fit(model: Any, steps: int) -> Any:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # The matrices are small: threads would spend their time on waiting for one another.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # starts that are not stationary are told as warnings
        return model.fit(disp=False, maxiter=steps)
