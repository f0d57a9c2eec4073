"""Drift of the market: seasons and growth are none, a changed market is one, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from analytics.alerts import Alert
from analytics.detection import Detector
from analytics.movements import AccountOpened, BlockFacts, Movement
from analytics.typologies.parameters import DAY_MS, HOUR_MS, TypologyParameters
from analytics.typologies.sanctions import SanctionsList

BEGAN_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ACCOUNTS = 60
RULES_OFF = {
    name: {"enabled": False} for name in TypologyParameters.model_fields if name != "drift"
}
CHANGED_DAY = 35


@dataclass(frozen=True)
class Day:
    """What a day of the market is like."""

    amount: float = 60.0
    """Median payment, yuan."""
    payments: float = 30.0
    """Mean number of payments an hour at noon."""
    strangers: float = 0.05
    """Share of payments to anyone at all; the rest goes to one of three acquaintances."""
    accounts: int = ACCOUNTS
    """How many accounts there are."""


def alerts(days: int, day_of: Callable[[int], Day]) -> list[Alert]:
    """Return the alerts of a market with busy noons, quiet nights and large Sundays."""
    random = Random(5)
    detector = Detector(
        TypologyParameters.model_validate(RULES_OFF), SanctionsList([], set()), {"CNY": 2}
    )
    opened = tuple(AccountOpened(f"a{n}", f"bank{n % 3}", "user") for n in range(ACCOUNTS * 4))
    detector.detect(BlockFacts(height=0, time_ms=BEGAN_MS, opened=opened, movements=()))
    told: list[Alert] = []
    for hour in range(24 * days):
        day = day_of(hour // 24)
        is_sunday = (hour // 24) % 7 == 3
        pace = day.payments * (1 - 0.9 * math.cos(math.pi * (hour % 24) / 12)) / 1.9
        movements = tuple(
            _payment(random, day, hour, place, 2.5 if is_sunday else 1.0)
            for place in range(round(pace * random.uniform(0.85, 1.15)))
        )
        facts = BlockFacts(
            height=hour + 1,
            time_ms=BEGAN_MS + (hour + 1) * HOUR_MS,
            opened=(),
            movements=movements,
        )
        told += detector.detect(facts)
    return told


def _payment(random: Random, day: Day, hour: int, place: int, factor: float) -> Movement:
    payer = random.randrange(day.accounts)
    payee = (payer + random.choice((1, 2, 3))) % day.accounts
    if random.random() < day.strangers:
        payee = (payer + random.randrange(1, day.accounts)) % day.accounts
    amount = random.lognormvariate(math.log(day.amount * factor), 0.7)
    txid = f"{hour:032x}{place:032x}"
    return Movement(
        txid, place, 0, "transfer", f"a{payer}", f"a{payee}", "CNY", int(amount * 100), ""
    )


def test_days_and_weeks_are_no_drift() -> None:
    """Nights, noons and Sundays come again; nine weeks of them say nothing."""
    assert alerts(63, lambda day: Day()) == []


def test_a_growing_network_is_no_drift() -> None:
    """Accounts come to it week by week, and each pays as often as the others."""

    def grown(day: int) -> Day:
        accounts = min(4 * ACCOUNTS, ACCOUNTS // 2 + 5 * day)
        return Day(accounts=accounts, payments=accounts / 2)

    assert alerts(56, grown) == []


@pytest.mark.parametrize(
    ("changed", "feature"),
    [
        (Day(amount=150.0), "median_amount"),
        (Day(amount=25.0), "median_amount"),
        (Day(payments=75.0), "payments"),
        (Day(strangers=0.9, accounts=4 * ACCOUNTS), "new_pairs"),
    ],
)
def test_a_changed_market_is_told_within_days_and_then_usual(changed: Day, feature: str) -> None:
    """The alert is about no account, and its reasons add up; two weeks later it is told no more."""
    told = alerts(
        CHANGED_DAY + 14,
        lambda day: changed if day >= CHANGED_DAY else Day(accounts=changed.accounts),
    )
    assert len(told) == 1
    (alert,) = told
    assert (alert.typology, alert.account, alert.model) == ("drift", None, "drift/1")
    assert alert.reasons[0].feature == feature
    assert math.fsum(one.contribution for one in alert.reasons) == pytest.approx(alert.score)
    days = (alert.time_ms - BEGAN_MS) / DAY_MS - CHANGED_DAY
    assert 0 < days < 5
    assert alert.transactions


def test_a_small_change_is_no_alert() -> None:
    """A fifth more is less than what the regulator wants to hear of."""
    assert alerts(CHANGED_DAY + 14, lambda day: Day(amount=72 if day >= CHANGED_DAY else 60)) == []


def test_a_market_in_its_first_weeks_does_not_drift() -> None:
    """Nothing is usual yet."""
    assert alerts(14, lambda day: Day(amount=60 * (1 + day))) == []
