"""A column in time as a series: its values in order, its step, its season."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analytics.models.columns import numbers_of
from analytics.models.errors import DataRefused
from analytics.models.interface import Prediction, Request
from analytics.models.tabular import Table, refuse_rows
from analytics.models.times import counts_steps, later_last, times_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from pandas import DateOffset, DatetimeIndex

POINTS_MIN: Final = 30
"""Fewest values of a series that anything is learned from."""
_STEPS: Final = (
    # name, days of a step from and to, steps of a season
    ("hour", 1 / 24, 1 / 24, 24),
    ("day", 1.0, 1.0, 7),
    ("week", 7.0, 7.0, 52),
    ("month", 28.0, 31.0, 12),
    ("quarter", 89.0, 92.0, 4),
    ("year", 365.0, 366.0, 1),
)
"""Calendar steps by the median distance of two rows."""
_PERIODS: Final = {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
"""Steps of the calendar as pandas calls them."""
_UNEVEN_SHARE: Final = 0.1
"""Departure of a step from the median one, as a share of it, from which it is uneven."""
_HOLIDAY_SHARE: Final = 0.06
"""Share of working days that holidays may be."""
_SEASONS_MIN: Final = 3
"""Blocks that must be there for their spread to be compared."""
_BLOCK: Final = 20
"""Values of a block whose spread and level are compared, without a season."""
_LOG_SLOPE_MIN: Final = 0.5
"""Slope of spread over level, both in logarithms, from which logarithms are modelled."""
_LOG_LEVELS_MIN: Final = 0.2
"""Least range of the blocks' levels, in logarithms, for their spread to be compared: of a level that
hardly moves the slope is chance."""
_DAY_S: Final = 86_400.0
_NUMBER: Final = "number "
"""Begins the name of a step between numbers that only count."""
_FRIDAY: Final = 4
_SHARE_OF_A_DAY: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values in order of time, at steps of one length."""

    name: str
    """The column."""
    times: DatetimeIndex
    """Time of each value, rising, without a zone (UTC)."""
    values: np.ndarray
    """The values, float64 of shape (points,)."""
    step: str
    """``hour``, ``day``, ``working day``, ``week``, ``month``, ``quarter``, ``year``, the median
    distance as ``SECONDS s``, or of numbers that only count as ``number DISTANCE``."""
    season: int
    """Steps of the season that such a step suggests; 1 without one."""

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def following(self, steps: int) -> list[str]:
        """Return the times of the steps after the last, ISO 8601."""
        return following(self.times[-1], self.step, steps)

    def then(self, later: Series) -> Series:
        """Return a series of these values and later ones, with this one's step and season."""
        import numpy as np  # noqa: PLC0415

        return Series(
            name=self.name,
            times=self.times.append(later.times),
            values=np.concatenate([self.values, later.values]),
            step=self.step,
            season=self.season,
        )


def series_of(table: Table, request: Request, *, points_min: int = POINTS_MIN) -> Series:
    """Return the series of a request's target over its time column, in order of time.

    Where it continues another one, fewer values will do.

    Raises: DataRefused (``missing_column``, ``wrong_type``, ``missing_values``,
    ``infinite_values``, ``repeated_times``, ``too_few_rows``, ``constant_target``).
    """
    import numpy as np  # noqa: PLC0415

    if request.time is None or request.target is None:
        raise DataRefused("missing_option", "a series needs --time COLUMN and --target COLUMN")
    times = times_of(table, request.time)
    values = numbers_of(table, request.target, asked_by="--target")
    order = np.asarray(times.argsort(kind="stable"))
    times, values = times[order], values[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order] = times.duplicated()
    what = f"{request.time!r} repeats a time: one value a time makes a series; such are"
    refuse_rows("repeated_times", what, repeated)
    if len(values) < points_min:
        detail = f"{len(values)} rows; a series needs at least {points_min}"
        raise DataRefused("too_few_rows", detail, rows=len(values))
    if points_min == POINTS_MIN and np.ptp(values) == 0:
        detail = f"{request.target!r} is {values[0]:g} in every row: there is nothing to forecast"
        raise DataRefused("constant_target", detail, column=request.target)
    step, season = _step(times, is_counted=counts_steps(table, request.time))
    return Series(name=request.target, times=times, values=values, step=step, season=season)


def uneven_steps(series: Series) -> str | None:
    """Return in words how far the rows are from even steps; None where they are even.

    A row that is missing moves what comes before it by a step; holidays among working days are usual.
    """
    import numpy as np  # noqa: PLC0415

    if series.step in _PERIODS:
        places = np.asarray(series.times.to_period(_PERIODS[series.step]).asi8)
    elif series.step == "working day":
        days = series.times.to_numpy("datetime64[D]")
        places = np.busday_count(days[0], days)
    else:
        places = np.asarray(series.times.as_unit("ms").asi8, dtype=np.float64)
        places = (places - places[0]) / np.median(np.diff(places))
        uneven = float((np.abs(np.diff(places) - 1) > _UNEVEN_SHARE).mean())
        text = f"{uneven:.0%} of the steps between rows are not near {series.step}"
        return f"{text}: they count as even" if uneven > 0 else None
    missing = int(places[-1] - places[0]) + 1 - len(series)
    usual = _HOLIDAY_SHARE * len(series) if series.step == "working day" else 0
    if missing <= usual:
        return None
    return f"no rows for {missing} of {len(series) + missing} {series.step}s: steps count as even"


def in_file_order(
    table: Table, time: str, predictions: Iterator[Prediction]
) -> Iterator[Prediction]:
    """Yield predictions of a table's rows, made in order of time, in the order of the file."""
    import numpy as np  # noqa: PLC0415

    order = later_last(table, time)
    if (np.diff(order) > 0).all():
        yield from predictions
        return
    placed = zip(order.tolist(), predictions, strict=True)
    for row, prediction in sorted(placed, key=lambda each: each[0]):
        yield replace(prediction, row=row + 1)


def following(last: Any, step: str, steps: int) -> list[str]:
    """Return the times of the steps after a time, ISO 8601: a day without hours where none is.

    Of numbers that only count they are numbers.
    """
    import pandas as pd  # noqa: PLC0415

    start = pd.Timestamp(last)
    if step.startswith(_NUMBER):
        count, distance = start.timestamp(), float(step.removeprefix(_NUMBER))
        return [f"{count + number * distance:.12g}" for number in range(1, steps + 1)]
    times = [start + number * _offset(step, start) for number in range(1, steps + 1)]
    has_hours = step == "hour" or step.endswith(" s") or start != start.normalize()
    return [time.isoformat() if has_hours else time.date().isoformat() for time in times]


def phases(series: Series) -> np.ndarray:
    """Return each value's place in the season by the calendar, whole numbers of shape (points,).

    A day that is missing does not move those after it.
    """
    import numpy as np  # noqa: PLC0415

    times = series.times
    places: dict[str, Any] = {
        "hour": times.hour,
        "day": times.day_of_week,
        "working day": times.day_of_week,
        "week": (times.day_of_year - 1) // 7,
        "month": times.month - 1,
        "quarter": times.quarter - 1,
    }
    return np.asarray(places.get(series.step, np.zeros(len(series))), dtype=np.intp)


def grows_with_level(values: np.ndarray, season: int) -> bool:
    """Return whether a series of positive values varies in proportion to its level.

    Bartlett's slope: of the logarithm of the spread in blocks over that of their level; 1 is what
    a logarithm makes steady, 0 needs none.
    """
    import numpy as np  # noqa: PLC0415

    if (values <= 0).any():
        return False
    length = max(season, _BLOCK) if season == 1 else season
    blocks = values[len(values) % length :].reshape(-1, length)
    spread = (np.diff(blocks, axis=1) if season == 1 else blocks).std(axis=1)
    level = np.log(blocks.mean(axis=1))
    if len(blocks) < _SEASONS_MIN or (spread == 0).any() or np.ptp(level) < _LOG_LEVELS_MIN:
        return False
    return bool(np.polyfit(level, np.log(spread), 1)[0] > _LOG_SLOPE_MIN)


def as_document(series: Series) -> Mapping[str, Any]:
    """Return a series as JSON values, exact."""
    return {
        "name": series.name,
        "times_ms": [int(time) for time in series.times.as_unit("ms").asi8],
        "values": [float(value) for value in series.values],
        "step": series.step,
        "season": series.season,
    }


def from_document(document: Mapping[str, Any]) -> Series:
    """Return the series that `as_document` wrote."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    return Series(
        name=document["name"],
        times=pd.DatetimeIndex(np.array(document["times_ms"], dtype="datetime64[ms]")),
        values=np.array(document["values"], dtype=np.float64),
        step=document["step"],
        season=document["season"],
    )


def _step(times: DatetimeIndex, *, is_counted: bool) -> tuple[str, int]:
    """Return the step's name and its season, by the median distance and by weekends."""
    import numpy as np  # noqa: PLC0415

    distances = np.diff(times.as_unit("ms").asi8)
    seconds = float(np.median(distances)) / 1_000 if len(distances) else 0.0
    days = seconds / _DAY_S
    if is_counted:
        return f"{_NUMBER}{seconds:g}", 1
    for name, first, last, season in _STEPS:
        if first - _SHARE_OF_A_DAY <= days <= last + _SHARE_OF_A_DAY:
            if name == "day" and bool((times.day_of_week <= _FRIDAY).all()):
                return "working day", 5
            return name, season
    return f"{seconds:g} s", 1


def _offset(step: str, start: Any) -> DateOffset:
    import pandas as pd  # noqa: PLC0415

    is_month_end = bool(start.is_month_end) and start.day != 28
    offsets: dict[str, Any] = {
        "hour": pd.Timedelta(hours=1),
        "day": pd.Timedelta(days=1),
        "working day": pd.offsets.BusinessDay(),
        "week": pd.Timedelta(weeks=1),
        "month": pd.offsets.MonthEnd() if is_month_end else pd.DateOffset(months=1),
        "quarter": pd.offsets.MonthEnd(3) if is_month_end else pd.DateOffset(months=3),
        "year": pd.DateOffset(years=1),
    }
    return offsets.get(step) or pd.Timedelta(seconds=float(step.removesuffix(" s")))
