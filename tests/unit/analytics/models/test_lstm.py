"""The LSTM of series in time: bands of all steps, learned and scaled by the past alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.models import lstm_training
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.folder import load_model
from analytics.models.interface import Request
from analytics.models.lstm import LSTM
from analytics.models.lstm_training import Plan
from analytics.models.network_training import Schedule
from analytics.models.tabular import Table, table_of
from tests.unit.analytics.models.tables import SHA256, contents, saved, silent

REQUEST = Request(time="day", target="flow", horizon=4)


def wave(points: int = 160, *, seed: int = 1) -> Table:
    """Return a daily series that swings in 16 days, what leads it by a day, and a little noise."""
    chance = np.random.default_rng(seed)
    turns = np.arange(points + 1) * 2 * np.pi / 16
    swing = 10 * np.sin(turns) + 0.3 * chance.normal(size=points + 1)
    days = pd.date_range("2026-01-01", periods=points, freq="36h")
    frame = pd.DataFrame({"day": days, "flow": 100 + swing[:-1], "lead": 3 * swing[1:]})
    return table_of(frame, name="wave", sha256=SHA256)


@pytest.fixture(scope="module", autouse=True)
def _few_epochs() -> Iterator[None]:
    """Train for fewer epochs at a higher rate: these series are short."""
    short = Schedule(epochs_max=12, patience_epochs=3, slower_epochs=3, batch_rows=16, rate=0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lstm_training, "SCHEDULE", short)
        yield


@pytest.fixture(scope="module")
def model() -> LSTM:
    """A model of `wave`, learned once."""
    return LSTM.fit(wave(), REQUEST, silent)


def test_a_swing_is_learned_and_beats_the_line(model: LSTM) -> None:
    """Held-out steps are foretold better than by the last value, and bands hold most of them."""
    assert model.metrics["mae"] < 0.5 * model.metrics["naive_mae"]
    assert model.metrics["skill"] > 0.5
    assert 0.5 <= model.metrics["coverage"] <= 1.0
    assert model.split["test"] == 32
    assert model.document()["step"] == "129600 s"
    assert model.explain()[0].feature == "flow"


def test_bands_follow_the_series_and_never_cross(model: LSTM) -> None:
    """Each step has its time and its band in order; the line is the last value; no step more."""
    steps = list(model.forecast())
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert all(step.lower < step.value < step.upper for step in steps)
    assert {step.naive for step in steps} == {wave().frame.flow.iloc[-1]}
    assert steps[0].time == "2026-08-29T00:00:00"
    assert list(model.forecast(2)) == steps[:2]
    with pytest.raises(DataRefused) as refused:
        next(model.forecast(5))
    assert refused.value.code == "horizon_too_long"


def test_the_same_seed_gives_the_same_folder(model: LSTM, tmp_path: Path) -> None:
    """Every byte comes back with the seed, and the folder says what the model said."""
    rows = wave()
    one = saved(model, REQUEST, rows, tmp_path / "a")
    other = saved(LSTM.fit(rows, REQUEST, silent), REQUEST, rows, tmp_path / "b")
    assert contents(one) == contents(other)
    assert "network.safetensors" in contents(one)
    loaded = load_model(one)
    assert isinstance(loaded, LSTM)
    assert list(loaded.forecast()) == list(model.forecast())
    assert list(loaded.predict(rows)) == list(model.predict(rows))
    assert (loaded.metrics, loaded.explain()) == (model.metrics, model.explain())
    assert loaded.document() == model.document()


def test_a_folder_that_was_changed_is_refused(model: LSTM, tmp_path: Path) -> None:
    """Weights of another training do not pass for those of this one."""
    folder = saved(model, REQUEST, wave(), tmp_path / "a")
    weights = folder / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelUnusable) as refused:
        load_model(folder)
    assert refused.value.code == "model_corrupt"


def test_the_future_changes_no_earlier_forecast(
    monkeypatch: pytest.MonkeyPatch, model: LSTM
) -> None:
    """Values that judge reach neither weights nor units: with others, the judged bands stay.

    The bands at the first origin of the test are taken while a training measures, once with the
    true end of the series and once with one a thousand times as high.
    """
    seen: list[list[list[float]]] = []
    measure = LSTM._measure

    def kept(self: LSTM, panel: object, first: int) -> object:
        band = self._band(panel, np.array([first]))  # type: ignore[arg-type]
        seen.append([list(part[0]) for part in (band.value, band.lower, band.upper)])
        return measure(self, panel, first)  # type: ignore[arg-type]

    monkeypatch.setattr(LSTM, "_measure", kept)
    rows = wave()
    changed = rows.frame.copy()
    changed.loc[changed.index >= 128, "flow"] *= 1_000
    found = (
        LSTM.fit(rows, REQUEST, silent),
        LSTM.fit(table_of(changed, name="wave", sha256=SHA256), REQUEST, silent),
    )
    assert seen[0] == seen[1]
    assert found[0].metrics == model.metrics
    assert found[1].metrics["mae"] > 100 * found[0].metrics["mae"]


def test_rows_that_follow_are_foretold_from_those_learned(model: LSTM) -> None:
    """Later rows have the learned ones as their past; reasons add up to the score exactly."""
    longer = wave(200)
    later = table_of(longer.frame.iloc[160:], name="later", sha256=SHA256)
    said = list(model.predict(later))
    assert [each.row for each in said] == list(range(1, 41))
    errors = [each.score - came for each, came in zip(said, later.frame.flow, strict=True)]
    naive = np.abs(np.diff(later.frame.flow)).mean()
    assert np.abs(errors).mean() < 0.6 * naive
    for each in said:
        assert sum(reason.contribution for reason in each.reasons) == pytest.approx(each.score)
        assert [each.reasons[0].feature, each.score] == ["last value", each.prediction]
    assert model.evaluate(later)["skill"] > 0.4
    assert model.evaluate(longer)["origins"] == 97
    whole = list(model.predict(longer))
    assert len(whole) == 200
    assert whole[1].score == longer.frame.flow[0]  # too little before it: the line alone


def test_columns_beside_the_series_are_learned_from(tmp_path: Path) -> None:
    """What leads the series is looked at when it is named, has reasons, and is asked for again."""
    request = replace(REQUEST, features=("lead",), horizon=1)
    trained = LSTM.fit(wave(), request, silent)
    assert [column.name for column in trained.features] == ["flow", "lead"]
    assert {each.feature for each in trained.explain()} == {"(drift)", "flow", "lead"}
    loaded = load_model(saved(trained, request, wave(), tmp_path / "a"))
    [last] = list(loaded.predict(wave()))[-1:]
    assert "lead" in {reason.feature for reason in last.reasons}
    with pytest.raises(DataRefused) as refused:
        list(loaded.predict(table_of(wave().frame[["day", "flow"]], name="n", sha256=SHA256)))
    assert refused.value.code == "missing_column"


def test_a_price_is_scaled_by_its_growth() -> None:
    """A series that grows by shares is modelled in logarithms; its bands stay above nothing."""
    chance = np.random.default_rng(2)
    flow = np.exp(np.cumsum(0.01 + 0.05 * chance.normal(size=160)))
    days = pd.date_range("2026-01-01", periods=160, freq="36h")
    rows = table_of(pd.DataFrame({"day": days, "flow": flow}), name="p", sha256=SHA256)
    trained = LSTM.fit(rows, REQUEST, silent)
    assert trained.document()["is_log"] is True
    for each in list(trained.predict(rows))[-20:]:
        assert sum(reason.contribution for reason in each.reasons) == pytest.approx(each.score)
    assert all(0 < step.lower < step.value < step.upper for step in trained.forecast())


@pytest.mark.parametrize(
    ("change", "options", "code"),
    [
        (lambda frame: frame.drop(columns="flow"), {}, "missing_column"),
        (lambda frame: frame.assign(flow="many"), {}, "wrong_type"),
        (lambda frame: frame.assign(flow=5.0), {}, "constant_target"),
        (lambda frame: frame.assign(flow=frame.flow.mask(frame.index == 3)), {}, "missing_values"),
        (lambda frame: frame.assign(flow=frame.flow.mask(frame.index == 3, np.inf)), {},
         "infinite_values"),
        (lambda frame: frame.head(60), {}, "too_few_rows"),
        (lambda frame: frame, {"horizon": 90}, "horizon_too_long"),
        (lambda frame: frame, {"features": ("flow",)}, "target_as_feature"),
        (lambda frame: frame, {"features": tuple("abcdefghi")}, "too_many_features"),
        (lambda frame: frame.assign(lead=np.inf), {"features": ("lead",)}, "infinite_values"),
    ],
)  # fmt: skip
def test_unusable_series_are_refused(change, options, code: str) -> None:  # type: ignore[no-untyped-def]
    """Each fault has its code before anything is trained."""
    rows = table_of(change(wave().frame), name="bad", sha256=SHA256)
    with pytest.raises(DataRefused) as refused:
        LSTM.fit(rows, replace(REQUEST, **options), silent)
    assert refused.value.code == code


def test_too_short_a_series_is_told_how_long_it_must_be() -> None:
    """So many rows as the message names are enough, and one less is not."""
    with pytest.raises(DataRefused) as refused:
        LSTM.fit(table_of(wave().frame.head(60), name="s", sha256=SHA256), REQUEST, silent)
    needed = int(str(refused.value).rsplit(maxsplit=1)[-1])
    windows = [Plan.of(n, horizon=4, season=1).windows for n in (needed - 1, needed)]
    assert windows[0] < lstm_training.WINDOWS_MIN <= windows[1]
