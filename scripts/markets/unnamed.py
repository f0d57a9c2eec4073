"""Planted conduct that no rule names: accounts that stop being themselves, told apart by labels.

    a takeover      small hours, shops where the person never was, amounts many times the usual
    refunds         a shop pays back to a few people, again and again, what they never paid
    a side business a person is paid by strangers and pays suppliers

Each stays below what the rules count, so that only a comparison with the account's own past can see it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from scripts.markets.cast import Party, of_role
from scripts.markets.life import DAY_MS, HOUR_MS
from scripts.markets.payments import Label, Planned, pay

TYPOLOGY: Final = "anomaly"
KNOWN_DAYS: Final = 35
"""How long everybody lives as usual before anomalies are planted, days; shorter markets have none."""
LAST_DAYS: Final = 2
"""How long before the end of a market the last one begins, days."""

Conduct = Callable[[dict[str, Party], Party, float, Random, int], tuple[list[str], list[Planned]]]


def plant_anomalies(
    cast: dict[str, Party], days: int, count: int, random: Random, taken: set[str], first: int
) -> tuple[list[Planned], list[Label]]:
    """Return that many anomalies among those who are in no pattern, numbered from ``first`` on."""
    payments: list[Planned] = []
    labels: list[Label] = []
    if days < KNOWN_DAYS + LAST_DAYS + 1:
        return payments, labels
    for number in range(first, first + count):
        role, conduct = CONDUCTS[(number - first) % len(CONDUCTS)]
        unused = [one for one in of_role(cast, role) if one.name not in taken]
        if not unused:
            raise ValueError(
                f"so many patterns leave no {role} without one: more accounts, or a lower rate"
            )
        party = random.choice(unused)
        began_ms = random.uniform(KNOWN_DAYS, days - LAST_DAYS) // 1 * DAY_MS
        others, planned = conduct(cast, party, began_ms, random, number)
        taken |= {party.name, *others}
        payments += planned
        labels.append(Label(number, TYPOLOGY, party.name, tuple(others)))
    return payments, labels


def _takeover(
    cast: dict[str, Party], party: Party, began_ms: float, random: Random, number: int
) -> tuple[list[str], list[Planned]]:
    known = {party.haunts[0], party.employer}
    strange = [shop.name for shop in of_role(cast, "shop") if shop.name not in party.haunts]
    strange = strange or [shop.name for shop in of_role(cast, "shop") if shop.name not in known]
    shops = random.sample(strange, k=min(len(strange), random.randint(3, 6)))
    times = [began_ms + random.uniform(1, 5) * HOUR_MS for _ in range(random.randint(6, 12))]
    return shops, [
        pay(at, party.name, random.choice(shops), random.uniform(300_00, 2_500_00), "", number)
        for at in times
    ]


def _refunds(
    cast: dict[str, Party], party: Party, began_ms: float, random: Random, number: int
) -> tuple[list[str], list[Planned]]:
    friends = [one.name for one in random.sample(of_role(cast, "person"), k=random.randint(2, 4))]
    times = [began_ms + random.uniform(7, 23) * HOUR_MS for _ in range(random.randint(8, 20))]
    return friends, [
        pay(
            at, party.name, random.choice(friends), random.uniform(150_00, 900_00), "refund", number
        )
        for at in times
    ]


def _side_business(
    cast: dict[str, Party], party: Party, began_ms: float, random: Random, number: int
) -> tuple[list[str], list[Planned]]:
    customers = [one.name for one in random.sample(of_role(cast, "person"), k=random.randint(5, 7))]
    customers = [name for name in customers if name != party.name]
    suppliers = [one.name for one in random.sample(of_role(cast, "supplier"), k=2)]
    planned = []
    for _ in range(random.randint(8, 14)):
        at = began_ms + random.uniform(8, 22) * HOUR_MS
        amount = random.uniform(150_00, 900_00)
        planned.append(pay(at, random.choice(customers), party.name, amount, "", number))
    for _ in range(random.randint(3, 5)):
        at = began_ms + random.uniform(8, 22) * HOUR_MS
        amount = random.uniform(200_00, 1_500_00)
        planned.append(pay(at, party.name, random.choice(suppliers), amount, "", number))
    return [*customers, *suppliers], planned


CONDUCTS: Final[tuple[tuple[str, Conduct], ...]] = (
    ("person", _takeover),
    ("shop", _refunds),
    ("person", _side_business),
)
"""Kinds of anomalies, each with the role of those who are planted one; in turn."""
