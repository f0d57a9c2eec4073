"""Everyday life: wages, rent, shops, bills, friends, suppliers, sweeps and seasons.

Nothing here knows the rules that detection uses; some of it looks suspicious all the same, as life
does: a flat is bought, friends collect for a present, a firm pays its wages one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Final

from scripts.markets.cast import Party, of_role
from scripts.markets.payments import Planned, PlannedLeg, pay

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MONTH_DAYS: Final = 30

_HOURS: Final = tuple(range(24))
_DAYTIME: Final = (
    1,
    1,
    0.5,
    0.3,
    0.3,
    0.5,
    2,
    5,
    8,
    9,
    10,
    11,
    13,
    11,
    9,
    8,
    9,
    12,
    14,
    13,
    10,
    7,
    4,
    2,
)
"""How busy each hour is."""
_GOODS: Final = ("groceries", "lunch", "books", "clothes", "coffee", "pharmacy", "fuel", "toys", "")


class Life:
    """Everyday payments of a cast over some days."""

    def __init__(self, cast: dict[str, Party], days: int, random: Random) -> None:
        self._cast = cast
        self._days = days
        self._random = random
        self._takings: dict[str, int] = {}

    def payments(self) -> Iterator[Planned]:
        """Yield everyday payments, day by day and within a day in no order."""
        for day in range(self._days):
            yield from self._people(day)
            yield from self._employers(day)
            yield from self._shops(day)
            yield from self._trade(day)
            yield from self._treasuries(day)
            yield from self._rarities(day)

    def moment(self, day: int) -> int:
        """Return a moment of a day when people are up, milliseconds since the market began."""
        hour = self._random.choices(_HOURS, _DAYTIME)[0]
        return day * DAY_MS + hour * HOUR_MS + self._random.randrange(HOUR_MS)

    def _season(self, day: int) -> float:
        """Return how much is bought on a day: weekends, paydays, and a slow wave over the year."""
        weekend = 1.5 if day % 7 >= 5 else 1.0
        payday = 1.25 if day % MONTH_DAYS >= 26 else 1.0
        return weekend * payday * (1 + 0.25 * math.sin(2 * math.pi * day / 91))

    def _people(self, day: int) -> Iterator[Planned]:
        random = self._random
        for person in of_role(self._cast, "person"):
            for _ in range(_poisson(random, 1.1 * person.size * self._season(day))):
                yield self._purchase(person, day)
            if day % MONTH_DAYS == person.rent_day:
                rent = round(person.wage * random.uniform(0.22, 0.35), -4)
                yield pay(self.moment(day), person.name, person.landlord, max(500_00, rent), "rent")
            if day % MONTH_DAYS == person.bill_day:
                utility = f"utility{1 + len(person.friends) % 3}"
                yield pay(self.moment(day), person.name, utility, random.uniform(6e3, 4e4), "bill")
            if random.random() < 0.08:
                friend = random.choice(person.friends)
                amount = random.choice((20, 50, 66, 88, 100, 128, 200, 500)) * 100
                yield pay(self.moment(day), person.name, friend, amount, "thanks")

    def _purchase(self, person: Party, day: int) -> Planned:
        random = self._random
        place = min(int(random.expovariate(0.6)), len(person.haunts) - 1)
        shop = person.haunts[place]
        if random.random() < 0.07:
            shop = random.choice(of_role(self._cast, "shop")).name
        amount = int(random.lognormvariate(math.log(42_00), 0.9))
        self._takings[shop] = self._takings.get(shop, 0) + amount
        return pay(self.moment(day), person.name, shop, amount, random.choice(_GOODS))

    def _employers(self, day: int) -> Iterator[Planned]:
        random = self._random
        for place, employer in enumerate(of_role(self._cast, "employer")):
            if day % MONTH_DAYS != 24 + place % 4:
                continue
            began_ms = day * DAY_MS + 10 * HOUR_MS + random.randrange(3 * HOUR_MS)
            wages = [
                PlannedLeg(
                    employer.name, person.name, int(person.wage * random.uniform(0.97, 1.05))
                )
                for person in of_role(self._cast, "person")
                if person.employer == employer.name
            ]
            if employer.pays_in_batches and wages:
                yield Planned(began_ms, tuple(wages), "wages", -1)
                continue
            for number, wage in enumerate(wages):
                yield Planned(began_ms + number * 9_000, (wage,), "wages", -1)

    def _shops(self, day: int) -> Iterator[Planned]:
        random = self._random
        for place, shop in enumerate(of_role(self._cast, "shop")):
            if (day + place) % 7 == 2:
                takings = self._takings.pop(shop.name, 0)
                for supplier in shop.haunts[: random.randint(1, len(shop.haunts))]:
                    amount = takings * random.uniform(0.15, 0.35)
                    yield pay(
                        self.moment(day), shop.name, supplier, amount, f"invoice {day}{place}"
                    )
            if random.random() < 0.1:
                customer = random.choice(of_role(self._cast, "person"))
                amount = random.lognormvariate(math.log(60_00), 0.7)
                yield pay(self.moment(day), shop.name, customer.name, amount, "refund")

    def _trade(self, day: int) -> Iterator[Planned]:
        random = self._random
        for supplier in of_role(self._cast, "supplier"):
            for other in supplier.haunts:
                if random.random() < 0.12:
                    amount = random.lognormvariate(math.log(9_000_00), 0.9)
                    yield pay(self.moment(day), supplier.name, other, amount, f"order {day}")
            if random.random() < 0.1:
                employer = random.choice(of_role(self._cast, "employer"))
                amount = random.lognormvariate(math.log(30_000_00), 0.8)
                yield pay(self.moment(day), employer.name, supplier.name, amount, "materials")
        for employer in of_role(self._cast, "employer"):
            if random.random() < 0.3:
                amount = random.lognormvariate(math.log(60_000_00), 0.7)
                buyer = random.choice(
                    [*of_role(self._cast, "shop"), *of_role(self._cast, "supplier")]
                )
                yield pay(self.moment(day), buyer.name, employer.name, amount, "goods")

    def _treasuries(self, day: int) -> Iterator[Planned]:
        random = self._random
        for treasury in of_role(self._cast, "treasury"):
            firms = [
                party
                for party in self._cast.values()
                if party.bank == treasury.bank and party.role in ("shop", "utility")
            ]
            for firm in firms:
                if day % 7 == 4:
                    swept = random.lognormvariate(math.log(5_000_00), 0.5)
                    at_ms = day * DAY_MS + 18 * HOUR_MS + random.randrange(HOUR_MS // 4)
                    yield pay(at_ms, firm.name, treasury.name, swept, "sweep")
                if day % 7 == 0 and random.random() < 0.5:
                    lent = random.randint(1, 20) * 1_000_00
                    at_ms = day * DAY_MS + 8 * HOUR_MS + random.randrange(HOUR_MS // 4)
                    yield pay(at_ms, treasury.name, firm.name, lent, "funding")

    def _rarities(self, day: int) -> Iterator[Planned]:
        """Yield what is rare and honest, and looks like something else."""
        random = self._random
        people = of_role(self._cast, "person")
        if random.random() < len(people) * 0.0004:
            buyer, seller = random.sample(people, k=2)
            amount = random.uniform(30_000_00, 180_000_00)
            yield pay(self.moment(day), buyer.name, seller.name, amount, "car")
        if random.random() < len(people) * 0.0003:
            collector = random.choice(people)
            for friend in collector.friends:
                given = random.choice((20, 50, 100)) * 100
                yield pay(self.moment(day), friend, collector.name, given, "present for Mei")
        if random.random() < len(people) * 0.0005:
            person = random.choice(people)
            for shop in random.sample(of_role(self._cast, "shop"), k=4):
                amount = random.lognormvariate(math.log(800_00), 0.6)
                yield pay(self.moment(day), person.name, shop.name, amount, "moving house")


def _poisson(random: Random, mean: float) -> int:
    """Return a Poisson number (Knuth, The Art of Computer Programming, 3.4.1)."""
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count
