"""The model's distance, its exact split, and the limit that chance seldom passes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from analytics.anomaly.model import RIDGE, Matrix, fit

SHARE = 0.001
MEASURES = 6


def sample(rows: int, seed: int) -> Matrix:
    """Return deviations of which some go together, cut at 0 as those of accounts are."""
    random = np.random.default_rng(seed)
    mixing = np.eye(MEASURES) + 0.6 * np.eye(MEASURES, k=1)
    drawn: Matrix = np.maximum(random.normal(size=(rows, MEASURES)) @ mixing, 0.0)
    return drawn


def test_parts_add_up_to_the_mahalanobis_distance() -> None:
    """The split is exact, and the distance is that of scipy."""
    rows = sample(5_000, 1)
    moments = rows.T @ rows / len(rows)
    moments += RIDGE * (np.diag(np.diag(moments)) - moments)
    inverse = np.linalg.inv(moments)
    parts = fit(rows, SHARE, 1.0).parts(rows[:50])
    assert parts.min() >= 0
    for row, split in zip(rows[:50], parts, strict=True):
        distance = mahalanobis(row, np.zeros(MEASURES), inverse)
        assert split.sum() == pytest.approx(distance**2)


def test_a_deviation_alone_is_mostly_its_own_part() -> None:
    """Whichever measure stands out, most of the distance is its."""
    model = fit(sample(5_000, 2), SHARE, 1.0)
    parts = model.parts(5 * np.eye(MEASURES))
    assert np.diag(parts) == pytest.approx(parts.max(axis=1))
    assert (np.diag(parts) / parts.sum(axis=1)).min() > 0.6


def test_few_windows_are_beyond_the_limit_by_chance() -> None:
    """Of windows that the model never saw about as many are beyond as were allowed."""
    model = fit(sample(20_000, 3), SHARE, 1.0)
    beyond = (model.parts(sample(200_000, 4)).sum(axis=1) > model.limit).mean()
    assert SHARE / 3 < beyond < SHARE * 3


def test_what_is_sought_hardly_moves_the_limit() -> None:
    """Half a percent of gross anomalies in the sample does not hide more of them."""
    rows = sample(20_000, 5)
    tainted = rows.copy()
    tainted[:100] = 5.0
    clean = fit(rows, SHARE, 1.0)
    hidden = fit(tainted, SHARE, 1.0)
    assert hidden.limit < 1.3 * clean.limit
    assert hidden.parts(tainted[:1]).sum() > hidden.limit


def test_the_limit_has_a_floor() -> None:
    """Where all are alike a small difference is still no anomaly."""
    alike = np.zeros((1_000, MEASURES))
    assert fit(alike, SHARE, 40.0).limit == 40.0
