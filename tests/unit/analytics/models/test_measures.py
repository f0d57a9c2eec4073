"""Measures agree with scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from analytics.models.measures import Reference, class_measures, reliability, score_of

CHANCE = np.random.default_rng(5)
SCORES = CHANCE.random(500)
CODES = (CHANCE.random(500) < SCORES).astype(int)
PAIRS = np.stack([1 - SCORES, SCORES], axis=1)


def test_two_classes_are_measured_as_others_do() -> None:
    """AUC, KS, Brier, log-loss and accuracy are those of scikit-learn and scipy."""
    found = class_measures(CODES, PAIRS)
    assert found["auc"] == pytest.approx(roc_auc_score(CODES, SCORES))
    assert found["ks"] == pytest.approx(ks_2samp(SCORES[CODES == 1], SCORES[CODES == 0]).statistic)
    assert found["brier"] == pytest.approx(brier_score_loss(CODES, SCORES))
    assert found["log_loss"] == pytest.approx(log_loss(CODES, SCORES))
    assert found["accuracy"] == pytest.approx(accuracy_score(CODES, SCORES > 0.5))


def test_several_classes_are_measured_one_against_the_rest() -> None:
    """The AUC of several classes is the mean that scikit-learn calls macro."""
    said = CHANCE.dirichlet([1, 1, 1], 300)
    codes = np.array([CHANCE.choice(3, p=row) for row in said])
    found = class_measures(codes, said)
    assert found["auc"] == pytest.approx(roc_auc_score(codes, said, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(log_loss(codes, said))
    assert "ks" not in found


def test_one_class_has_no_ranking() -> None:
    """Rows of one class have no AUC and no KS, and all else."""
    found = class_measures(np.zeros(500, dtype=int), PAIRS)
    assert set(found) == {"brier", "log_loss", "accuracy", "ece"}


def test_honest_probabilities_are_reliable_and_bold_ones_are_not() -> None:
    """The calibration error tells probabilities that come true from those that exaggerate."""
    bold = np.clip(3 * SCORES - 1, 0.001, 0.999)
    honest = class_measures(CODES, PAIRS)["ece"]
    assert honest < 0.06 < class_measures(CODES, np.stack([1 - bold, bold], axis=1))["ece"]
    assert sum(band["share"] for band in reliability(CODES, PAIRS)) == pytest.approx(1.0)


def test_stability_is_of_shift() -> None:
    """The index is 0 for the same scores, small for others like them, large for shifted ones."""
    reference = Reference.of(score_of(PAIRS))
    assert reference.stability(SCORES) == pytest.approx(0.0)
    assert reference.stability(CHANCE.random(500)) < 0.1
    assert reference.stability(SCORES**3) > 0.25
