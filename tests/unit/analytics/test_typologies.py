"""Each typology on a hand-made case, and on the everyday life that looks like it."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from analytics.alerts import Severity
from analytics.typologies.parameters import StructuringParameters, TypologyParameters
from tests.unit.analytics.story import Story

CROWD = [f"user{number}" for number in range(40)]


def settled(*accounts: str, days: int = 10, kinds: dict[str, str] | None = None) -> Story:
    """Return a market whose accounts have led a quiet life for some days."""
    story = Story([*accounts, *CROWD], kinds=kinds)
    for day in range(days):
        for account in accounts:
            story.pay(account, CROWD[day % 3], 80 + day)
        story.wait(days=1)
    return story


# --- Structuring ---------------------------------------------------------------------------------


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


# --- Fans ----------------------------------------------------------------------------------------


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


def test_fan_in_is_seen_at_the_collector() -> None:
    """Twelve strangers pay one account within hours."""
    story = settled("mule")
    for payer in CROWD[:12]:
        story.pay(payer, "mule", 300)
        story.wait(minutes=20)
    assert story.told("fan_in") == {"mule"}


def test_a_fan_of_the_fewest_is_seen_within_a_minute_of_a_young_market() -> None:
    """Eight who pay one within seconds, half of them for the first time, two minutes after the start."""
    story = Story(CROWD[:24])
    for number in range(120):
        story.pay(CROWD[number % 24], CROWD[(number + 1 + number // 24) % 24], 50)
        story.wait(minutes=1 / 60)
    story.alerts.clear()
    for payer in CROWD[15:23]:
        story.pay(payer, CROWD[0], 400)
        story.wait(minutes=1 / 60)
    assert story.told("fan_in") == {CROWD[0]}


def test_fan_out_is_seen_at_the_source() -> None:
    """One account pays twelve strangers within hours."""
    story = settled("source")
    for payee in CROWD[10:22]:
        story.pay("source", payee, 300)
        story.wait(minutes=20)
    assert story.told("fan_out") == {"source"}


def test_a_shop_has_many_payers_every_day() -> None:
    """Customers come steadily, old and new; also on the first day."""
    story = Story(["shop", *CROWD])
    for number in range(400):
        story.pay(CROWD[(number * 7) % 40], "shop", 20 + number % 50)
        story.wait(hours=1)
    assert story.told("fan_in") == set()


def test_an_employer_that_pays_one_by_one_is_told_of_the_first_time() -> None:
    """The second payroll has the first as its precedent."""
    story = settled("employer", days=40, kinds={"employer": "institution"})
    for month in range(3):
        if month == 1:
            story.alerts.clear()
        for payee in CROWD:
            story.pay("employer", payee, 5_432)
            story.wait(minutes=1)
        story.wait(days=28)
    assert story.told("fan_out") == set()


# --- Round trip ----------------------------------------------------------------------------------


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


# --- Pass-through --------------------------------------------------------------------------------


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


# --- Dormant -------------------------------------------------------------------------------------


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


# --- Velocity, round amounts ---------------------------------------------------------------------


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


# --- Sanctions -----------------------------------------------------------------------------------


def test_dealing_with_a_listed_account_is_told_of_the_customer() -> None:
    """Both directions count; the listed account itself is not the news."""
    story = Story(["anna", "bert", "listed"], listed=["listed"])
    story.pay("anna", "listed", 5)
    story.pay("listed", "bert", 5)
    assert story.told("sanctioned") == {"anna", "bert"}
    assert {alert.severity for alert in story.alerts} == {Severity.CRITICAL}


@pytest.mark.parametrize(
    "reference",
    ["to Ivan Petrovich Orlov", "ORLOV, Ivan Petrovich", "consulting Iván Petrovitch Orlov 2026"],
)
def test_a_listed_name_is_found_as_people_write_it(reference: str) -> None:
    """Case, order, accents and a letter more do not hide it."""
    story = Story(["anna", "bert"], names=["Ivan Petrovich Orlov"])
    story.pay("anna", "bert", 5, reference)
    assert story.told("sanctioned") == {"anna"}


@pytest.mark.parametrize("reference", ["", "Ivan", "rent for Petra Orlowski", "invoice 7"])
def test_other_names_are_not(reference: str) -> None:
    """A part of a name, or one a bit like it, is another."""
    story = Story(["anna", "bert"], names=["Ivan Petrovich Orlov"])
    story.pay("anna", "bert", 5, reference)
    assert story.alerts == []


# --- All of them ---------------------------------------------------------------------------------


def test_an_account_is_warned_of_once_in_a_window_unless_it_gets_worse() -> None:
    """Further payments of the pattern repeat no alert; a higher severity does."""
    story = settled("anna")
    for _ in range(12):
        story.pay("anna", "user9", 9_800)
        story.wait(minutes=30)
    severities = [alert.severity for alert in story.alerts if alert.typology == "structuring"]
    assert len(severities) == len(set(severities))
    assert severities == sorted(severities, key=list(Severity).index)


def test_reasons_add_up_to_every_score() -> None:
    """Each alert says why, in sentences, and its shares are the score."""
    story = settled("anna", "mule")
    story.pay("user20", "mule", 20_000)
    story.pay("mule", "user21", 20_000)
    for _ in range(5):
        story.pay("anna", "user9", 9_800)
    assert len(story.alerts) >= 2
    for alert in story.alerts:
        assert math.isclose(sum(reason.contribution for reason in alert.reasons), alert.score)
        assert all(reason.text for reason in alert.reasons)
        assert alert.transactions


def test_a_replay_gives_the_same_alerts() -> None:
    """Ids and all: detection follows from the blocks alone."""

    def tell() -> list[object]:
        story = settled("anna", "mule")
        for payer in CROWD[:12]:
            story.pay(payer, "mule", 300)
        return list(story.alerts)

    assert tell() == tell() != []
