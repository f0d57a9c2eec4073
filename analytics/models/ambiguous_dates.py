"""Dates that could begin with their day as well as with their month: which of the two they do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pandas import Series

_MONTHS: Final = 12
_EITHER_FIRST: Final = re.compile(r"%[dm]\W%[dm]")
"""How patterns of such dates begin."""


def could_begin_otherwise(pattern: str | None) -> bool:
    """Return whether dates of a pattern, as ``%d/%m/%Y``, begin with their day or their month."""
    return pattern is not None and _EITHER_FIRST.match(pattern) is not None


def more_even(one: Series[Any], other: Series[Any]) -> Series[Any]:
    """Return which of two readings of the same times has the more even steps; the first of equals."""
    return other if _unevenness(other) < _unevenness(one) else one


def day_and_month_swapped(times: Series[Any]) -> Series[Any] | None:
    """Return times with their days as months; None where a day is no month."""
    import pandas as pd  # noqa: PLC0415

    present = times.dropna()
    if not len(present) or (present.dt.day > _MONTHS).any():
        return None
    parts = {"year": times.dt.year, "month": times.dt.day, "day": times.dt.month}
    return pd.to_datetime(parts) + (times - times.dt.normalize())


def _unevenness(times: Series[Any]) -> float:
    """Return the spread of the steps between times over their mean."""
    import numpy as np  # noqa: PLC0415

    steps = np.diff(np.sort(times.dropna().to_numpy("datetime64[ms]").astype("int64")))
    mean = float(steps.mean()) if len(steps) else 0.0
    return float(steps.std() / mean) if mean else 0.0
