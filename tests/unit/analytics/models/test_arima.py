"""ARIMA and what it stands on: series, origins, lines to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.models import arima_order
from analytics.models.arima import Arima
from analytics.models.arima_order import Order
from analytics.models.backtest import Band, backtest, first_origin, naive
from analytics.models.errors import DataRefused
from analytics.models.folder import load_model, save_model
from analytics.models.interface import Request
from analytics.models.series import POINTS_MIN, following, series_of
from analytics.models.tabular import Table, table_of

REQUEST = Request(time="day", target="flow", horizon=7)


def silent(line: str) -> None:
    """Take progress and say nothing."""


def weekly(points: int = 91, *, seed: int = 1) -> Table:
    """Return a daily series with a trend, a week and a little noise."""
    noise = np.random.default_rng(seed).normal(size=points)
    days = pd.date_range("2026-01-01", periods=points, freq="D")
    flow = 100 + 0.2 * np.arange(points) + 10 * (np.arange(points) % 7) + noise
    return table_of(pd.DataFrame({"day": days, "flow": flow}), name="weekly", sha256="00")


@pytest.fixture(scope="module", autouse=True)
def _few_orders() -> Iterator[None]:
    """Search fewer orders: the search is the same, and most of a training's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arima_order, "FITS_MAX", 6)
        yield


@pytest.fixture(scope="module")
def model() -> Arima:
    """A model of `weekly`, learned once."""
    return Arima.fit(weekly(), REQUEST, silent)


def test_a_week_is_found_and_beats_both_lines(model: Arima) -> None:
    """The season comes from the step; the forecasts of held-out days beat naive and seasonal."""
    assert model.document()["season"] == 7
    assert model.document()["step"] == "day"
    assert model.metrics["mae"] < 0.75 * model.metrics["seasonal_naive_mae"]
    assert model.metrics["mae"] < 0.2 * model.metrics["naive_mae"]
    assert 0.6 <= model.metrics["coverage"] <= 1.0
    assert model.metrics["skill"] > 0.25


def test_forecasts_follow_the_series(model: Arima) -> None:
    """Steps go on day by day within their interval; the naive line is the last week again."""
    table = weekly()
    steps = list(model.forecast(10))
    assert [step.step for step in steps] == list(range(1, 11))
    assert steps[0].time == "2026-04-02"
    assert all(step.lower < step.value < step.upper for step in steps)
    assert [step.naive for step in steps[:7]] == list(table.frame.flow[-7:])
    truth = [100 + 0.2 * day + 10 * (day % 7) for day in range(91, 101)]
    assert np.abs(np.array([step.value for step in steps]) - truth).max() < 4


def test_statsmodels_says_the_same(model: Arima) -> None:
    """The judge: SARIMAX of statsmodels with the same order and parameters forecasts the same."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX  # noqa: PLC0415

    state = model.save(Path())
    order = Order(**state["order"])
    judge = SARIMAX(
        weekly().frame.flow.to_numpy(),
        order=(order.p, order.d, order.q),
        seasonal_order=(order.seasonal_p, order.seasonal_d, order.seasonal_q, order.season),
        trend="c" if order.d + order.seasonal_d == 0 or order.has_drift else None,
    ).filter(state["parameters"])
    assert not order.is_log
    assert [step.value for step in model.forecast(5)] == pytest.approx(list(judge.forecast(5)))


def test_a_saved_model_says_the_same(model: Arima, tmp_path: Path) -> None:
    """What is loaded forecasts what was saved, and the same training writes the same bytes."""
    table = weekly()
    save_model(model, REQUEST, table, tmp_path / "a")
    save_model(Arima.fit(table, REQUEST, silent), REQUEST, table, tmp_path / "b")
    loaded = load_model(tmp_path / "a")
    assert isinstance(loaded, Arima)
    assert list(loaded.forecast()) == list(model.forecast())
    one, other = (
        {
            path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert one == other


def test_rows_that_follow_are_foretold_from_those_learned(model: Arima) -> None:
    """Later rows are judged with the learned ones as their past; reasons add up to the score."""
    longer = weekly(111)
    later = table_of(longer.frame.iloc[91:], name="later", sha256="00")
    predictions = list(model.predict(later))
    assert [each.row for each in predictions] == list(range(1, 21))
    errors = [each.score - value for each, value in zip(predictions, later.frame.flow, strict=True)]
    assert np.abs(errors).mean() < 2.5
    for each in predictions:
        assert sum(reason.contribution for reason in each.reasons) == pytest.approx(each.score)
        assert each.reasons[0].feature == "last season"
    assert model.evaluate(later)["mae"] < 3


def test_a_spread_that_grows_with_the_level_is_modelled_in_logarithms() -> None:
    """Growth by a share of the level, with a week that grows alike, asks for logarithms."""
    chance = np.random.default_rng(2)
    level = np.exp(0.02 * np.arange(84) + 0.3 * (np.arange(84) % 7) / 7)
    flow = 50 * level * np.exp(0.02 * chance.normal(size=84))
    days = pd.date_range("2026-01-01", periods=84, freq="D")
    table = table_of(pd.DataFrame({"day": days, "flow": flow}), name="growth", sha256="00")
    trained = Arima.fit(table, REQUEST, silent)
    assert "logarithms" in trained.document()["order"]
    assert trained.metrics["skill"] > 0.3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda frame: frame.drop(columns="flow"), "missing_column"),
        (lambda frame: frame.drop(columns="day"), "missing_column"),
        (lambda frame: frame.assign(flow="many"), "wrong_type"),
        (lambda frame: frame.assign(day="once"), "wrong_type"),
        (lambda frame: frame.assign(flow=5.0), "constant_target"),
        (lambda frame: frame.assign(flow=frame.flow.mask(frame.index == 3)), "missing_values"),
        (lambda frame: frame.assign(flow=frame.flow.mask(frame.index == 3, np.inf)),
         "infinite_values"),
        (lambda frame: frame.head(POINTS_MIN - 1), "too_few_rows"),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "repeated_times"),
    ],
)  # fmt: skip
def test_unusable_series_are_refused(change, code: str) -> None:  # type: ignore[no-untyped-def]
    """Each fault of a series has a code of its own, and no row is dropped to get around it."""
    table = table_of(change(weekly().frame), name="bad", sha256="00")
    with pytest.raises(DataRefused) as refused:
        series_of(table, REQUEST)
    assert refused.value.code == code


def test_a_horizon_beyond_the_half_is_refused() -> None:
    """Forecasts of more steps than half of the values could not be judged."""
    with pytest.raises(DataRefused) as refused:
        first_origin(100, 60)
    assert refused.value.code == "horizon_too_long"
    assert first_origin(100, 50) == 50
    assert first_origin(100, 5) == 80


def test_order_of_rows_does_not_matter() -> None:
    """Rows are put in order of time."""
    table = weekly()
    mixed = table.take(np.random.default_rng(0).permutation(len(table)))
    assert list(series_of(mixed, REQUEST).values) == list(series_of(table, REQUEST).values)


@pytest.mark.parametrize(
    ("times", "step", "season", "next_time"),
    [
        (pd.date_range("2026-01-01", periods=40, freq="h"), "hour", 24, "2026-01-02T16:00:00"),
        (pd.bdate_range("2026-01-01", periods=40), "working day", 5, "2026-02-26"),
        (pd.date_range("2026-01-01", periods=40, freq="W"), "week", 52, "2026-10-11"),
        (pd.date_range("2020-01-01", periods=40, freq="MS"), "month", 12, "2023-05-01"),
        (pd.date_range("2020-01-31", periods=40, freq="ME"), "month", 12, "2023-05-31"),
        (pd.date_range("2000-01-01", periods=40, freq="QS"), "quarter", 4, "2010-01-01"),
        (pd.date_range("1960-01-01", periods=40, freq="YS"), "year", 1, "2000-01-01"),
        (pd.date_range("2026-01-01", periods=40, freq="90s"), "90 s", 1, "2026-01-01T01:00:00"),
    ],
)
def test_steps_and_seasons(times: pd.DatetimeIndex, step: str, season: int, next_time: str) -> None:
    """The step is told by the distances of the rows; the calendar continues it."""
    frame = pd.DataFrame({"day": times, "flow": np.arange(40.0)})
    series = series_of(table_of(frame, name="steps", sha256="00"), REQUEST)
    assert (series.step, series.season) == (step, season)
    assert following(series.times[-1], series.step, 1) == [next_time]


def test_years_and_words_are_times() -> None:
    """Whole years and dates as text make times too."""
    for days in (range(1960, 2000), [f"{1960 + year}-07-01" for year in range(40)]):
        frame = pd.DataFrame({"day": list(days), "flow": np.arange(40.0)})
        assert series_of(table_of(frame, name="years", sha256="00"), REQUEST).step == "year"


def test_an_origin_knows_what_came_before_it_alone() -> None:
    """The forecaster is given origins in order, and a perfect one has no error."""
    values = np.arange(50.0)
    asked = []

    def oracle(origin: int, steps: int) -> Band:
        asked.append(origin)
        ahead = values[origin : origin + steps]
        return Band(ahead, ahead - 1, ahead + 1)

    measures = backtest(values, first=40, horizon=3, season=1, forecast=oracle)
    assert asked == list(range(40, 48))
    assert measures["mae"] == 0.0
    assert measures["coverage"] == 1.0
    assert measures["naive_mae"] == 2.0
    assert measures["skill"] == 1.0


def test_the_naive_line_repeats_the_season() -> None:
    """Longer horizons begin the season again."""
    assert list(naive(np.arange(10.0), 5, 3)) == [7, 8, 9, 7, 8]
    assert list(naive(np.arange(10.0), 3, 1)) == [9, 9, 9]
