"""A second style of market: another hand's idea of everyday life and misuse, to judge the rules anew.

It shares no code with the first. What is hard here is honest: households' and firms' first month, a
marketplace that gathers and pays out, a payroll company that passes wages on, treasuries that lend
to one another, supplier rings, refunds, loans that buy a car the same day.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

from scripts.markets.cast import BANKS, Party
from scripts.markets.payments import Planned, PlannedLeg, pay

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
PEOPLE_MIN: Final = 60
"""Fewest people that make a town."""

PAYDAYS: Final = (1, 5, 10, 15, 25, 28)
"""Days of the month on which firms pay wages."""
MONTH_DAYS: Final = 30
WORKDAYS: Final = 5
"""Days of a week on which offices pay."""
TEXTS: Final = ("", "", "lunch", "thanks", "blue jeans", "golden gate cafe", "tickets", "books")
"""What people write; some words are in listed names too."""


class Town:
    """Everybody in it and all that they pay in everyday life. Amounts are fen, times milliseconds."""

    def __init__(self, people: int, days: int, random: Random) -> None:
        """Draw the cast.

        Raises:
            ValueError: too few people.
        """
        if people < PEOPLE_MIN:
            raise ValueError(f"a town has at least {PEOPLE_MIN} people")
        self.random, self.days = random, days
        self.cast: dict[str, Party] = {}
        self.payments: list[Planned] = []
        self.people = self._parties("person", "user", people)
        self.firms = self._parties("firm", "institution", max(6, people // 18))
        self.shops = self._parties("shop", "institution", max(8, people // 10))
        self.suppliers = self._parties("supplier", "institution", 8)
        self.landlords = self._parties("landlord", "user", max(3, people // 40))
        self.treasuries = self._parties("treasury", "treasury", len(BANKS))
        (self.market,) = self._parties("marketplace", "innovator", 1)
        (self.payroll,) = self._parties("payroll", "innovator", 1)
        self._holiday = random.randrange(days)
        for name in self.people:
            self._introduce(self.cast[name])

    def live(self) -> list[Planned]:
        """Return everyday payments of all days."""
        for day in range(self.days):
            for firm in (*self.firms, *self.shops):
                self._pay_wages(firm, day)
                self._buy(firm, day)
            for name in self.people:
                self._shop(name, day)
                self._meet(name, day)
                self._settle_bills(name, day)
            self._trade(day)
            self._bank(day)
        return self.payments

    def _parties(self, role: str, kind: str, count: int) -> list[str]:
        names = [f"{role}{number}" for number in range(1, count + 1)]
        for place, name in enumerate(names):
            bank = BANKS[place] if role == "treasury" else self.random.choice(BANKS)
            self.cast[name] = Party(name=name, role=role, bank=bank, kind=kind)
            self.cast[name].bill_day = self.random.choice(PAYDAYS)
        return names

    def _introduce(self, person: Party) -> None:
        random = self.random
        person.employer = random.choice([*self.firms, *self.shops])
        person.wage = round(self._about(9_000, 0.4), random.choice((-4, -4, -5, 0)))
        person.landlord, person.rent_day = random.choice(self.landlords), random.randrange(5)
        person.haunts = random.sample(self.shops, k=4)
        person.friends = random.sample([name for name in self.people if name != person.name], k=5)

    def _about(self, yuan: float, spread: float) -> int:
        """Return a log-normal amount around a median."""
        return int(self.random.lognormvariate(math.log(yuan * 100), spread))

    def _at(self, day: float, first_hour: float = 8, last_hour: float = 21) -> float:
        return day * DAY_MS + self.random.uniform(first_hour, last_hour) * HOUR_MS

    def _pay(self, at_ms: float, payer: str, payee: str, fen: float, text: str = "") -> None:
        if payer != payee:
            self.payments.append(pay(at_ms, payer, payee, fen, text))

    def _batch(self, at_ms: float, payer: str, sums: dict[str, int], text: str) -> None:
        legs = tuple(PlannedLeg(payer, payee, fen) for payee, fen in sums.items())
        if legs:
            self.payments.append(Planned(int(at_ms), legs, text, -1))

    def _pay_wages(self, firm: str, day: int) -> None:
        """One transaction, one by one, or through the payroll company, as the firm is used to."""
        if day % MONTH_DAYS != self.cast[firm].bill_day % MONTH_DAYS:
            return
        staff = {n: self.cast[n].wage for n in self.people if self.cast[n].employer == firm}
        at_ms, habit = self._at(day, 9, 11), sum(map(ord, firm)) % 10
        if habit < 2 and staff:
            self._pay(at_ms, firm, self.payroll, sum(staff.values()) * 1.01, "payroll")
            self._batch(at_ms + HOUR_MS, self.payroll, staff, "salary")
        elif habit < 4:
            for place, (name, wage) in enumerate(staff.items()):
                self._pay(at_ms + place * 30_000, firm, name, wage, "salary")
        else:
            self._batch(at_ms, firm, staff, "salary")

    def _shop(self, name: str, day: int) -> None:
        random, haunts = self.random, self.cast[name].haunts
        season = 1.5 if 0 <= self._holiday - day < 4 else 1.0
        while random.random() < 0.45 * season:
            shop = random.choice(haunts if random.random() < 0.8 else self.shops)
            fen = min(random.choice((1, 100)) * self._about(45, 0.9) // 100 * 100 + 50, 2_500_00)
            at_ms = self._at(day)
            self._pay(at_ms, name, shop, fen)
            if random.random() < 0.01:
                self._pay(at_ms + random.uniform(1, 5) * DAY_MS, shop, name, fen, "refund")
        if random.random() < 0.12:
            self._pay(self._at(day), name, self.market, self._about(70, 0.8))

    def _meet(self, name: str, day: int) -> None:
        random, friends = self.random, self.cast[name].friends
        if random.random() < 0.08:
            fen = random.choice((20_00, 50_00, 100_00, 200_00, self._about(35, 0.7)))
            self._pay(self._at(day), name, random.choice(friends), fen, random.choice(TEXTS))
        if 0 <= self._holiday - day < 3 and random.random() < 0.2:
            gift = random.choice((200, 500, 666, 888, 1_000, 2_000)) * 100
            self._pay(self._at(day), name, random.choice(friends), gift, "gift")

    def _settle_bills(self, name: str, day: int) -> None:
        person = self.cast[name]
        if day % MONTH_DAYS == person.rent_day:
            self._pay(self._at(day), name, person.landlord, round(person.wage * 0.3, -4), "rent")
        if self.random.random() < 0.3 / self.days / len(self.people) * 10:
            fen, at_ms = round(self._about(30_000, 0.4), -5) + 100_000, self._at(day, 9, 14)
            self._pay(at_ms, self.random.choice(self.treasuries), name, fen, "loan")
            self._pay(
                at_ms + self.random.uniform(1, 6) * HOUR_MS,
                name,
                self.random.choice(self.firms),
                fen,
                "car",
            )

    def _buy(self, firm: str, day: int) -> None:
        if day % 7 < WORKDAYS and self.random.random() < 0.2:
            known = sum(map(ord, firm)) + self.random.randrange(2)
            supplier = self.suppliers[known % len(self.suppliers)]
            text = f"invoice {self.random.randint(1, 9_999)}"
            self._pay(self._at(day, 9, 17), firm, supplier, self._about(6_000, 0.9), text)

    def _trade(self, day: int) -> None:
        """Suppliers buy from one another in a ring; the marketplace pays its sellers."""
        for place, supplier in enumerate(self.suppliers):
            if day % 7 < WORKDAYS and self.random.random() < 0.3:
                other = self.suppliers[(place + self.random.choice((1, 3))) % len(self.suppliers)]
                self._pay(self._at(day, 9, 17), supplier, other, self._about(5_000, 0.8), "goods")
        sellers = self.random.sample([*self.suppliers, *self.shops[:6]], k=6)
        self._batch(
            self._at(day, 6, 6.1), self.market, {s: self._about(600, 0.5) for s in sellers}, "sales"
        )

    def _bank(self, day: int) -> None:
        """Treasuries settle in round sums, both ways."""
        for treasury in self.treasuries:
            for other in self.treasuries:
                if other != treasury and day % 7 < WORKDAYS and self.random.random() < 0.6:
                    fen = round(self._about(500_000, 0.7), -6) + 1_000_000
                    self._pay(self._at(day, 16, 16.5), treasury, other, fen, "settlement")
