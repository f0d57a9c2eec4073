"""Misuse in a town, as published descriptions of laundering have it, each with its own numbers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from scripts.markets.payments import Label, Planned, pay
from scripts.markets.plan import MarketPlan, needed
from scripts.markets.town import DAY_MS, HOUR_MS, Town

LISTED_NAMES: Final = (
    "Viktor Alekseevich Morozov",
    "Al Noor General Contracting",
    "Blue Lotus Shipping",
    "Sergei Pavlovich Antonenko",
)
SLEEP_DAYS: Final = 32
"""How long a sleeper sleeps at least; shorter markets have none."""
FIRST_DAY: Final = 6
"""Day before which nothing is planted."""
TOWN_DAYS_MIN: Final = FIRST_DAY + 8

Drawn = tuple[list[str], list[Planned]]
"""Accomplices and payments."""


def plan_town(*, days: int, accounts: int, seed: int, rate: float) -> MarketPlan:
    """Return the town of a seed; ``accounts`` counts its people, ``rate`` as in the first style.

    Raises:
        ValueError: too few people or days.
    """
    if days < TOWN_DAYS_MIN:
        raise ValueError(f"a town lives at least {TOWN_DAYS_MIN} days")
    random = Random(f"town {seed}")
    town = Town(accounts, days, random)
    each = max(1, round(rate * accounts))
    crooks = _Crooks(town, random, centres=each * len(PATTERNS))
    labels: list[Label] = []
    for typology, pattern in PATTERNS.items():
        if typology == "dormant" and days < SLEEP_DAYS + TOWN_DAYS_MIN:
            continue
        for _ in range(each):
            account, number = crooks.centres.pop(), len(labels)
            accomplices, payments = pattern(crooks, account, number)
            crooks.planted += payments
            labels.append(Label(number, typology, account, tuple(accomplices)))
    end_ms = days * DAY_MS
    everyday = [p for p in town.live() if p.time_ms < end_ms and not crooks.would_wake(p)]
    payments = sorted(everyday + crooks.planted)
    held = needed(town.cast, payments, {})
    return MarketPlan(
        seed=seed,
        days=days,
        cast=town.cast,
        held={name: max(fen, crooks.held.get(name, 0)) for name, fen in held.items()},
        payments=payments,
        labels=labels,
        listed_names=LISTED_NAMES,
    )


class _Crooks:
    """Who is at the centre of a pattern, who helps, and what they pay."""

    def __init__(self, town: Town, random: Random, *, centres: int) -> None:
        people = random.sample(town.people, k=len(town.people))
        self.centres, self._helpers = people[:centres], people[centres:]
        self.random, self._days = random, town.days
        self.planted: list[Planned] = []
        self.held: dict[str, int] = {}
        self.asleep: dict[str, float] = {}
        """Until when an account does nothing, milliseconds."""

    def helpers(self, count: int) -> list[str]:
        """Return that many who are at the centre of nothing.

        Raises:
            ValueError: the town is too small for so many patterns.
        """
        if count > len(self._helpers):
            raise ValueError("too few people for so many patterns")
        return self.random.sample(self._helpers, k=count)

    def start(self, first_day: int = FIRST_DAY) -> float:
        """Return a moment at which a pattern may begin, in the day time."""
        day = self.random.randrange(first_day, self._days - 5)
        return day * DAY_MS + self.random.uniform(7, 20) * HOUR_MS

    def times(self, count: int, began_ms: float, span_ms: float) -> list[float]:
        """Return that many moments of a span, in order."""
        return sorted(began_ms + self.random.uniform(0, span_ms) for _ in range(count))

    def would_wake(self, payment: Planned) -> bool:
        """Tell whether an everyday payment would wake a sleeper."""
        return any(
            payment.time_ms <= self.asleep.get(name, -1)
            for leg in payment.legs
            for name in (leg.payer, leg.payee)
        )


def _structuring(crooks: _Crooks, account: str, number: int) -> Drawn:
    """One pays a few, or several pay one, 9,000 to 9,999 each time."""
    random = crooks.random
    gathers = random.random() < 0.3
    others = crooks.helpers(random.choice((2, 3, 4)) if gathers else random.choice((1, 1, 2, 4)))
    times = crooks.times(random.randint(5, 10), crooks.start(), random.uniform(0.2, 2.5) * DAY_MS)
    payments = []
    for place, at_ms in enumerate(times):
        other, fen = others[place % len(others)], random.randint(9_000_00, 9_999_99)
        ends = (other, account) if gathers else (account, other)
        payments.append(pay(at_ms, *ends, fen, "", number))
    return others, payments


def _fan(crooks: _Crooks, account: str, number: int, *, gathers: bool) -> Drawn:
    random = crooks.random
    others, typical = crooks.helpers(random.randint(8, 20)), random.uniform(500_00, 8_000_00)
    variety = random.choice((0.05, 0.3, 0.6))
    times = crooks.times(len(others), crooks.start(), random.choice((0.1, 1, 2)) * DAY_MS)
    payments = []
    for at_ms, other in zip(times, others, strict=True):
        fen = typical * random.uniform(1 - variety, 1 + variety)
        ends = (other, account) if gathers else (account, other)
        payments.append(pay(at_ms, *ends, fen, "", number))
    return others, payments


def _fan_in(crooks: _Crooks, account: str, number: int) -> Drawn:
    return _fan(crooks, account, number, gathers=True)


def _fan_out(crooks: _Crooks, account: str, number: int) -> Drawn:
    return _fan(crooks, account, number, gathers=False)


def _round_trip(crooks: _Crooks, account: str, number: int) -> Drawn:
    """Two to six accounts; every one keeps up to a twentieth."""
    random = crooks.random
    others = crooks.helpers(random.randint(1, 5))
    fen, at_ms = random.uniform(3_000_00, 60_000_00), crooks.start()
    hop_ms = random.choice((1, 6, 20)) * HOUR_MS
    payments = []
    for payer, payee in zip([account, *others], [*others, account], strict=True):
        payments.append(pay(at_ms, payer, payee, fen, "", number))
        fen *= random.uniform(0.95, 1)
        at_ms += hop_ms * random.uniform(0.5, 1.2)
    return others, payments


def _pass_through(crooks: _Crooks, account: str, number: int) -> Drawn:
    random = crooks.random
    source, *sinks = others = crooks.helpers(1 + random.choice((1, 1, 2, 3)))
    at_ms, payments = crooks.start(), []
    for _ in range(random.choice((1, 1, 2))):
        fen, share = random.uniform(4_000_00, 60_000_00), random.uniform(0.9, 0.99)
        payments.append(pay(at_ms, source, account, fen, "", number))
        for sink in sinks:
            later_ms = at_ms + random.uniform(0.3, 2.5) * HOUR_MS
            payments.append(pay(later_ms, account, sink, fen * share / len(sinks), "", number))
        at_ms += random.uniform(0.5, 2) * DAY_MS
    return others, payments


def _dormant(crooks: _Crooks, account: str, number: int) -> Drawn:
    """Money comes to a sleeper and goes on, or what he held all the time goes."""
    random = crooks.random
    woken_ms = crooks.start(SLEEP_DAYS + 2)
    crooks.asleep[account] = woken_ms
    source, *payees = others = crooks.helpers(1 + random.randint(1, 4))
    sums = [random.uniform(3_000_00, 15_000_00) for _ in payees]
    payments, at_ms = [], woken_ms + HOUR_MS
    crooks.held[account] = int(sum(sums) * random.uniform(1.1, 3))
    if random.random() < 0.5:
        payments.append(pay(woken_ms, source, account, sum(sums) * 0.8, "", number))
    for payee, fen in zip(payees, sums, strict=True):
        payments.append(pay(at_ms, account, payee, fen, "", number))
        at_ms += random.uniform(0.1, 5) * HOUR_MS
    return others, payments


def _velocity(crooks: _Crooks, account: str, number: int) -> Drawn:
    random = crooks.random
    others = crooks.helpers(random.choice((1, 3, 8)))
    times = crooks.times(random.randint(20, 50), crooks.start(), random.uniform(0.3, 3) * HOUR_MS)
    return others, [
        pay(at_ms, account, random.choice(others), random.uniform(20_00, 300_00), "", number)
        for at_ms in times
    ]


def _round_amounts(crooks: _Crooks, account: str, number: int) -> Drawn:
    random = crooks.random
    others = crooks.helpers(random.choice((1, 3, 6)))
    times = crooks.times(random.randint(5, 12), crooks.start(), random.uniform(0.3, 2.5) * DAY_MS)
    sums = (1_000_00, 2_000_00, 3_000_00, 5_000_00, 10_000_00, 20_000_00)
    return others, [
        pay(at_ms, account, random.choice(others), random.choice(sums), "", number)
        for at_ms in times
    ]


def _sanctioned(crooks: _Crooks, account: str, number: int) -> Drawn:
    random = crooks.random
    (other,), name = crooks.helpers(1), random.choice(LISTED_NAMES)
    place = random.randrange(1, len(name) - 1)
    written = random.choice((name, name.upper(), name[:place] + name[place + 1 :]))
    text = random.choice(("payment {}", "{}", "for {} invoice 12")).format(written)
    return [other], [
        pay(crooks.start(), account, other, random.uniform(300_00, 9_000_00), text, number)
    ]


PATTERNS: Final[dict[str, Callable[[_Crooks, str, int], Drawn]]] = {
    "structuring": _structuring,
    "fan_in": _fan_in,
    "fan_out": _fan_out,
    "round_trip": _round_trip,
    "pass_through": _pass_through,
    "dormant": _dormant,
    "velocity": _velocity,
    "round_amounts": _round_amounts,
    "sanctioned": _sanctioned,
}
