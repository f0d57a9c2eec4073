"""The logistic regression: a calibrated linear model whose points are a scorecard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from analytics.models import logistic
from analytics.models.design import Design
from analytics.models.errors import DataRefused
from analytics.models.folder import load_model
from analytics.models.interface import Model, Request
from analytics.models.scorecard import score_points
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import (
    contents,
    credit,
    gap_of_reasons,
    saved,
    table,
    trained,
)

REQUEST = Request(seed=1, target="failed")


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return loans to learn from."""
    return credit(600)


@pytest.fixture(scope="module")
def model(rows: Table) -> Model:
    """Return a model of them."""
    return trained("logistic", rows, REQUEST)


def test_it_ranks_as_scikit_learn_does(model: Model, rows: Table) -> None:
    """Loans that it has not seen are ordered as well as by a plain regression on the same."""
    later = credit(600, seed=9)
    found = model.evaluate(later)
    plain = LogisticRegression()

    def numbers(some: Table) -> np.ndarray:
        frame = some.frame.assign(rent=some.frame["housing"] == "rent")
        filled = frame[["debt", "age", "rent"]].fillna(rows.frame["debt"].median())
        return np.asarray(filled.to_numpy(float))

    plain.fit(numbers(rows), rows.frame["failed"])
    judge = roc_auc_score(later.frame["failed"], plain.predict_proba(numbers(later))[:, 1])
    assert found["auc"] > judge - 0.01
    assert found["ece"] < 0.1
    assert set(found) == {"auc", "ks", "brier", "log_loss", "accuracy", "ece", "psi"}


def test_probabilities_and_reasons_add_up(model: Model, rows: Table) -> None:
    """The baseline and the contributions are the probability of the event, row by row."""
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9
    for each in model.predict(rows):
        assert each.prediction == int(each.score > 0.5)
        assert each.reasons[0].feature == "(baseline)"


def _points(card: dict[str, Any], row: dict[str, Any]) -> float:
    """Return a row's score by the scorecard alone, as somebody with a pencil would."""
    score = card["base_points"]
    for feature in card["features"]:
        value = row[feature["feature"]]
        if isinstance(value, str):
            [found] = [each for each in feature["bins"] if each["bin"] == value]
            score += found["points"]
            continue
        if math.isnan(value):
            score += feature["bins"][-1]["points"]
            continue
        found = next(each for each in feature["bins"] if _holds(each["bin"], value))
        score += found["points_at_zero"] + feature["points_per_unit"] * value
    return float(score)


def _holds(name: str, value: float) -> bool:
    if name == "all values":
        return True
    if name.startswith("≤"):
        return value <= float(name[2:]) * (1 + 1e-6)
    _, _, high = name[2:].partition(" to ")
    return name.startswith(">") and (not high or value <= float(high) * (1 + 1e-6))


@pytest.mark.parametrize("design", list(Design))
def test_points_add_up_to_the_score(
    rows: Table, monkeypatch: pytest.MonkeyPatch, design: Design
) -> None:
    """A row's points by the card give its probability, with bins and without."""
    monkeypatch.setattr(logistic, "Design", [design])
    model = trained("logistic", rows, REQUEST)
    card = model.document()["scorecard"]
    assert score_points(-math.log(50.0)) == pytest.approx(600.0)
    assert score_points(-math.log(100.0)) == pytest.approx(620.0)
    known = rows.frame.drop(columns="failed").to_dict("records")
    for each, row in zip(model.predict(rows), known, strict=True):
        log_odds = math.log(each.score / (1 - each.score))
        assert _points(card, row) == pytest.approx(score_points(log_odds), abs=1e-3)
    for feature in card["features"]:
        assert sum(each["share"] for each in feature["bins"]) == pytest.approx(1.0)
    rates = {each["bin"]: each["event_rate"] for each in card["features"][2]["bins"]}
    rent = rows.frame[rows.frame["housing"] == "rent"]["failed"].mean()
    assert rates["rent"] == pytest.approx(rent)


def test_bins_are_chosen_where_the_world_is_bent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event at both ends of a column needs bins; a straight world does not."""
    chance = np.random.default_rng(3)
    x = chance.normal(size=800)
    bent = table({"x": x, "failed": (np.abs(x) + 0.3 * chance.normal(size=800) > 1).astype(int)})
    model = trained("logistic", bent, REQUEST)
    assert model.document()["choice"]["design"] == "linear and bins"
    assert model.metrics["auc"] > 0.9


def test_several_classes_are_told_apart(tmp_path: Path) -> None:
    """Of three classes the score is the likeliest's, and the reasons add up to it."""
    rows = credit(400, classes=3)
    model = trained("logistic", rows, REQUEST)
    assert model.metrics["auc"] > 0.8
    assert "scorecard" not in model.document()
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9
    again = load_model(saved(model, REQUEST, rows, tmp_path / "m"))
    assert list(again.predict(rows)) == list(model.predict(rows))


def test_a_folder_is_the_model_and_the_same_again(
    model: Model, rows: Table, tmp_path: Path
) -> None:
    """What is loaded says the same; a second training gives the same bytes."""
    folder = saved(model, REQUEST, rows, tmp_path / "m")
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.evaluate(rows) == model.evaluate(rows)
    assert (again.explain(), again.document()) == (model.explain(), model.document())
    second = saved(trained("logistic", rows, REQUEST), REQUEST, rows, tmp_path / "n")
    assert contents(second) == contents(folder)
    assert set(contents(folder)) == {"model.json", "card.md", "plots/reliability.png"}
    assert "## Scorecard" in (folder / "card.md").read_text("utf-8")


def test_what_training_never_saw_is_average(model: Model, rows: Table) -> None:
    """A gap where there was none moves nothing; a column that is not there is refused."""
    few = table({"debt": [5.0], "age": [None], "housing": ["castle"]})
    [said] = model.predict(few)
    moved = {reason.feature: reason.contribution for reason in said.reasons}
    assert moved["age"] == moved["housing"] == 0.0
    with pytest.raises(DataRefused) as refused:
        list(model.predict(table({"debt": [5.0], "age": [30]})))
    assert refused.value.code == "missing_column"
    with pytest.raises(DataRefused) as refused:
        list(model.predict(table({"debt": ["much"], "age": [30], "housing": ["own"]})))
    assert refused.value.code == "wrong_type"


def test_time_judges_and_new_classes_are_told() -> None:
    """With a time column the latest judge; a class that only they have is refused."""
    rows = credit(200)
    days = np.arange("2026-01-01", "2026-07-20", dtype="datetime64[D]")[:200]
    timed = table({**rows.frame.to_dict("list"), "day": days})
    model = trained("logistic", timed, Request(target="failed", time="day"))
    assert model.split["how"].startswith("by day")
    late = table({"x": np.arange(200.0) ** 2, "day": days, "y": [0] * 165 + [1] * 35})
    with pytest.raises(DataRefused) as refused:
        trained("logistic", late, Request(target="y", time="day"))
    assert refused.value.code == "class_only_later"


def test_a_design_that_is_too_large_is_refused(
    rows: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory has a limit with a name, and the refusal says what to do."""
    monkeypatch.setattr(logistic, "DESIGN_CELLS_MAX", 1_000)
    with pytest.raises(DataRefused, match="--features") as refused:
        trained("logistic", rows, REQUEST)
    assert refused.value.code == "data_too_large"
