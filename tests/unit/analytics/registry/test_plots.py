"""Figures of plots: what a model kept of its training, and nothing that it did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from analytics.models.folder import save_model
from analytics.models.interface import Model, Request
from analytics.models.kmeans import KMeans
from analytics.models.logistic import Logistic
from analytics.models.measures import reliability
from analytics.models.pca import PCA
from analytics.models.tabular import table_of
from analytics.registry.limits import PLOT_POINTS_MAX, PLOT_SCORED_MAX
from analytics.registry.plots import Form, Plot, plots_of

ROWS = 120


def manifest(kind: type[Model], request: Request, folder: Path) -> dict[str, Any]:
    """Return the manifest of a model of two far groups of rows, as its folder has it."""
    chance = np.random.default_rng(5)
    far = np.repeat([0.0, 20.0], ROWS // 2)
    frame = pd.DataFrame(
        {
            "paid": far + chance.normal(0, 1, ROWS),
            "payees": far + chance.normal(0, 2, ROWS),
            "share": chance.random(ROWS),
        }
    )
    if request.target is not None:
        frame[request.target] = np.where(far + chance.normal(0, 8, ROWS) > 10, "yes", "no")
    table = table_of(frame, name="made", sha256="")
    model = kind.fit(table, request, lambda _: None)
    save_model(model, request, table, folder / "model", has_plots=False)
    kept: dict[str, Any] = json.loads((folder / "model" / "model.json").read_text())
    return kept


def named(found: tuple[Plot, ...]) -> dict[str, Plot]:
    """Return plots by name; pairs are pairs, and every number is finite."""
    for plot in found:
        for trace in plot.traces:
            assert len(trace.across) == len(trace.up)
            assert np.isfinite(np.asarray(trace.up, dtype="float64")).all()
    return {plot.name: plot for plot in found}


def test_a_classifier_shows_roc_calibration_and_points(tmp_path: Path) -> None:
    """Calibration is the reliability table; the scorecard's features are there by their spread."""
    kept = manifest(Logistic, Request(target="late", positive="yes"), tmp_path)
    plots = named(plots_of(kept))
    assert list(plots)[:3] == ["roc", "reliability", "importances"]
    assert plots["roc"].up == "share of those who are yes"
    bands = kept["document"]["reliability"]
    assert plots["reliability"].traces[1].up == [band["observed"] for band in bands]
    assert min(plots["tuning"].traces[0].up) == kept["document"]["choice"]["log_loss"]


def test_the_points_shown_are_those_that_differ_most() -> None:
    """Widest first, so many at most, each bin with its points; a feature without bins has no plot."""
    features = [
        {
            "feature": f"f{place}",
            "bins": [{"bin": "a", "points": 0.0}, {"bin": "b", "points": place}],
        }
        for place in range(PLOT_SCORED_MAX + 1)
    ]
    features.append({"feature": "line", "bins": [{"bin": "all values", "points": 99.0}]})
    plots = plots_of({"document": {"scorecard": {"pdo": 20.0, "features": features}}})
    assert [plot.title for plot in plots] == [
        f"Points of f{place}" for place in range(PLOT_SCORED_MAX, 0, -1)
    ]
    assert plots[0].traces[0].up == [0.0, PLOT_SCORED_MAX]
    assert f"{PLOT_SCORED_MAX} of {PLOT_SCORED_MAX + 1} features with bins" in plots[0].note


def test_the_roc_lies_on_scikit_learns() -> None:
    """Each point is one of the curve's, of scores that have no ties."""
    chance = np.random.default_rng(3)
    scores = chance.permutation(np.linspace(0.01, 0.99, 200))
    codes = (chance.random(200) < scores).astype(int)
    bands = reliability(codes, np.stack([1 - scores, scores], axis=1))
    document = {"reliability": bands, "classes": ["no", "yes"]}
    (_, model) = named(plots_of({"document": document}))["roc"].traces
    false, true, _ = roc_curve(codes, scores, drop_intermediate=False)
    curve = {(round(x, 9), round(y, 9)) for x, y in zip(false, true, strict=True)}
    found = zip(model.across, model.up, strict=True)
    assert {(round(float(x), 9), round(y, 9)) for x, y in found} <= curve
    assert (model.across[0], model.up[0]) == (0.0, 0.0)
    assert (model.across[-1], model.up[-1]) == pytest.approx((1.0, 1.0))


def test_components_show_what_they_explain(tmp_path: Path) -> None:
    """Scree with the sum, and rows of which none is shown twice."""
    kept = manifest(PCA, Request(), tmp_path)
    plots = named(plots_of(kept))
    assert list(plots) == ["scree", "importances", "rows"]
    shares, sums = plots["scree"].traces
    assert list(shares.up) == kept["document"]["explained_variance_ratio"]
    assert sums.up[-1] == pytest.approx(sum(shares.up))
    assert [trace.name for trace in plots["rows"].traces] == ["ordinary", "outlier"]
    assert sum(len(trace.up) for trace in plots["rows"].traces) == ROWS


def test_groups_show_their_medians_side_by_side(tmp_path: Path) -> None:
    """The largest of each number is 1; sizes are those of the profiles."""
    kept = manifest(KMeans, Request(), tmp_path)
    groups = kept["document"]["groups"]
    plots = named(plots_of(kept))
    assert {"groups", "profiles", "choices", "rows"} <= set(plots)
    assert list(plots["groups"].traces[0].up) == [group["rows"] for group in groups]
    told = plots["profiles"].traces
    assert [trace.name for trace in told] == [f"group {group['group']}" for group in groups]
    assert all(max(abs(v) for v in pair) == 1.0 for pair in zip(*(t.up for t in told), strict=True))


def test_a_large_sample_is_thinned_and_a_rule_has_no_plot() -> None:
    """What is drawn is bounded; a manifest of files alone has nothing to show."""
    sample = [[float(place), 0.0, place % 2] for place in range(5 * PLOT_POINTS_MAX)]
    (plot,) = plots_of({"state": {"sample": sample}, "document": {}})
    assert sum(len(trace.up) for trace in plot.traces) <= PLOT_POINTS_MAX
    assert {trace.form for trace in plot.traces} == {Form.POINTS}
    assert plots_of({"format": 1, "model": "fan_in", "files": {}}) == ()
