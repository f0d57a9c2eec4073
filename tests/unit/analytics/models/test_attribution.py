"""Contributions to a bent function add up to what it gains."""

from __future__ import annotations

import numpy as np

from analytics.models.attribution import attribute, attribute_classes
from analytics.models.calibration import sigmoid, softmax

CHANCE = np.random.default_rng(3)


def test_one_variable_has_a_common_factor() -> None:
    """Parts keep their proportions and add up, also where they cancel out."""
    parts = CHANCE.normal(size=(50, 4))
    parts[0] = [1.0, -1.0, 2.0, -2.0]
    found = attribute(parts, -0.4, sigmoid)
    gain = sigmoid(-0.4 + parts.sum(axis=1)) - sigmoid(np.array(-0.4))
    np.testing.assert_allclose(found.sum(axis=1), gain, atol=1e-12)
    np.testing.assert_allclose(found[:, 1] / found[:, 0], parts[:, 1] / parts[:, 0])
    slope = sigmoid(np.array(-0.4)) * (1 - sigmoid(np.array(-0.4)))
    np.testing.assert_allclose(found[0], parts[0] * slope, rtol=1e-4)


def test_several_classes_of_which_two_count_are_one_variable() -> None:
    """The integral over two logits is the closed form over their difference."""
    parts = np.zeros((20, 3, 2))
    parts[:, :, 1] = CHANCE.normal(size=(20, 3))

    def slopes(logits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        said = softmax(logits)
        return np.stack([-said[:, 0] * said[:, 1], said[:, 0] * said[:, 1]], axis=1)

    found = attribute_classes(
        parts, np.zeros(2), np.ones(20, dtype=int), function=softmax, slopes=slopes
    )
    np.testing.assert_allclose(found, attribute(parts[:, :, 1], 0.0, sigmoid), atol=1e-9)
