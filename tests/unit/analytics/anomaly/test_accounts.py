"""Anomalies of accounts: seen with reasons that add up, silent about everyday life and young markets."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from analytics.alerts import Alert
from analytics.anomaly.accounts import SCORE_STEP
from analytics.typologies.parameters import AnomalyParameters, TypologyParameters
from tests.unit.analytics.story import Story

PEOPLE = [f"person{number}" for number in range(16)]
SHOPS = [f"shop{number}" for number in range(8)]
DAYS = 40
PARAMETERS = AnomalyParameters(sample_min=100)


def live(story: Story, random: Random, days: int) -> None:
    """Let everybody buy something in their two shops, once to thrice a day between 8 and 20 UTC."""
    for _ in range(days):
        story.wait(hours=8)
        began_ms = story.now_ms
        bought = sorted(
            (random.uniform(0, 12), person, SHOPS[(place + random.randrange(2)) % len(SHOPS)])
            for place, person in enumerate(PEOPLE)
            for _ in range(random.randint(1, 3))
        )
        for hours, person, shop in bought:
            story.now_ms = max(story.now_ms, began_ms + int(hours * 3_600_000))
            story.pay(person, shop, random.lognormvariate(4, 0.5))
        story.now_ms = began_ms
        story.wait(hours=16)


def market(days: int = DAYS, *, anomaly: AnomalyParameters = PARAMETERS) -> Story:
    """Return a market with some days behind it."""
    story = Story(
        [*PEOPLE, *SHOPS],
        kinds=dict.fromkeys(SHOPS, "institution"),
        parameters=TypologyParameters(anomaly=anomaly),
    )
    live(story, Random(11), days)
    return story


def take_over(story: Story) -> None:
    """Spend somebody's money at 3 UTC in six shops where the account never was."""
    story.wait(hours=3)
    for number in range(6):
        story.pay("person0", SHOPS[2 + number], 700 + 90 * number)
        story.wait(minutes=2)
    story.wait(hours=20.8)


def anomalies(story: Story) -> list[Alert]:
    """Return the alerts of anomalies."""
    return [alert for alert in story.alerts if alert.typology == "anomaly"]


def test_a_taken_over_account_is_unusual_for_reasons_that_add_up() -> None:
    """No rule names it; the reasons are the measures that moved, with what is usual beside them."""
    story = market()
    assert anomalies(story) == []
    take_over(story)
    assert {alert.typology for alert in story.alerts} == {"anomaly"}
    alert = anomalies(story)[0]
    assert alert.account == "person0"
    assert alert.model == "anomaly/2"
    assert math.fsum(one.contribution for one in alert.reasons) == pytest.approx(alert.score)
    new = next(reason for reason in alert.reasons if reason.feature == "new_payees")
    assert "usually 0" in new.text
    assert len(alert.transactions) == new.value


def test_scores_are_kept_as_they_rise() -> None:
    """Each of a window is a step above the one before, alert or not, and its reasons add up to it."""
    story = market()
    story.scores.clear()
    take_over(story)
    kept = story.scores
    own = [one for one in kept if one.account == "person0"]
    assert own
    assert max(one.score for one in own) >= anomalies(story)[0].score
    for before, after in pairwise([0.0, *(one.score for one in own)]):
        assert after >= before + SCORE_STEP - 1e-9
    for one in kept:
        assert math.fsum(reason.contribution for reason in one.reasons) == pytest.approx(one.score)


@pytest.mark.parametrize("incidents", [1, 3])
def test_few_incidents_are_told_of_with_all_their_parties(incidents: int) -> None:
    """A shop that pays back to friends is one incident with them; another needs a place of its own."""
    few = PARAMETERS.model_copy(update={"accounts_min": incidents, "share_max": 0.0})
    story = market(anomaly=few)
    friends = PEOPLE[12:14]
    story.wait(hours=1)
    for number in range(16):
        story.pay(SHOPS[0], friends[number % 2], 300 + 20 * number)
        story.wait(minutes=1)
    parties = {*friends, SHOPS[0]}
    told = {alert.account for alert in anomalies(story)}
    assert {SHOPS[0]} < told <= parties
    take_over(story)
    others = {alert.account for alert in anomalies(story)} - parties
    assert others == (set() if incidents == 1 else {"person0"})


def test_an_account_is_warned_of_once_in_a_while() -> None:
    """The same the next day is no news, unless it is worse; after the quiet time it is told again."""
    story = market()
    take_over(story)
    told = len(anomalies(story))
    severities = [alert.severity for alert in anomalies(story)]
    assert len(set(severities)) == told
    take_over(story)
    assert len(anomalies(story)) == told


def test_a_young_market_and_a_young_account_say_nothing() -> None:
    """What comes once a month must have had its chance to come."""
    story = market(days=PARAMETERS.past_windows - 2)
    take_over(story)
    assert anomalies(story) == []


def test_a_handful_of_payments_raises_neither() -> None:
    """A network on a desk, a few payments old, has no anomaly and no drift."""
    story = Story(PEOPLE, parameters=TypologyParameters())
    for number in range(12):
        story.pay(PEOPLE[number % 3], PEOPLE[3 + number % 5], 12.5 * (number + 1))
        story.wait(minutes=number)
    assert {alert.typology for alert in story.alerts}.isdisjoint({"anomaly", "drift"})


def test_what_a_rule_names_is_no_anomaly() -> None:
    """A fan-out is told as one, and not once more as something unusual."""
    story = market()
    for number in range(1, 16):
        story.pay("person0", PEOPLE[number], 300 + 7 * number)
    assert "fan_out" in {alert.typology for alert in story.alerts}
    first = min(alert.height for alert in story.alerts if alert.typology == "fan_out")
    assert all(alert.height < first for alert in anomalies(story))


def test_it_can_be_switched_off() -> None:
    """The regulator's parameters decide."""
    story = market(anomaly=AnomalyParameters(enabled=False))
    take_over(story)
    assert anomalies(story) == []


@pytest.mark.parametrize("play", [lambda story: None, take_over])
def test_a_replay_gives_the_same(play: Callable[[Story], None]) -> None:
    """Ids, scores and reasons are equal to the last digit."""
    told = []
    for _ in range(2):
        story = market()
        play(story)
        told.append(story.alerts)
    assert told[0] == told[1]
