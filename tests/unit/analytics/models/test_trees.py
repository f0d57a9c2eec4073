"""Trees as arrays say what scikit-learn's forest says, and tell why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from analytics.models import trees as module
from analytics.models.errors import ModelUnusable
from analytics.models.trees import Trees


@pytest.mark.parametrize("classes", [2, 3])
def test_walks_end_where_scikit_learn_ends(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities are the forest's, and contributions with the baseline add up to them."""
    monkeypatch.setattr(module, "PATHS_MAX", 500)
    chance = np.random.default_rng(classes)
    values = chance.normal(size=(150, 5)).astype(np.float32)
    codes = np.digitize(
        values[:, 0] + values[:, 1] * values[:, 2], np.linspace(-0.5, 0.5, classes - 1)
    )
    forest = RandomForestClassifier(n_estimators=12, random_state=0).fit(values, codes)
    found = Trees.of(forest)
    said = forest.predict_proba(values)
    np.testing.assert_allclose(found.probabilities(values), said, atol=1e-12)
    parts = found.contributions(values)
    told = slice(None) if classes > 2 else slice(1, 2)
    np.testing.assert_allclose(found.baseline[told] + parts.sum(axis=1), said[:, told], atol=1e-12)
    # The column that decides does more than the one that is chance.
    assert np.abs(parts[:, 0]).mean() > 1.5 * np.abs(parts[:, 4]).mean()


def test_one_split_is_one_contribution() -> None:
    """A tree that asks once gives its column the way from the root's mean to the leaf's."""
    values = np.array([[0.0, 5.0], [1.0, 5.0]] * 10, dtype=np.float32)
    forest = RandomForestClassifier(n_estimators=1, bootstrap=False, random_state=0)
    found = Trees.of(forest.fit(values, [0, 1] * 10))
    assert found.contributions(values[:2])[:, :, 0].tolist() == [[-0.5, 0.0], [0.5, 0.0]]


def test_a_file_with_a_loop_is_refused(tmp_path: Path) -> None:
    """A child that comes before its parent would be walked for ever."""
    forest = RandomForestClassifier(n_estimators=2, random_state=0)
    found = Trees.of(forest.fit(np.eye(10, dtype=np.float32), np.arange(10) % 2))
    found.save(tmp_path / "trees.npz")
    again = Trees.load(tmp_path / "trees.npz")
    assert again.left.tolist() == found.left.tolist()
    found.left[found.left > 0] = 0
    found.save(tmp_path / "trees.npz")
    with pytest.raises(ModelUnusable) as refused:
        Trees.load(tmp_path / "trees.npz")
    assert refused.value.code == "model_corrupt"
