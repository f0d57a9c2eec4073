"""Pass-through on hand-made cases, and the everyday life that looks like it."""

from __future__ import annotations

from tests.unit.analytics.story import settled


def test_money_that_leaves_at_once_is_seen_at_the_account_between() -> None:
    """A stranger pays in 20,000; an hour later nearly all of it goes to another stranger."""
    story = settled("mule")
    story.pay("user20", "mule", 20_000)
    story.wait(hours=1)
    story.pay("mule", "user21", 19_500)
    assert story.told("pass_through") == {"mule"}


def test_an_opening_deposit_does_not_hide_what_passes_through() -> None:
    """A single large receipt long before is no habit of receiving."""
    story = settled("mule")
    story.pay("user19", "mule", 900_000)
    story.wait(days=3)
    story.pay("user20", "mule", 20_000)
    story.wait(hours=1)
    story.pay("mule", "user21", 19_500)
    assert story.told("pass_through") == {"mule"}


def test_a_wage_and_the_rent_are_no_pass_through() -> None:
    """The same payer and the same payee month after month."""
    story = settled("anna")
    for _month in range(4):
        story.pay("user30", "anna", 8_000)
        story.wait(hours=5)
        story.pay("anna", "user31", 3_000)
        story.wait(days=30)
    assert story.told("pass_through") == set()


def test_a_wage_spent_and_a_loan_that_buys_are_no_pass_through() -> None:
    """Firms and treasuries at both ends: income, and what it buys; a person at one end is another matter."""
    kinds = {"firm": "institution", "bank": "treasury", "dealer": "institution"}
    story = settled("anna", "bert", *kinds, kinds=kinds)
    story.pay("firm", "anna", 9_000)
    story.pay("bank", "bert", 30_000)
    story.wait(hours=2)
    story.pay("anna", "dealer", 8_500)
    story.pay("bert", "dealer", 30_000)
    assert story.told("pass_through") == set()
    story.pay("bank", "bert", 40_000)
    story.pay("bert", "user25", 39_000)
    assert story.told("pass_through") == {"bert"}


def test_a_firms_trade_is_no_pass_through_and_a_front_is() -> None:
    """Customers pay a shop that pays its supplier; a front takes a stranger's money to another."""
    kinds = {"shop": "institution", "supplier": "institution", "front": "institution"}
    story = settled(*kinds, kinds=kinds)
    story.pay("user20", "shop", 9_000)
    story.pay("user21", "front", 9_000)
    story.wait(hours=2)
    story.pay("shop", "supplier", 8_800)
    story.pay("front", "user22", 8_800)
    assert story.told("pass_through") == {"front"}
