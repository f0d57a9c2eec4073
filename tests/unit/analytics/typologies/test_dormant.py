"""Dormant accounts that wake, on hand-made cases, and the everyday life that looks like it."""

from __future__ import annotations

from tests.unit.analytics.story import settled


def test_a_sleeper_that_pays_all_away_is_seen() -> None:
    """Forty days of silence, then most of the balance to a stranger."""
    story = settled("sleeper")
    story.wait(days=40)
    story.pay("sleeper", "user25", 9_000_000)
    assert story.told("dormant") == {"sleeper"}


def test_waking_by_a_receipt_counts_too() -> None:
    """Money comes to a sleeper first, and goes a day later."""
    story = settled("sleeper")
    story.pay("sleeper", "user1", 9_990_000)
    story.wait(days=40)
    story.pay("user2", "sleeper", 50_000)
    story.wait(days=1)
    story.pay("sleeper", "user25", 45_000)
    assert "sleeper" in story.told("dormant")


def test_a_small_payment_after_a_pause_is_everyday_life() -> None:
    """Little of the balance is touched."""
    story = settled("sleeper")
    story.wait(days=40)
    story.pay("sleeper", "user25", 200)
    assert story.told("dormant") == set()
