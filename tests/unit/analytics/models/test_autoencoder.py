"""The autoencoder tells rows from few coordinates, fills gaps, and finds what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from analytics.models import autoencoder
from analytics.models.autoencoder import Autoencoder
from analytics.models.columns import require
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.folder import load_model
from analytics.models.interface import Request
from analytics.models.network_training import Schedule
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import contents, gap_of_reasons, saved, silent, table

REQUEST = Request(seed=1)
ROWS = 400


def bent(seed: int = 4) -> dict[str, np.ndarray]:
    """Return rows on a bent surface of two coordinates, in eight numbers, and a word of them."""
    chance = np.random.default_rng(seed)
    one, two = chance.uniform(-1, 1, (2, ROWS))
    numbers = [one, two, one**2, two**2, one * two, np.sin(3 * one), np.cos(3 * two), one - two]
    columns = {f"c{at}": each + 0.02 * chance.normal(size=ROWS) for at, each in enumerate(numbers)}
    return {**columns, "side": np.where(one > 0, "right", "left")}


@pytest.fixture(scope="module", autouse=True)
def _few_epochs() -> Iterator[None]:
    """Train for fewer epochs at a higher rate: these tables are small."""
    short = Schedule(epochs_max=25, patience_epochs=6, batch_rows=64, rate=0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "SCHEDULE", short)
        yield


@pytest.fixture(scope="module")
def rows() -> Table:
    """Rows of `bent` with gaps in a number and in the words."""
    columns = bent()
    columns["c7"][:20] = np.nan
    words = columns["side"].astype(object)
    words[20:40] = None
    return table({**columns, "side": words})


@pytest.fixture(scope="module")
def model(rows: Table) -> Autoencoder:
    """A model of `rows`, learned once."""
    return Autoencoder.fit(rows, REQUEST, silent)


def test_a_bent_surface_is_told_better_than_by_components(model: Autoencoder) -> None:
    """Two coordinates hold what two straight directions do not; gaps are filled beyond medians."""
    assert model.coordinates == 2
    metrics = model.metrics
    assert metrics["reconstruction_error"] < 0.6 * metrics["pca_reconstruction_error"]
    assert metrics["filling_rmse"] < 0.8 * metrics["median_filling_rmse"]
    assert metrics["outlier_share"] <= 0.1
    assert {each.feature for each in model.explain()} == {*(f"c{at}" for at in range(8)), "side"}


def test_the_components_beside_it_are_those_of_scikit_learn() -> None:
    """The judge: PCA of the same rows, encoded alike, has the error that is told beside."""
    columns = {name: values for name, values in bent().items() if name != "side"}
    rows = table(columns)
    model = Autoencoder.fit(rows, REQUEST, silent)
    assert len(model.document()["tables"][0]["rows"]) == 8
    values = np.column_stack(list(columns.values()))
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    whole = PCA(n_components=model.coordinates).fit(values)
    error = ((whole.inverse_transform(whole.transform(values)) - values) ** 2).mean()
    assert model.metrics["pca_reconstruction_error"] == pytest.approx(error, rel=0.25)


def test_rows_that_do_not_fit_are_found(model: Autoencoder, rows: Table) -> None:
    """Rows whose columns are each ordinary, and not together, have the highest scores."""
    frame = rows.frame.iloc[40:].reset_index(drop=True)
    frame.loc[:9, "c2"] = 1.4 - frame.loc[:9, "c2"]
    frame.loc[10:19, "c3"] += 4.0
    said = list(model.predict(table(dict(frame))))
    scores = np.array([each.score for each in said])
    assert np.median(scores[:10]) > np.quantile(scores[20:], 0.8)
    assert {each.reasons[0].feature for each in said[10:20]} == {"c3"}
    assert [each.prediction for each in said[10:20]].count("outlier") >= 8
    assert [each.prediction for each in said[20:]].count("outlier") <= 15


def test_reasons_add_up_and_a_gap_has_no_part(model: Autoencoder, rows: Table) -> None:
    """The parts of a row's score are all told; what is missing adds nothing."""
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9
    [first] = [each for each in model.predict(rows) if each.row == 1]
    assert {r.feature: r.contribution for r in first.reasons}["c7"] == 0.0


def test_gaps_are_filled_and_coordinates_told(model: Autoencoder, rows: Table) -> None:
    """Only gaps change; numbers come near what was there, words mostly are what was there."""
    frame, true = model.transform(rows), bent()
    assert list(frame.columns) == [*rows.columns, "coordinate_1", "coordinate_2"]
    assert not frame.isna().any().any()
    assert np.abs(frame.c7[:20] - true["c7"][:20]).mean() < 0.5 * np.abs(true["c7"]).mean()
    assert (frame.side[20:40].to_numpy() == true["side"][20:40]).mean() >= 0.8
    known = require(rows, model.features).frame
    assert (frame.loc[40:, known.columns] == known.loc[40:]).all().all()


def test_the_same_seed_gives_the_same_folder(
    model: Autoencoder, rows: Table, tmp_path: Path
) -> None:
    """Every byte comes back with the seed, and the folder says what the model said."""
    one = saved(model, REQUEST, rows, tmp_path / "a")
    other = saved(Autoencoder.fit(rows, REQUEST, silent), REQUEST, rows, tmp_path / "b")
    assert contents(one) == contents(other)
    loaded = load_model(one)
    assert isinstance(loaded, Autoencoder)
    assert list(loaded.predict(rows)) == list(model.predict(rows))
    assert loaded.transform(rows).equals(model.transform(rows))
    assert (loaded.metrics, loaded.explain()) == (model.metrics, model.explain())
    assert loaded.document() == model.document()
    (one / "network.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelUnusable) as refused:
        load_model(one)
    assert refused.value.code == "model_corrupt"


@pytest.mark.parametrize(
    ("columns", "features", "code"),
    [
        ({"c0": np.ones(40), "c1": np.ones(40)}, None, "no_features"),
        ({"c0": np.arange(10.0) ** 2, "c1": np.arange(10.0) % 3}, None, "too_few_rows"),
        ({"c0": np.where(np.arange(40) == 3, np.inf, np.arange(40.0) % 7)}, None,
         "infinite_values"),
        (bent(), ("c0", "c99"), "missing_column"),
    ],
)  # fmt: skip
def test_unusable_tables_are_refused(columns, features, code: str) -> None:  # type: ignore[no-untyped-def]
    """Each fault has its code before anything is trained."""
    with pytest.raises(DataRefused) as refused:
        Autoencoder.fit(table(columns), Request(features=features), silent)
    assert refused.value.code == code


def test_a_table_without_a_column_is_refused(model: Autoencoder) -> None:
    """What was learned from must be there."""
    with pytest.raises(DataRefused) as refused:
        next(model.predict(table({"c0": [1.0]})))
    assert refused.value.code == "missing_column"
    with pytest.raises(DataRefused) as refused:
        model.transform(table({**bent(), "c1": ["many"] * ROWS}))
    assert refused.value.code == "wrong_type"
