"""Maps to probabilities that come true."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from analytics.models.calibration import Calibration, best_line, sigmoid, softmax
from analytics.models.measures import class_measures


def _bold(rows: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(1)
    log_odds = chance.normal(0, 1.5, rows)
    codes = (chance.random(rows) < sigmoid(log_odds)).astype(int)
    said = sigmoid(2.5 * log_odds - 0.7)
    return np.stack([1 - said, said], axis=1), codes


@pytest.mark.parametrize(
    ("rows", "kind"), [(100, "identity"), (1_000, "sigmoid"), (6_000, "isotonic")]
)
def test_the_map_is_chosen_by_size(rows: int, kind: str) -> None:
    """More rows learn a freer map; it brings the log-loss down and leaves the order alone."""
    said, codes = _bold(rows)
    calibration = Calibration.of(said, codes)
    before, after = class_measures(codes, said), class_measures(codes, calibration(said))
    assert calibration.kind == kind
    assert after["auc"] == pytest.approx(before["auc"], abs=2e-3)
    assert kind == "identity" or after["log_loss"] < before["log_loss"] - 0.05
    assert Calibration.load(calibration.document()) == calibration


def test_the_line_is_that_of_an_unpenalised_regression() -> None:
    """Slope and intercept are scikit-learn's without a penalty."""
    said, codes = _bold(1_000)
    log_odds = np.log(said[:, 1] / said[:, 0])
    judge = LogisticRegression(C=np.inf, tol=1e-9).fit(log_odds[:, np.newaxis], codes)
    expected = judge.coef_[0, 0], judge.intercept_[0]
    assert best_line(log_odds, codes) == pytest.approx(expected, abs=1e-3)


def test_a_temperature_undoes_a_power() -> None:
    """Probabilities of three classes that were sharpened come back."""
    chance = np.random.default_rng(2)
    honest = chance.dirichlet([1, 1, 1], 4_000)
    codes = np.array([chance.choice(3, p=row) for row in honest])
    calibration = Calibration.of(softmax(2 * np.log(honest)), codes)
    assert calibration.kind == "temperature"
    assert calibration.slope == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(calibration(honest).sum(axis=1), 1.0)
