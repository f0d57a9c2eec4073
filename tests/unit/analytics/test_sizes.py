"""Shares of payments by amount, from classes of amounts."""

from __future__ import annotations

import math

import pytest

from analytics.sizes import Sizes


def test_shares_are_those_of_an_even_spread() -> None:
    """Of a thousand amounts from 10 to 10,000 yuan, classes tell shares to a hundredth."""
    sizes = Sizes()
    for yuan in range(10, 10_001, 10):
        sizes.add(yuan * 100)
    assert sizes.count == 1_000
    assert sizes.share_from(500_000) == pytest.approx(0.5, abs=0.01)
    assert sizes.share_within(400_000, 600_000) == pytest.approx(0.2, abs=0.01)


def test_what_never_was_is_counted_once() -> None:
    """Nothing is impossible for being new: one payment more is counted than there was."""
    sizes = Sizes()
    assert sizes.share_from(1) == 1.0
    for _ in range(99):
        sizes.add(1_000)
    assert sizes.share_from(1_000_000) == 1 / 100
    assert sizes.share_within(1, math.inf) == 1.0


def test_the_largest_amount_has_a_class() -> None:
    """Every amount of the ledger's 64 bits fits."""
    sizes = Sizes()
    sizes.add(1)
    sizes.add(2**63 - 1)
    assert sizes.share_from(2**62) == 2 / 3
