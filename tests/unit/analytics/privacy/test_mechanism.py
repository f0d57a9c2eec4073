"""Noise and budget: what the library does, judged by another one, and what it refuses."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats

from analytics.errors import RequestRefused
from analytics.privacy.mechanism import Drawn, draw, require_library

VALUES = 4_000
SCALE = 20
SENSITIVITY = 10
EPSILON = SENSITIVITY / SCALE


def drawn(
    *, values: int = 1, epsilon: float = EPSILON, spent: float = 0.0, budget: float = 1.0
) -> Drawn:
    """Return noise on zeros."""
    return draw([0] * values, sensitivity=SENSITIVITY, epsilon=epsilon, spent=spent, budget=budget)


def test_noise_is_discrete_laplace() -> None:
    """SciPy's distribution of the same scale, within 12 standard errors or more at each point."""
    noise = np.array(drawn(values=VALUES).values)
    judge = stats.dlaplace(1 / SCALE)
    for point in (-3 * SCALE, -SCALE, -1, 0, SCALE, 3 * SCALE):
        assert abs(np.mean(noise <= point) - judge.cdf(point)) < 0.1
    assert abs(np.mean(np.abs(noise)) - SCALE) < SCALE / 2
    assert noise.dtype.kind == "i"


def test_noise_is_as_accurate_as_it_says() -> None:
    """Some five of 100 values are further away than the accuracy."""
    found = drawn(values=VALUES)
    beyond = np.mean(np.abs(np.array(found.values)) > found.accuracy)
    assert 0.005 < beyond < 0.15
    assert found.accuracy == pytest.approx(SCALE * np.log(20), rel=0.05)


def test_no_two_releases_are_alike() -> None:
    """There is no seed: the same question has another noise."""
    assert drawn(values=100).values != drawn(values=100).values


def test_the_cost_is_what_was_asked_for_and_no_more() -> None:
    """The library's own map of the mechanism: less than asked for, by a billionth."""
    found = drawn(epsilon=0.1)
    assert 0.1 * (1 - 1e-8) < found.epsilon <= 0.1
    assert found.spent == found.epsilon
    assert drawn(epsilon=0.1, spent=0.5).spent == pytest.approx(0.6, rel=1e-8)


def test_ten_tenths_fit_and_an_eleventh_does_not() -> None:
    """The budget is spent to its end, whatever binary fractions say."""
    spent = 0.0
    for _ in range(10):
        spent = drawn(epsilon=0.1, spent=spent).spent
    assert 0.999 < spent <= 1.0
    with pytest.raises(RequestRefused) as refused:
        drawn(epsilon=0.001, spent=spent)
    assert (refused.value.status, refused.value.code) == (409, "privacy_budget_spent")


@pytest.mark.parametrize(("epsilon", "spent"), [(1.1, 0.0), (0.51, 0.5), (0.001, 1.0), (0.1, 7.0)])
def test_more_than_the_budget_is_refused(epsilon: float, spent: float) -> None:
    """By the library, which is told what was spent before."""
    with pytest.raises(RequestRefused, match="nothing was spent"):
        drawn(epsilon=epsilon, spent=spent)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal with the extra's name, and no answer without noise."""
    monkeypatch.setitem(sys.modules, "opendp.combinators", None)
    with pytest.raises(RequestRefused, match=r"sunlit\[privacy\]") as refused:
        require_library()
    assert (refused.value.status, refused.value.code) == (404, "extra_missing")
