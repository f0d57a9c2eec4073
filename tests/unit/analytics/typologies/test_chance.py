"""What chance alone brings about: markets without any purpose, and the figures of other hands."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from scipy.stats import binom

from analytics.typologies.chance import _binomial_tail, at_least
from tests.unit.analytics.story import Story

PEOPLE = [f"person{number}" for number in range(50)]
PAYMENTS = 400


@pytest.mark.parametrize(
    ("least", "tries", "chance"), [(8, 12, 0.1), (1, 1, 0.5), (20, 3_000, 0.001), (40, 60, 0.2)]
)
def test_the_tail_is_that_of_scipy(least: int, tries: int, chance: float) -> None:
    """The sum that ends early is the binomial's survival function."""
    assert _binomial_tail(least, tries, chance) == pytest.approx(
        binom.sf(least - 1, tries, chance), rel=1e-6
    )


def test_a_count_as_expected_is_no_surprise() -> None:
    """What is no more than expected has the probability 1, and so has no event at least."""
    assert _binomial_tail(5, 100, 0.05) == 1.0
    assert at_least(0, 0.3) == 1.0
    assert at_least(2, 0.0) == 0.0
    assert at_least(2, 0.2) == pytest.approx(0.02)


@pytest.mark.parametrize("seed", range(2))
def test_a_market_without_purpose_is_hardly_warned_of(seed: int) -> None:
    """Even amounts up to 5,000 among fifty people, two a second: sums agree all the time by chance."""
    random, story = Random(seed), Story(PEOPLE)
    for _ in range(PAYMENTS):
        payer, payee = random.sample(PEOPLE, 2)
        story.pay(payer, payee, random.randint(100, 500_000) / 100)
    told = Counter(alert.typology for alert in story.alerts)
    assert told.total() <= 3, told


def test_a_sum_that_the_market_does_not_know_is_no_chance() -> None:
    """In the same market 60,000 pass through a mule, and 80,000 come back through two others."""
    random, story = Random(7), Story([*PEOPLE, "mule", "origin", "first", "second"])
    for number in range(PAYMENTS):
        payer, payee = random.sample(PEOPLE, 2)
        story.pay(payer, payee, random.randint(100, 500_000) / 100)
        for account in ("mule", "origin", "first", "second"):
            if number % 50 == 0:
                story.pay(account, payer, random.randint(100, 500_000) / 100)
    story.pay("person1", "mule", 60_000)
    story.pay("mule", "person2", 58_000)
    for payer, payee, yuan in (
        ("origin", "first", 80_000),
        ("first", "second", 79_000),
        ("second", "origin", 78_500),
    ):
        story.pay(payer, payee, yuan)
    assert "mule" in story.told("pass_through")
    assert "origin" in story.told("round_trip")
