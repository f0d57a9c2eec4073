"""The forest: tuned, calibrated, explained exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analytics.models import forest
from analytics.models.errors import DataRefused
from analytics.models.folder import load_model
from analytics.models.interface import Model, Request
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


@pytest.fixture(scope="module", autouse=True)
def _small_forests() -> Iterator[None]:
    """Grow few trees: they are tuned, calibrated and walked as many are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 40)
        patch.setattr(forest, "TUNING_TREES", 5)
        patch.setattr(forest, "LEAF_ROWS", (2, 30))
        yield


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return loans to learn from."""
    return credit(500)


@pytest.fixture(scope="module")
def model(rows: Table) -> Model:
    """Return a forest of them."""
    return trained("random-forest", rows, REQUEST)


def test_it_learns_what_lies_between_columns() -> None:
    """An event that two columns make together, and neither alone, is found."""
    chance = np.random.default_rng(7)
    values = chance.uniform(-1, 1, size=(600, 3))
    rows = table(
        {
            **{name: values[:, place] for place, name in enumerate("xyz")},
            "failed": (values[:, 0] * values[:, 1] > 0).astype(int),
        }
    )
    model = trained("random-forest", rows, REQUEST)
    assert model.metrics["auc"] > 0.9
    assert {each.feature for each in model.explain()[:2]} == {"x", "y"}


def test_reasons_add_up_to_the_calibrated_probability(model: Model, rows: Table) -> None:
    """Calibrated or not, the baseline and the contributions are the score."""
    assert model.document()["calibration"]["kind"] == "sigmoid"
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9


@pytest.mark.parametrize(("size", "kind"), [(150, "identity"), (300, "temperature")])
def test_several_classes_add_up_too(size: int, kind: str) -> None:
    """Of three classes the score is the likeliest's probability, and the reasons are its parts."""
    rows = credit(size, classes=3)
    model = trained("random-forest", rows, REQUEST)
    assert model.document()["calibration"]["kind"] == kind
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9


def test_an_isotonic_map_is_a_part_of_the_reasons(
    rows: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many rows as it takes, the bent line of calibration is told as well."""
    monkeypatch.setattr("analytics.models.calibration.ISOTONIC_ROWS_MIN", 100)
    model = trained("random-forest", rows, REQUEST)
    assert model.document()["calibration"]["kind"] == "isotonic"
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9


def test_measures_are_of_rows_that_were_held_out(model: Model, rows: Table) -> None:
    """A forest knows its own rows by heart: its figures must not."""
    assert model.metrics["auc"] < model.evaluate(rows)["auc"]
    assert model.metrics["auc"] == pytest.approx(
        model.evaluate(credit(500, seed=9))["auc"], abs=0.1
    )
    assert len(model.document()["tried"]) == 4


def test_a_folder_is_the_model_and_the_same_again(
    model: Model, rows: Table, tmp_path: Path
) -> None:
    """What is loaded says the same; a second training gives the same bytes."""
    folder = saved(model, REQUEST, rows, tmp_path / "m")
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.evaluate(rows) == model.evaluate(rows)
    assert (again.explain(), again.document()) == (model.explain(), model.document())
    second = saved(trained("random-forest", rows, REQUEST), REQUEST, rows, tmp_path / "n")
    assert contents(second) == contents(folder)


def test_a_quantity_is_no_class() -> None:
    """A target of many numbers is refused and not predicted as classes."""
    rows = table({"x": np.arange(100.0), "y": np.arange(100.0) * 1.5})
    with pytest.raises(DataRefused) as refused:
        trained("random-forest", rows, Request(target="y", features=("x",)))
    assert refused.value.code == "too_many_classes"
