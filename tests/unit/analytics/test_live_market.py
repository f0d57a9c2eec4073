"""Detection in a market of minutes: uniform random payments a second apart, patterns within seconds.

Nothing here is shared with the generator of long markets: everybody is a user, payers and payees are
drawn evenly, and nobody has a habit. So what a rule finds here does not rest on how life is drawn
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from analytics.alerts import Alert
from analytics.detection import Detector
from analytics.movements import AccountOpened, BlockFacts, Movement
from analytics.typologies.parameters import TypologyParameters
from analytics.typologies.sanctions import SanctionsList

SEEDS = range(10)
LENGTH_S = 300
FIRST_PATTERN_S = 60
LAST_PATTERN_S = 260
BEGAN_MS = 1_735_689_600_000
EACH = 2
"""Patterns of each typology a market."""
RECALL_MIN = 0.9
RIGHT_MIN = 0.8

MARKETS = ((40, 1.0), (40, 3.0), (100, 1.0), (100, 3.0))
"""Accounts, and everyday payments a second."""


@dataclass
class Scenario:
    """Payments (second, payer, payee, yuan) and who is in which pattern."""

    random: Random
    accounts: list[str]
    payments: list[tuple[float, str, str, float]] = field(default_factory=list)
    planted: list[tuple[str, str]] = field(default_factory=list)
    parties: set[str] = field(default_factory=set)

    def others(self, account: str, count: int) -> list[str]:
        """Return that many accounts beside one."""
        return self.random.sample([one for one in self.accounts if one != account], count)

    def plant(self, typology: str, account: str, *payments: tuple[float, str, str, float]) -> None:
        """Add a pattern whose payments' seconds count from its beginning."""
        began = self.random.uniform(FIRST_PATTERN_S, LAST_PATTERN_S)
        self.payments += [(began + at, payer, payee, yuan) for at, payer, payee, yuan in payments]
        self.planted.append((typology, account))
        self.parties |= {one for _, payer, payee, _ in payments for one in (payer, payee)}


def scenario(seed: int, accounts: int, rate: float) -> Scenario:
    """Return everyday payments at a rate a second, with patterns in between."""
    random = Random(seed)
    made = Scenario(random, [f"account{number}" for number in range(accounts)])
    at = random.expovariate(rate)
    while at < LENGTH_S:
        payer, payee = random.sample(made.accounts, 2)
        made.payments.append((at, payer, payee, random.lognormvariate(6, 1.2)))
        at += random.expovariate(rate)
    centres = random.sample(made.accounts, 7 * EACH)
    for _ in range(EACH):
        for pattern in (sums, fan_in, fan_out, ring, transit, salvo, rounds):
            pattern(made, centres.pop())
    made.payments.sort()
    return made


def sums(made: Scenario, account: str) -> None:
    """Six payments just under 10,000 to one payee."""
    (payee,), random = made.others(account, 1), made.random
    times = sorted(random.uniform(0, 20) for _ in range(6))
    made.plant(
        "structuring",
        account,
        *((at, account, payee, random.uniform(9_000, 9_990)) for at in times),
    )


def fan_in(made: Scenario, account: str) -> None:
    """Twelve pay one."""
    random, payers = made.random, made.others(account, 12)
    made.plant(
        "fan_in",
        account,
        *((random.uniform(0, 20), one, account, random.uniform(300, 2_000)) for one in payers),
    )


def fan_out(made: Scenario, account: str) -> None:
    """One pays twelve."""
    random, payees = made.random, made.others(account, 12)
    made.plant(
        "fan_out",
        account,
        *((random.uniform(0, 20), account, one, random.uniform(300, 2_000)) for one in payees),
    )


def ring(made: Scenario, account: str) -> None:
    """A sum that comes back through three others."""
    members = [account, *made.others(account, 3), account]
    made.plant(
        "round_trip",
        account,
        *(
            (step * 4, payer, payee, 20_000 * 0.98**step)
            for step, (payer, payee) in enumerate(pairwise(members))
        ),
    )


def transit(made: Scenario, account: str) -> None:
    """15,000 come in and 14,500 leave after five seconds."""
    payer, payee = made.others(account, 2)
    made.plant("pass_through", account, (0, payer, account, 15_000), (5, account, payee, 14_500))


def salvo(made: Scenario, account: str) -> None:
    """Forty small payments to five payees in 16 seconds."""
    random, payees = made.random, made.others(account, 5)
    made.plant(
        "velocity",
        account,
        *(
            (number * 0.4, account, random.choice(payees), random.uniform(5, 100))
            for number in range(40)
        ),
    )


def rounds(made: Scenario, account: str) -> None:
    """Eight payments of 5,000."""
    (payee,) = made.others(account, 1)
    made.plant("round_amounts", account, *((n * 3, account, payee, 5_000) for n in range(8)))


def blocks(made: Scenario) -> Iterator[BlockFacts]:
    """Yield a scenario as blocks, one a second."""
    opened = tuple(AccountOpened(account, "bank1", "user") for account in made.accounts)
    yield BlockFacts(height=0, time_ms=BEGAN_MS, opened=opened, movements=())
    held: dict[int, list[Movement]] = {}
    for number, (at, payer, payee, yuan) in enumerate(made.payments):
        block = held.setdefault(int(at) + 1, [])
        fen = int(yuan * 100)
        block.append(
            Movement(f"{number:064x}", len(block), 0, "transfer", payer, payee, "CNY", fen, "")
        )
    for height, movements in held.items():
        yield BlockFacts(
            height=height, time_ms=BEGAN_MS + height * 1_000, opened=(), movements=tuple(movements)
        )


@cache
def judged(accounts: int, rate: float) -> list[tuple[Scenario, list[Alert]]]:
    """Return the scenarios of all seeds with their alerts."""
    found = []
    for seed in SEEDS:
        made = scenario(seed, accounts, rate)
        detector = Detector(TypologyParameters(), SanctionsList([], set()), {"CNY": 2})
        found.append((made, [alert for facts in blocks(made) for alert in detector.detect(facts)]))
    return found


@pytest.mark.parametrize(("accounts", "rate"), MARKETS)
def test_planted_patterns_are_found(accounts: int, rate: float) -> None:
    """Of each typology at least nine in ten get an alert of their kind about their own account."""
    planted: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for made, alerts in judged(accounts, rate):
        warned = {(alert.typology, alert.account) for alert in alerts}
        planted.update(typology for typology, _ in made.planted)
        seen.update(typology for typology, account in made.planted if (typology, account) in warned)
    recall = {typology: seen[typology] / count for typology, count in planted.items()}
    assert len(recall) == 7
    assert min(recall.values()) >= RECALL_MIN, recall


@pytest.mark.parametrize(("accounts", "rate"), MARKETS)
def test_alerts_are_about_parties_of_patterns(accounts: int, rate: float) -> None:
    """At least eight alerts in ten name somebody who is in a pattern."""
    told = [(made, alert) for made, alerts in judged(accounts, rate) for alert in alerts]
    right = sum(alert.account in made.parties for made, alert in told)
    wrong = Counter(alert.typology for made, alert in told if alert.account not in made.parties)
    assert right >= RIGHT_MIN * len(told), wrong
