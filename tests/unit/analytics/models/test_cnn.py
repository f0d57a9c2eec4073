"""The convolutional network: learns in time, is calibrated, explained exactly and kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from analytics.models import cnn
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.folder import load_model
from analytics.models.interface import Model, Request
from analytics.models.network_training import seeded
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import (
    contents,
    credit,
    gap_of_reasons,
    saved,
    silent,
    table,
    trained,
)

REQUEST = Request(seed=1, target="failed")
STEPS = 8


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    """Train few networks for few epochs: they are judged, explained and kept as long ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cnn, "EPOCHS_MAX", 3)
        patch.setattr(cnn, "FOLDS", 2)
        patch.setattr(cnn, "MEMBERS", 2)
        yield


def bursts(rows: int = 260, seed: int = 0, classes: int = 2) -> Table:
    """Return two series of which an event has a peak in both at the same step, wherever it is."""
    chance = np.random.default_rng(seed)
    paid, received = chance.normal(size=(2, rows, STEPS))
    kinds = chance.integers(0, classes, rows)
    first, other = chance.integers(0, STEPS, (2, rows))
    places = np.arange(rows)
    paid[places, first] += 4
    received[places, np.where(kinds > 0, first, (first + 1 + other % (STEPS - 1)) % STEPS)] += 4
    received[kinds == 2] += 1.5
    columns = {f"paid_t{step + 1}": paid[:, step] for step in range(STEPS)}
    columns |= {f"received_t{step + 1}": received[:, step] for step in range(STEPS)}
    columns["paid_t2"][::40] = np.nan
    return table({**columns, "housing": chance.choice(["own", "rent"], rows), "failed": kinds})


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return series to learn from."""
    return bursts()


@pytest.fixture(scope="module")
def model(rows: Table) -> Model:
    """Return a network that learned from them."""
    return trained("cnn", rows, REQUEST)


def test_it_sees_what_happens_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks that come together, at any step, are told from those that do not."""
    monkeypatch.setattr(cnn, "EPOCHS_MAX", 14)
    monkeypatch.setattr(cnn, "MEMBERS", 1)
    rows = bursts(700)
    model = trained("cnn", rows, REQUEST)
    assert model.metrics["auc"] > 0.75
    numbers = rows.frame.drop(columns=["housing", "failed"]).fillna(0.0)
    plain = cross_val_score(
        LogisticRegression(), numbers, rows.frame["failed"], scoring="roc_auc", cv=3
    )
    assert plain.mean() < 0.65


def test_reasons_add_up_to_the_calibrated_probability(model: Model, rows: Table) -> None:
    """The baseline and the contributions are the score."""
    assert model.document()["calibration"]["kind"] == "sigmoid"
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9


def test_what_the_integral_misses_is_small(model: Model, rows: Table) -> None:
    """Before it is shared, the rule along the line tells the network's gain all but exactly."""
    assert isinstance(model, cnn.CNN)
    logits = model._logits(rows)[:, 0]
    with seeded(0):
        raw = model._asked([each[np.newaxis] for each in model._baseline])[0, 0]
    parts = model._parts(rows, np.ones(len(rows), dtype=np.intp))
    np.testing.assert_allclose(parts.sum(axis=1), logits - raw, atol=1e-4)


@pytest.mark.parametrize(("size", "kind"), [(120, "identity"), (260, "temperature")])
def test_several_classes_add_up_too(size: int, kind: str) -> None:
    """Of three classes the score is the likeliest's probability, and the reasons are its parts."""
    rows = bursts(size, classes=3)
    model = trained("cnn", rows, REQUEST)
    assert model.document()["calibration"]["kind"] == kind
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9


def test_a_table_without_series_is_an_image_of_its_columns() -> None:
    """Numbers and words in any order are learned from, with gaps and words never seen."""
    rows = credit(300)
    model = trained("cnn", rows, REQUEST)
    assert model.metrics["auc"] > 0.55
    rows.frame.loc[0, "housing"] = "tent"
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9
    assert {reason.feature for reason in next(model.predict(rows)).reasons} == {
        "(baseline)", "debt", "age", "housing",
    }  # fmt: skip


def test_a_folder_is_the_model_and_the_same_again(
    model: Model, rows: Table, tmp_path: Path
) -> None:
    """What is loaded says the same; a second training gives the same bytes; others are refused."""
    folder = saved(model, REQUEST, rows, tmp_path / "m")
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.evaluate(rows) == model.evaluate(rows)
    assert (again.explain(), again.document()) == (model.explain(), model.document())
    second = saved(trained("cnn", rows, REQUEST), REQUEST, rows, tmp_path / "n")
    assert contents(second) == contents(folder)
    weights = folder / "network-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelUnusable) as refused:
        load_model(folder)
    assert refused.value.code == "model_corrupt"


def test_a_training_tells_how_far_it_is() -> None:
    """Folds, epochs and what follows."""
    lines: list[str] = []
    cnn.CNN.fit(bursts(100), REQUEST, lines.append)
    assert any(line.startswith("fold 1 of 2: epoch 1 of at most 3") for line in lines)
    assert any(line.startswith("network 2 of 2") for line in lines)


def test_too_large_a_training_is_refused(rows: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows by the values that they become are bounded, and the error says so."""
    monkeypatch.setattr(cnn, "IMAGE_CELLS_MAX", 1_000)
    with pytest.raises(DataRefused) as refused:
        cnn.CNN.fit(rows, REQUEST, silent)
    assert refused.value.code == "data_too_large"


def test_an_infinity_is_refused() -> None:
    """As for every classifier, with the rows that have it."""
    rows = bursts(60)
    rows.frame.loc[3, "paid_t1"] = np.inf
    with pytest.raises(DataRefused) as refused:
        cnn.CNN.fit(rows, REQUEST, silent)
    assert refused.value.code == "infinite_values"
