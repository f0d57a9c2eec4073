"""Columns of times as people write them: dates, months, quarters, years, seconds of a clock, numbers.

A column is read in one way throughout: a date that could begin with its day or with its month is read as
the whole column allows, and where both are allowed as the reading with the more even steps.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Final

from analytics.models.ambiguous_dates import more_even
from analytics.models.tabular import Table, refuse_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from pandas import DatetimeIndex, Series

_YEARS: Final = (1_000, 3_000)
"""Numbers from the first up to the second are years, with parts of years behind the point."""
_EPOCHS: Final = (("s", 1e8), ("ms", 1e11), ("us", 1e14), ("ns", 1e17))
"""Least size of a number of such units since 1970; the next unit's is the end."""
_EPOCH_MAX: Final = 1e20
_DIGITS: Final = (("%Y%m%d", 8), ("%Y%m", 6))
"""Dates written as one number, and their digits."""
_REWRITTEN: Final = (
    (re.compile(r"(\d{4})[\s\-./:]?[Mm](\d{1,2})"), r"\1-\2-01"),
    (re.compile(r"(\d{4})年(\d{1,2})月"), r"\1-\2-01"),
    (re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})[日号]"), r"\1-\2-\3"),
    (re.compile(r"(\d{4})[\s\-./:]?[Qq]([1-4])"), r"\1Q\2"),
    (re.compile(r"[Qq]([1-4])[\s\-./:]?(\d{4})"), r"\2Q\1"),
    (re.compile(r"(\d{4})年第?([1-4])季度?"), r"\1Q\2"),
)
"""Months, days and quarters as they are written, and as pandas reads them."""
_FORMATS: Final = (
    (re.compile(r"(\d{4})-?[Ww](\d{1,2})"), r"\1-\2-1", "%G-%V-%u"),
    (re.compile(r"([A-Za-z]{3})[\s\-']+(\d{2})"), r"\1-\2", "%b-%y"),
)
"""Weeks by their Mondays, and months with two digits of their year, as spreadsheets write them."""
_MONTHS: Final = 12
_STEP_SHARE: Final = 0.05
"""Departure from an even step, as a share of it, that parts of years have by rounding."""


def times_of(table: Table, name: str) -> DatetimeIndex:
    """Return a column as times, without a zone (UTC).

    Numbers are years, dates (``20260131``, ``202601``) or units since 1970 by their size. Others only
    count (`counts_steps`): they become as many seconds from 1970 on.

    Raises: DataRefused (``missing_column``, ``wrong_type``, ``missing_values``).
    """
    import pandas as pd  # noqa: PLC0415
    from pandas.api import types  # noqa: PLC0415

    values = table.column(name, asked_by="--time")
    refuse_rows("missing_values", f"{name!r} has no value", values.isna().to_numpy())
    if types.is_datetime64_any_dtype(values):
        times = values
    elif types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        times = _of_numbers(values, name)
    else:
        times = _of_words(values.astype(str).str.strip())
    what = f"{name!r} is no time, as 2026-01-31 and 2026-01-31T12:00:00 are,"
    refuse_rows("wrong_type", what, times.isna().to_numpy())
    return pd.DatetimeIndex(times.astype("datetime64[ms]"))


def counts_steps(table: Table, name: str) -> bool:
    """Return whether a column of times holds numbers that are no dates and only count."""
    from pandas.api import types  # noqa: PLC0415

    values = table.column(name, asked_by="--time")
    if types.is_bool_dtype(values) or not types.is_numeric_dtype(values):
        return False
    return _reading(values.to_numpy(dtype="float64")) is None


def later_last(table: Table, name: str) -> np.ndarray:
    """Return the places of a table's rows in order of a column of times, the earliest first.

    Raises: DataRefused as `times_of`.
    """
    import numpy as np  # noqa: PLC0415

    return np.asarray(times_of(table, name).argsort(kind="stable"))


def _of_numbers(values: Series[Any], name: str) -> Series[Any]:
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    numbers = values.to_numpy(dtype="float64")
    refuse_rows("wrong_type", f"{name!r} is infinite", np.isinf(numbers))
    read = _reading(numbers)
    if read is not None:
        return read(values)
    milliseconds = np.round(numbers * 1_000)
    return pd.Series(milliseconds.astype("int64").astype("datetime64[ms]"), index=values.index)


def _reading(numbers: np.ndarray) -> Callable[[Series[Any]], Series[Any]] | None:
    """Return how numbers are read as dates; None where they only count."""
    import pandas as pd  # noqa: PLC0415

    least, most = float(numbers.min()), float(numbers.max())
    if _YEARS[0] <= least and most < _YEARS[1]:
        return _of_years
    if (numbers != numbers.round()).any():
        return None
    for pattern, digits in _DIGITS:
        if 10 ** (digits - 1) <= least and most < _YEARS[1] * 10 ** (digits - 4):
            words = pd.Series(numbers).astype("int64").astype(str)
            if pd.to_datetime(words, format=pattern, errors="coerce").notna().all():
                return lambda values: pd.to_datetime(
                    values.astype("int64").astype(str), format=pattern
                )
    ends = [*(start for _, start in _EPOCHS[1:]), _EPOCH_MAX]
    for (unit, start), end in zip(_EPOCHS, ends, strict=True):
        if start <= least and most < end:
            return lambda values: pd.to_datetime(values.astype("int64"), unit=unit)
    return None


def _of_years(values: Series[Any]) -> Series[Any]:
    """Return years as their first days, and parts of them as months, quarters or else days."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    numbers = values.to_numpy(dtype="float64")
    years = np.floor(numbers + 1e-6)
    parts = np.clip(numbers - years, 0.0, 1.0)
    first = pd.to_datetime(pd.Series(years.astype(int)).astype(str), format="%Y")
    if not (parts > 1e-5).any():
        return first.set_axis(values.index)
    step = float(np.median(np.diff(np.sort(numbers)))) * _MONTHS
    months = round(step)
    if months in {1, 2, 3, 4, 6} and abs(step - months) < _STEP_SHARE * months:
        # A month is told by its beginning (1949.083) or by its middle (1958.208).
        month = np.clip(np.floor(parts * _MONTHS + 0.1), 0, _MONTHS - 1).astype(int) + 1
        dates = pd.to_datetime({"year": years.astype(int), "month": month, "day": 1})
    else:
        days = np.round(parts * np.where(first.dt.is_leap_year, 366, 365))
        dates = first + pd.to_timedelta(days, unit="D")
    return dates.set_axis(values.index)


def _of_words(words: Series[Any]) -> Series[Any]:
    """Return words as times; NaT where none of the ways of writing that is tried fits all words."""
    import pandas as pd  # noqa: PLC0415

    for pattern, plain in _REWRITTEN:
        if words.str.fullmatch(pattern).all():
            words = words.str.replace(pattern, plain, regex=True)
            break
    for pattern, plain, form in _FORMATS:
        if words.str.fullmatch(pattern).all():
            words = words.str.replace(pattern, plain, regex=True)
            return pd.to_datetime(words, format=form, errors="coerce")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a way of writing is not obvious
        readings = [
            pd.to_datetime(words, utc=True, errors="coerce", dayfirst=is_day_first)
            for is_day_first in (False, True)
        ]
        whole = [times for times in readings if times.notna().all()]
        if len(whole) == len(readings):
            times = more_even(*whole)
        elif whole:
            times = whole[0]
        else:
            times = pd.to_datetime(words, utc=True, errors="coerce", format="ISO8601")
    return times.dt.tz_localize(None)
