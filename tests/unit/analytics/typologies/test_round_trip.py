"""Round trips on hand-made cases, and the everyday life that looks like them."""

from __future__ import annotations

import pytest

from tests.unit.analytics.story import CROWD, settled


@pytest.mark.parametrize("length", [3, 4, 5, 6])
def test_money_that_comes_back_is_seen_where_it_started(length: int) -> None:
    """Each hop keeps two per cent; the alert is about the first payer."""
    ring = [f"ring{number}" for number in range(length)]
    story = settled(*ring)
    amount = 30_000.0
    for payer, payee in zip(ring, [*ring[1:], ring[0]], strict=True):
        story.pay(payer, payee, amount)
        story.wait(hours=2)
        amount *= 0.98
    assert story.told("round_trip") == {"ring0"}
    alert = next(alert for alert in story.alerts if alert.typology == "round_trip")
    assert len(alert.transactions) == length


def test_seven_accounts_are_beyond_the_rule() -> None:
    """Cycles of two to six are looked for."""
    ring = [f"ring{number}" for number in range(7)]
    story = settled(*ring)
    for payer, payee in zip(ring, [*ring[1:], ring[0]], strict=True):
        story.pay(payer, payee, 30_000)
    assert story.told("round_trip") == set()


def test_money_must_go_round_in_the_order_of_time() -> None:
    """Payments along a cycle against the order of time move nothing round."""
    story = settled("anna", "bert", "cleo")
    for payer, payee in (("cleo", "anna"), ("bert", "cleo"), ("anna", "bert")):
        story.pay(payer, payee, 30_000)
        story.wait(hours=1)
    assert story.told("round_trip") == set()


def test_two_accounts_are_a_cycle() -> None:
    """A sum that strangers send there and back moved nothing."""
    story = settled("anna", "bert")
    story.pay("anna", "bert", 3_000)
    story.pay("bert", "anna", 2_900)
    assert story.told("round_trip") == {"anna"}


def test_a_refund_is_no_round_trip_but_going_to_and_fro_is() -> None:
    """A shop gives a sum back once; what goes to it and back again is no purchase."""
    story = settled("anna", "shop")
    for customer in CROWD[:12]:
        story.pay(customer, "shop", 70)
    story.pay("anna", "shop", 3_000)
    story.pay("shop", "anna", 3_000)
    assert story.told("round_trip") == set()
    story.pay("anna", "shop", 3_000)
    story.pay("shop", "anna", 3_000)
    assert "anna" in story.told("round_trip")


def test_suppliers_that_always_deal_in_a_ring_are_no_round_trip() -> None:
    """Each pays the other every week; that a week's invoices are alike once is no news."""
    story = settled("anna", "bert", "cleo")
    for week in range(3):
        for payer, payee in (("anna", "bert"), ("bert", "cleo"), ("cleo", "anna")):
            story.pay(payer, payee, 5_000 * (1 + (week + ord(payer[0])) % 3))
            story.wait(days=1)
        story.wait(days=4)
    assert story.told("round_trip") == set()
    for payer, payee in (("anna", "bert"), ("bert", "cleo"), ("cleo", "anna")):
        story.pay(payer, payee, 9_000)
    assert story.told("round_trip") == set()


def test_every_account_of_a_cycle_may_keep_its_fee() -> None:
    """Six accounts, each of which keeps eight per cent: a third is gone when it comes back."""
    names = ["anna", "bert", "cleo", "dora", "emil", "fred"]
    story = settled(*names)
    for place, payer in enumerate(names):
        story.pay(payer, names[(place + 1) % 6], 30_000 * 0.92**place)
        story.wait(hours=20)
    assert story.told("round_trip") == {"anna"}


def test_a_treasury_lends_and_collects() -> None:
    """Liquidity that goes to another bank and back is no round trip, whatever the sum."""
    story = settled("house", "bank", kinds={"house": "treasury", "bank": "treasury"})
    story.pay("house", "bank", 500_000)
    story.pay("bank", "house", 500_000)
    assert story.told("round_trip") == set()


def test_a_sweep_within_a_house_is_no_round_trip() -> None:
    """A treasury funds its own members' accounts and collects again."""
    story = settled("sub1", "sub2", "house", kinds={"house": "treasury"})
    for payer, payee in (("house", "sub1"), ("sub1", "sub2"), ("sub2", "house")):
        story.pay(payer, payee, 50_000)
    assert story.told("round_trip") == set()
