"""Principal components are scikit-learn's, and rows that do not fit are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA as Components  # noqa: N811
from sklearn.preprocessing import StandardScaler

from analytics.models import plotting
from analytics.models.folder import load_manifest, load_model
from analytics.models.interface import Request
from analytics.models.limits import REASONS_MAX
from tests.unit.analytics.models.tables import contents, saved, table, trained

WINE = load_wine()
REQUEST = Request(seed=1)


def _wine() -> dict[str, np.ndarray]:
    return dict(zip(WINE.feature_names, WINE.data.T, strict=True))


def test_components_and_reconstruction_are_those_of_scikit_learn() -> None:
    """On the wines of a real data set, variance and error are scikit-learn's own figures."""
    rows = table(_wine())
    model = trained("pca", rows, REQUEST)
    values = StandardScaler().fit_transform(WINE.data)
    judge = Components(n_components=int(model.metrics["components"])).fit(values)
    again = judge.inverse_transform(judge.transform(values))
    shares = model.document()["explained_variance_ratio"]
    np.testing.assert_allclose(shares, judge.explained_variance_ratio_)
    assert sum(shares) >= 0.95 > sum(shares[:-1])
    found = model.evaluate(rows)
    assert found["reconstruction_error"] == pytest.approx(((values - again) ** 2).mean())
    assert found["explained_variance"] == pytest.approx(sum(shares))
    scores = np.array([each.score for each in model.predict(rows)])
    np.testing.assert_allclose(np.abs(scores), np.abs(judge.transform(values)), atol=1e-9)


def test_rows_that_were_planted_far_out_are_found() -> None:
    """Ten wines that break the pattern, each within the range of every column, are outliers."""
    chance = np.random.default_rng(4)
    base = chance.normal(size=(400, 2)) @ chance.normal(size=(2, 6))
    values = base + 0.05 * chance.normal(size=(400, 6))
    values[:10] = chance.permuted(values, axis=0)[:10] * 1.5
    names = {f"c{place}": column for place, column in enumerate(values.T)}
    said = [each.prediction for each in trained("pca", table(names), REQUEST).predict(table(names))]
    assert said[:10].count("outlier") >= 9
    assert said[10:].count("outlier") <= 4


def test_reasons_add_up_to_the_distance_that_decides() -> None:
    """The parts of a row's distance are all told, the planted fault first."""
    columns = _wine()
    columns["ash"] = columns["ash"].copy()
    columns["ash"][5] = 40.0
    rows = table(columns)
    row = list(trained("pca", rows, REQUEST).predict(rows))[5]
    assert row.prediction == "outlier"
    assert row.reasons[0].feature == "ash"
    assert len(row.reasons) <= REASONS_MAX + 1
    assert sum(reason.contribution for reason in row.reasons) > 0


def test_words_and_gaps_are_told(tmp_path: Path) -> None:
    """Words are left out with a reason, gaps are the median, and the quality report counts them."""
    columns = {name: values.copy() for name, values in list(_wine().items())[:4]}
    columns["ash"][3] = np.nan
    rows = table({**columns, "maker": ["a", "b"] * 89})
    model = trained("pca", rows, REQUEST)
    assert [each.name for each in model.excluded] == ["maker"]
    folder = saved(model, REQUEST, rows, tmp_path / "m")
    quality = {each["column"]: each for each in load_manifest(folder)["quality"]["columns"]}
    assert (quality["ash"]["gaps"], quality["maker"]["outliers"]) == (1, None)
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.document() == model.document()


def test_without_matplotlib_there_are_no_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is whole without its figures."""
    monkeypatch.setattr(plotting, "can_plot", lambda: False)
    rows = table(_wine())
    folder = saved(trained("pca", rows, REQUEST), REQUEST, rows, tmp_path / "m")
    assert not any(name.startswith("plots") for name in contents(folder))
    load_model(folder)
