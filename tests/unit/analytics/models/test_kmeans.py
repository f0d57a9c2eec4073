"""Groups of alike rows: as many as there are, whatever lies far out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from analytics.models import kmeans
from analytics.models.folder import load_model
from analytics.models.interface import Model, Request
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import contents, saved, table, trained

REQUEST = Request(seed=1)
TRUE = np.repeat([0, 1, 2], 60)


@pytest.fixture(autouse=True)
def _few_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "GROUPS_MAX", 5)


def _groups(*, far: float | None = None, gap: bool = False) -> Table:
    chance = np.random.default_rng(2)
    centres = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])[TRUE]
    values = centres + chance.normal(size=centres.shape)
    if far is not None:
        values[0] = far
    if gap:
        values[1, 0] = np.nan
    words = np.array(["red", "green", "blue"])[TRUE]
    return table({"x": values[:, 0], "y": values[:, 1], "colour": words})


def _said(model: Model, rows: Table) -> list[int]:
    return [each.prediction for each in model.predict(rows)]


@pytest.mark.parametrize("far", [None, 1e6])
@pytest.mark.parametrize("gap", [False, True])
def test_groups_that_are_there_are_found(far: float | None, gap: bool) -> None:
    """Three groups are three, with a row a million deviations out and a gap as without."""
    rows = _groups(far=far, gap=gap)
    model = trained("kmeans", rows, REQUEST)
    assert model.metrics["groups"] == 3
    assert adjusted_rand_score(TRUE, _said(model, rows)) > 0.97
    fences = {fence["name"]: fence["rows"] for fence in model.document()["fences"]}
    assert fences == {"x": int(far is not None), "y": int(far is not None)}


def test_the_silhouette_is_scikit_learns() -> None:
    """The measure of a table is that of its groups in standardised columns."""
    rows = table({"x": np.repeat([0.0, 1.0, 5.0, 6.0], 10) + np.tile([0.0, 0.1], 20)})
    model = trained("kmeans", rows, REQUEST)
    values = rows.frame.to_numpy()
    expected = silhouette_score((values - values.mean()) / values.std(), _said(model, rows))
    assert model.evaluate(rows)["silhouette"] == pytest.approx(expected)


def test_reasons_tell_why_not_the_next_group() -> None:
    """They add up to how much farther the next centre is, so they are never below nothing."""
    rows = _groups()
    for each in trained("kmeans", rows, REQUEST).predict(rows):
        assert each.score == each.prediction
        assert sum(reason.contribution for reason in each.reasons) >= 0


def test_groups_are_described_and_kept(tmp_path: Path) -> None:
    """Profiles hold sizes, medians and usual words; a folder gives the same groups again."""
    rows = _groups()
    model = trained("kmeans", rows, REQUEST)
    profiles = model.document()["groups"]
    assert sorted(each["typical"]["colour"] for each in profiles) == ["blue", "green", "red"]
    assert sum(each["rows"] for each in profiles) == 180
    folder = saved(model, REQUEST, rows, tmp_path / "m")
    assert {"plots/choice.png", "plots/scatter.png"} <= contents(folder).keys()
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.explain() == model.explain()
    assert contents(saved(trained("kmeans", rows, REQUEST), REQUEST, rows, tmp_path / "n")) == (
        contents(folder)
    )
