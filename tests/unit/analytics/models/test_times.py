"""Times as people write them: every way gives the dates that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.models.errors import DataRefused
from analytics.models.interface import Prediction, Request
from analytics.models.series import in_file_order, series_of, uneven_steps
from analytics.models.splitting import split_rows
from analytics.models.tabular import Table, read_table, table_of
from analytics.models.times import counts_steps, times_of

MONTHS = pd.date_range("2019-01-01", periods=24, freq="MS")
QUARTERS = pd.date_range("2001-01-01", periods=24, freq="QS")
DAYS = pd.date_range("2020-01-01", periods=28, freq="D")
HOURS = pd.date_range("2020-01-01", periods=40, freq="h")


def table(column: Sequence[Any] | np.ndarray | pd.Series) -> Table:
    """Return a table of times and values."""
    frame = pd.DataFrame({"when": column, "flow": np.arange(len(column)) % 5})
    return table_of(frame, name="times", sha256="00")


@pytest.mark.parametrize(
    ("column", "dates"),
    [
        ([f"{d:%b %Y}" for d in MONTHS], MONTHS),
        ([f"{d:%b-%y}" for d in MONTHS], MONTHS),
        ([f"{d:%Y-%m}" for d in MONTHS], MONTHS),
        ([f"{d:%Y}M{d:%m}" for d in MONTHS], MONTHS),
        ([f"{d.year}年{d.month}月" for d in MONTHS], MONTHS),
        ([f"{d.year}年{d.month}月{d.day}日" for d in DAYS], DAYS),
        ([f"{d.year}Q{d.quarter}" for d in QUARTERS], QUARTERS),
        ([f"Q{d.quarter} {d.year}" for d in QUARTERS], QUARTERS),
        ([f"{d.year}年第{d.quarter}季度" for d in QUARTERS], QUARTERS),
        ([f"{d:%G}-W{d:%V}" for d in DAYS[5::7]], DAYS[5::7]),
        ([f"{d:%d/%m/%Y}" for d in DAYS], DAYS),
        ([f"{d:%m/%d/%Y}" for d in MONTHS], MONTHS),
        ([f"{d:%d/%m/%Y}" for d in MONTHS], MONTHS),
        ([f"{d:%d.%m.%Y %H:%M}" for d in HOURS], HOURS),
        ([f"{d:%Y-%m-%dT%H:%M:%S}+08:00" for d in HOURS], HOURS - pd.Timedelta(hours=8)),
        ([int(f"{d:%Y%m%d}") for d in DAYS], DAYS),
        ([int(f"{d:%Y%m}") for d in MONTHS], MONTHS),
        ([int(d.timestamp()) for d in HOURS], HOURS),
        ([int(d.timestamp()) * 1_000 for d in HOURS], HOURS),
        (np.arange(1700, 1740), pd.date_range("1700-01-01", periods=40, freq="YS", unit="s")),
        (np.arange(1700.0, 1740.0), pd.date_range("1700-01-01", periods=40, freq="YS", unit="s")),
        (np.round(2019 + np.arange(24) / 12, 3), MONTHS),
        (np.round(2019 + (np.arange(24) + 0.5) / 12, 4), MONTHS),
        (2001 + np.arange(24) / 4, QUARTERS),
    ],
)
def test_times_are_read_as_people_write_them(column: Any, dates: pd.DatetimeIndex) -> None:
    """Months, quarters, weeks, days and hours in words, in Chinese, and as numbers."""
    assert list(times_of(table(column), "when")) == list(dates)
    assert not counts_steps(table(column), "when")


@pytest.mark.parametrize(
    ("column", "following"),
    [
        (np.arange(40), ["40", "41"]),
        (np.arange(-20, 20), ["20", "21"]),
        (np.arange(1, 201, 5), ["201", "206"]),
        (np.arange(40) / 2, ["20", "20.5"]),
    ],
)
def test_numbers_that_only_count_go_on_counting(column: np.ndarray, following: list[str]) -> None:
    """Row numbers are no years: a forecast goes on with the numbers that come next."""
    series = series_of(table(column), Request(time="when", target="flow"))
    assert series.season == 1
    assert series.following(2) == following


@pytest.mark.parametrize("column", [["soon"] * 40, [True, False] * 20, [np.inf] * 40])
def test_what_is_no_time_is_refused(column: list[Any]) -> None:
    """Words without a date, truth values and infinities name their rows."""
    with pytest.raises(DataRefused, match="in rows 1, 2, 3") as refused:
        times_of(table(column), "when")
    assert refused.value.code == "wrong_type"


def test_a_file_with_the_month_first_keeps_its_months(tmp_path: Path) -> None:
    """Where every date of a file could be read both ways, the even steps tell which it is."""
    rows = "".join(f"{day:%m/%d/%Y},{day.month}\n" for day in MONTHS)
    (tmp_path / "months.csv").write_text("when,flow\n" + rows)
    assert list(times_of(read_table(tmp_path / "months.csv"), "when")) == list(MONTHS)


def test_months_in_words_are_held_out_by_time() -> None:
    """The latest rows judge, though their months come earlier in the alphabet."""
    words = table([f"{day:%b %Y}" for day in MONTHS])
    split = split_rows(words, Request(time="when"), None)
    assert split.test.tolist() == list(range(19, 24))


def test_predictions_come_in_the_order_of_the_file() -> None:
    """A row's number is its place in the file, however the rows lie in time."""
    rows = table([f"{day:%Y-%m-%d}" for day in DAYS[:3][::-1]])
    said = (Prediction(row=n + 1, prediction=n, score=n, reasons=()) for n in range(3))
    placed = [(each.row, each.score) for each in in_file_order(rows, "when", said)]
    assert placed == [(1, 2), (2, 1), (3, 0)]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (MONTHS, None),
        (MONTHS.delete([3, 9]), "no rows for 2 of 24 months: steps count as even"),
        (QUARTERS.delete([5]), "no rows for 1 of 24 quarters"),
        (HOURS.delete([5]), "no rows for 1 of 40 hours"),
        (pd.date_range("2024-01-01", periods=40, freq="W-TUE").delete([4]), "1 of 40 weeks"),
        (pd.bdate_range("2024-01-01", periods=60).delete([9]), None),
        (pd.bdate_range("2024-01-01", periods=60).delete(range(9, 19)), "10 of 60 working days"),
        (pd.date_range("2024-01-01", periods=40, freq="10min"), None),
        (pd.date_range("2024-01-01", periods=40, freq="10min").delete([3]), "3% of the steps"),
        (np.delete(np.arange(40), [3, 4]), "3% of the steps between rows are not near number 1"),
    ],
)
def test_rows_that_are_missing_are_told(column: Any, told: str | None) -> None:
    """A gap moves the season of all before it, so it is not passed over; holidays are usual."""
    series = series_of(table(column), Request(time="when", target="flow"), points_min=1)
    found = uneven_steps(series)
    assert found is None if told is None else told in str(found)
