"""Fans on hand-made cases, and the everyday life that looks like them."""

from __future__ import annotations

from random import Random

import pytest

from analytics.typologies.parameters import FanInParameters, TypologyParameters
from tests.unit.analytics.story import CROWD, Story, settled


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


def test_days_of_shopping_are_no_fan_out_and_no_spike() -> None:
    """Sixteen new shops in a few hours; sixteen people who are paid as much are both."""
    shops, people = [f"shop{number}" for number in range(16)], CROWD[20:36]
    story = settled("anna", "bert", *shops)
    for shop in shops:
        for payer in CROWD[:12]:
            story.pay(payer, shop, 30)
            story.wait(minutes=10)
    story.wait(days=2)
    for place in range(16):
        story.pay("anna", shops[place], 45.5)
        story.pay("bert", people[place], 45.5)
        story.wait(minutes=10)
    assert story.told("fan_out") == {"bert"}
    assert story.told("velocity") == {"bert"}


def test_nobody_is_a_shop_where_everybody_pays_everybody() -> None:
    """A dozen who are paid at once are told of, although each of them has had many payers."""
    people = CROWD[:24]
    story = Story(["anna", *people])
    for step in range(1, 24):
        for place, payer in enumerate(people):
            story.pay(payer, people[(place + step) % 24], 50)
    story.alerts.clear()
    for payee in people[:12]:
        story.pay("anna", payee, 400)
    assert story.told("fan_out") == {"anna"}


@pytest.mark.parametrize(("hours", "told"), [(0.0, {"mule"}), (168.0, set())])
def test_a_regulator_may_wait_for_a_habit(hours: float, told: set[str]) -> None:
    """Rents of a market's first days are a fan; with a least past of a week they are not yet one."""
    parameters = TypologyParameters(fan_in=FanInParameters(past_hours_min=hours))
    story = Story(["mule", *CROWD], parameters=parameters)
    story.wait(days=3)
    for payer in CROWD[:12]:
        story.pay(payer, "mule", 300)
        story.wait(minutes=20)
    assert story.told("fan_in") == told
    story.wait(days=8)
    story.alerts.clear()
    for payer in CROWD[20:40]:
        story.pay(payer, "mule", 300)
        story.wait(minutes=20)
    assert story.told("fan_in") == ({"mule"} if not told else set())


@pytest.mark.parametrize(("chance_max", "fewest", "most"), [(0.3, 0, 1), (1e9, 3, 6)])
def test_a_shops_first_mornings_are_no_fan(chance_max: float, fewest: int, most: int) -> None:
    """Sixty people shop by day and sleep by night: customers are new for days, and come in the mornings."""
    shops = ["bakery", "grocer", "chemist", "tailor", "cobbler", "cinema"]
    people = [f"buyer{number}" for number in range(60)]
    parameters = TypologyParameters(fan_in=FanInParameters(chance_max=chance_max))
    random, story = Random(5), Story([*shops, *people], parameters=parameters)
    for _day in range(4):
        story.wait(hours=8)
        for _ in range(90):
            story.pay(random.choice(people), random.choice(shops), random.randint(5, 90))
            story.wait(minutes=8)
        story.wait(hours=4)
    assert fewest <= len(story.told("fan_in")) <= most
