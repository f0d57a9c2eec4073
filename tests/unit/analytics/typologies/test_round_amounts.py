"""Round amounts on hand-made cases, and the everyday life that looks like them."""

from __future__ import annotations

from tests.unit.analytics.story import CROWD, settled


def test_a_row_of_round_amounts_is_seen() -> None:
    """Six round payments of an account that used to pay odd sums."""
    story = settled("anna", days=8)
    for number in range(6):
        story.pay("anna", CROWD[number % 3], 2_000 * (number % 3 + 1))
        story.wait(hours=4)
    assert story.told("round_amounts") == {"anna"}


def test_who_always_pays_round_sums_is_not_told() -> None:
    """Beside its own past nothing is unusual."""
    story = settled("anna", days=4)
    for _ in range(40):
        story.pay("anna", "user1", 2_000)
        story.wait(hours=30)
    story.alerts.clear()
    for _ in range(6):
        story.pay("anna", "user1", 3_000)
        story.wait(hours=4)
    assert story.told("round_amounts") == set()


def test_round_sums_that_come_are_seen_at_who_takes_them() -> None:
    """Three strangers bring six round sums to an account that was paid odd ones."""
    story = settled("keeper")
    for number in range(8):
        story.pay(f"user{number}", "keeper", 81 + number)
        story.wait(days=1)
    for number in range(6):
        story.pay(f"user{20 + number % 3}", "keeper", 5_000 + 1_000 * (number % 3))
        story.wait(hours=2)
    assert "keeper" in story.told("round_amounts")
