"""Spikes of payments on hand-made cases, and the everyday life that looks like them."""

from __future__ import annotations

from tests.unit.analytics.story import CROWD, settled


def test_a_spike_of_payments_is_seen() -> None:
    """Thirty odd payments to old acquaintances in an hour, after one a day."""
    story = settled("anna", days=20)
    for number in range(30):
        story.pay("anna", CROWD[number % 3], 11 + number)
        story.wait(minutes=2)
    assert story.told("velocity") == {"anna"}


def test_a_spike_is_told_of_beside_an_earlier_warning_of_something_else() -> None:
    """The account passed money on some hours before; that explains none of the thirty payments."""
    story = settled("anna", days=20)
    story.pay("user20", "anna", 20_000)
    story.wait(minutes=5)
    story.pay("anna", "user21", 19_500)
    assert story.told("pass_through") == {"anna"}
    story.wait(hours=4)
    for number in range(30):
        story.pay("anna", CROWD[number % 3], 11 + number)
        story.wait(minutes=2)
    assert story.told("velocity") == {"anna"}


def test_a_spike_that_another_pattern_explains_is_not_told_of_twice() -> None:
    """Twenty round payments in an hour are a row of round amounts."""
    story = settled("anna", days=20)
    for number in range(20):
        story.pay("anna", CROWD[number % 3], 5_000)
        story.wait(minutes=2)
    assert story.told("round_amounts") == {"anna"}
    assert story.told("velocity") == set()


def test_a_spike_to_many_is_told_of_as_both() -> None:
    """To whom, and how fast, are two questions: thirty strangers within an hour."""
    story = settled("anna", days=20)
    for payee in CROWD[5:35]:
        story.pay("anna", payee, 11)
        story.wait(minutes=2)
    assert story.told("fan_out") == {"anna"}
    assert story.told("velocity") == {"anna"}


def test_a_habit_is_no_spike() -> None:
    """The same number every week: only the first week was news."""
    story = settled("anna", days=20)
    for week in range(5):
        if week == 1:
            story.alerts.clear()
        for number in range(30):
            story.pay("anna", CROWD[number % 3], 11 + number)
            story.wait(minutes=2)
        story.wait(days=7)
    assert story.told("velocity") == set()
