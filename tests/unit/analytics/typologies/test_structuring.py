"""Structuring on hand-made cases, and the everyday life that looks like it."""

from __future__ import annotations

from decimal import Decimal

from analytics.typologies.parameters import StructuringParameters, TypologyParameters
from tests.unit.analytics.story import CROWD, Story, settled


def test_structuring_is_seen_under_a_threshold() -> None:
    """Four payments of nearly 10,000 to one payee in a day, and nothing beside them."""
    story = settled("anna")
    for amount in (9_500, 9_800, 9_700, 9_900):
        story.pay("anna", "user9", amount)
        story.wait(hours=3)
    assert story.told("structuring") == {"anna"}
    alert = next(alert for alert in story.alerts if alert.typology == "structuring")
    assert "just under 10,000.00 CNY" in alert.reasons[0].text
    assert len(alert.transactions) >= 3


def test_amounts_on_both_sides_of_a_threshold_are_no_structuring() -> None:
    """Wages spread around the threshold; so are an employer's payments."""
    story = settled("employer")
    for number in range(30):
        story.pay("employer", CROWD[number], 7_000 + 250 * number)
        story.wait(minutes=1)
    assert story.told("structuring") == set()


def test_legs_of_one_transaction_are_one_payment() -> None:
    """A payroll of many like wages is one decision."""
    story = settled("employer")
    story.batch([("employer", payee, 9_500.0) for payee in CROWD])
    assert story.alerts == []


def test_a_named_asset_has_thresholds_of_its_own() -> None:
    """What is near the threshold of every other asset says nothing where the regulator set another."""
    parameters = TypologyParameters(
        structuring=StructuringParameters(thresholds={"CNY": (Decimal(2_000),)})
    )
    story = Story(["anna", *CROWD], parameters=parameters)
    for _ in range(4):
        story.pay("anna", "user9", 9_800)
    assert story.told("structuring") == set()
    for _ in range(4):
        story.pay("anna", "user9", 1_950)
    assert story.told("structuring") == {"anna"}


def test_several_who_pay_one_account_just_under_a_threshold_are_seen_there() -> None:
    """Three smurfs bring what their principal would have to report."""
    story = settled("anna")
    for payer in ("user20", "user21", "user22", "user20"):
        story.pay(payer, "anna", 9_700)
        story.wait(hours=3)
    assert story.told("structuring") == {"anna"}


def test_one_who_splits_answers_for_it_not_his_payee() -> None:
    """Where all comes from a single payer the warning is about him alone."""
    story = settled("anna", "bert")
    for _ in range(4):
        story.pay("anna", "bert", 9_700)
        story.wait(hours=3)
    assert story.told("structuring") == {"anna"}


def test_fees_of_one_price_that_come_every_month_are_no_structuring() -> None:
    """A school is paid 9,500 by many; the first month alone is news."""
    story = settled("school")
    for month in range(3):
        if month == 1:
            story.alerts.clear()
        for payer in CROWD[10:20]:
            story.pay(payer, "school", 9_500)
        story.wait(days=10)
    assert story.told("structuring") == set()
