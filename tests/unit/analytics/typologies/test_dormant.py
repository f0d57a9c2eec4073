"""Dormant accounts that wake, on hand-made cases, and the everyday life that looks like it."""

from __future__ import annotations

from random import Random

from tests.unit.analytics.story import CROWD, Story, settled


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


def busy(story: Story, seconds: int) -> None:
    """Let forty people pay one another small sums, a payment a second."""
    random = Random(seconds)
    for _ in range(seconds):
        payer, payee = random.sample(CROWD, 2)
        story.pay(payer, payee, random.randint(20, 900))


def test_a_sleeper_of_a_young_market_is_seen() -> None:
    """Four payments in half a minute, five minutes of silence, then a sum that nobody else pays."""
    story = Story(["sleeper", *CROWD])
    for _ in range(4):
        busy(story, 8)
        story.pay("sleeper", "user1", 300)
    busy(story, 300)
    story.pay("sleeper", "user30", 60_000)
    assert "sleeper" in story.told("dormant")
    reasons = [
        reason.text
        for alert in story.alerts
        if alert.account == "sleeper"
        for reason in alert.reasons
    ]
    assert any(text.startswith("no payment for 5 minutes") for text in reasons), reasons


def test_the_young_and_the_modest_do_not_wake() -> None:
    """Who never paid before begins to; an ordinary sum is an ordinary sum; who paid once has no pace."""
    story = Story(["newcomer", "modest", "once", *CROWD])
    story.pay("once", "user2", 300)
    for _ in range(4):
        busy(story, 8)
        story.pay("user3", "newcomer", 300)
        story.pay("modest", "user1", 300)
    busy(story, 300)
    story.pay("newcomer", "user30", 60_000)
    story.pay("modest", "user30", 400)
    story.pay("once", "user30", 50_000)
    assert story.told("dormant").isdisjoint({"newcomer", "modest", "once"})


def test_much_is_much_whatever_the_account_holds() -> None:
    """After forty days a hundredth of a fortune is more than the market ever sees."""
    story = settled("sleeper", days=60)
    story.wait(days=40)
    story.pay("sleeper", "user25", 100_000)
    assert story.told("dormant") == {"sleeper"}
