"""Facts in the words of reasons: a unit that fits, and no ratio that nobody can read."""

from __future__ import annotations

import pytest

from analytics.typologies.wording import times, within


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "in one block"),
        (400, "within a second"),
        (1_000, "within a second"),
        (12_000, "within 12 seconds"),
        (119_000, "within 119 seconds"),
        (120_000, "within 2 minutes"),
        (5_400_000, "within 90 minutes"),
        (20_880_000, "within 5.8 hours"),
        (172_800_000, "within 2.0 days"),
    ],
)
def test_a_span_is_told_in_a_unit_that_fits(span_ms: int, text: str) -> None:
    """Nothing takes 0.0 hours."""
    assert within(span_ms) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "1.0 times"),
        (7.26, "7.3 times"),
        (42.4, "42 times"),
        (1_000, "1,000 times"),
        (194_610.2, "over 1,000 times"),
    ],
)
def test_a_ratio_is_told_as_far_as_it_means_something(ratio: float, text: str) -> None:
    """A past that is next to nothing makes ratios that only say so."""
    assert times(ratio) == text
