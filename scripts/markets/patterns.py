"""Planted misuse: each pattern drawn with its own numbers, told apart by labels that only judges see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from scripts.markets.cast import Party, of_role
from scripts.markets.life import DAY_MS, HOUR_MS
from scripts.markets.payments import Label, Planned, pay

MINUTE_MS: Final = 60_000
DORMANT_DAYS: Final = 34
"""How long a planted sleeper sleeps at least; shorter markets have none."""
QUIET_DAYS: Final = 8
"""Days at the start without a pattern: nobody has a past yet."""
LISTED_NAMES: Final = (
    "Ivan Petrovich Orlov",
    "Golden Crane Trading",
    "Farid al-Masri",
    "Li Weiguo",
)
"""The market's sanctions list."""

Pattern = Callable[["Planter", int], tuple[str, tuple[str, ...], list[Planned]]]


class Planter:
    """Draws patterns among a cast; nobody is at the centre of two, or of one and an accomplice."""

    def __init__(self, cast: dict[str, Party], days: int, random: Random, *, centres: int) -> None:
        self.random = random
        self.days = days
        people = [party.name for party in of_role(cast, "person")]
        random.shuffle(people)
        # Apart, so that nobody who is to sleep is woken as another's accomplice.
        self._centres, self._people = people[:centres], people[centres:]
        self._cast = cast
        self.sleepers: dict[str, int] = {}
        """Who does nothing from the beginning until a moment (milliseconds), by name."""
        self.held: dict[str, int] = {}
        """What a sleeper holds meanwhile, fen, by name."""

    def centre(self) -> str:
        """Return a person who is at the centre of no pattern yet."""
        return self._centres.pop()

    def others(self, count: int) -> list[str]:
        """Return that many people who are no centre."""
        return self.random.sample(self._people, k=min(count, len(self._people)))

    def knows(self, name: str) -> list[str]:
        """Return whom a person pays anyway."""
        party = self._cast[name]
        return [*party.haunts, *party.friends]

    def start(self, longest_days: float = 3, earliest_day: float = QUIET_DAYS) -> float:
        """Return a moment from which a pattern of some days fits into the market, milliseconds."""
        return self.random.uniform(earliest_day, self.days - longest_days) * DAY_MS

    def moments(self, count: int, began_ms: float, span_ms: float) -> list[float]:
        """Return that many moments within a span, in order, the first at its beginning."""
        rest = sorted(self.random.uniform(0, span_ms) for _ in range(count - 1))
        return [began_ms, *(began_ms + offset for offset in rest)]


def plant(
    cast: dict[str, Party], days: int, rate: float, random: Random
) -> tuple[list[Planned], list[Label], Planter]:
    """Return the payments and labels of planted patterns.

    ``rate`` is how many of each typology there are, as a share of the people; at least one each.
    """
    each = patterns_each(cast, rate)
    planter = Planter(cast, days, random, centres=each * len(PATTERNS))
    payments: list[Planned] = []
    labels: list[Label] = []
    for typology, pattern in PATTERNS.items():
        if typology == "dormant" and days < DORMANT_DAYS + QUIET_DAYS:
            continue
        for _ in range(each):
            number = len(labels)
            account, accomplices, planned = pattern(planter, number)
            payments.extend(planned)
            labels.append(Label(number, typology, account, accomplices))
    return payments, labels, planter


def patterns_each(cast: dict[str, Party], rate: float) -> int:
    """Return how many patterns of each typology a market has."""
    return max(1, round(rate * len(of_role(cast, "person"))))


def _structuring(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    threshold = random.choice((10_000_00, 10_000_00, 50_000_00))
    payees = planter.others(random.randint(1, 3))
    times = planter.moments(random.randint(4, 10), planter.start(), random.uniform(6, 60) * HOUR_MS)
    return account, tuple(payees), [
        pay(at, account, random.choice(payees), threshold * random.uniform(0.87, 0.997), "", number)
        for at in times
    ]  # fmt: skip


def _fan_in(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payers = planter.others(random.randint(10, 25))
    times = planter.moments(len(payers), planter.start(), random.uniform(1, 40) * HOUR_MS)
    return account, tuple(payers), [
        pay(at, payer, account, random.uniform(200_00, 5_000_00), "", number)
        for at, payer in zip(times, payers, strict=True)
    ]  # fmt: skip


def _fan_out(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payees = planter.others(random.randint(10, 25))
    times = planter.moments(len(payees), planter.start(), random.uniform(1, 40) * HOUR_MS)
    return account, tuple(payees), [
        pay(at, account, payee, random.uniform(200_00, 5_000_00), "", number)
        for at, payee in zip(times, payees, strict=True)
    ]  # fmt: skip


def _round_trip(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    others = planter.others(random.randint(2, 5))
    ring = [account, *others, account]
    amount = random.uniform(4_000_00, 120_000_00)
    times = planter.moments(len(ring) - 1, planter.start(), random.uniform(1, 60) * HOUR_MS)
    planned = []
    for at, payer, payee in zip(times, ring, ring[1:], strict=False):
        planned.append(pay(at, payer, payee, amount, "", number))
        amount *= random.uniform(0.96, 1.0)
    return account, tuple(others), planned


def _pass_through(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payers, payees = planter.others(random.randint(1, 3)), planter.others(random.randint(1, 3))
    arrivals = planter.moments(len(payers), planter.start(), 2 * HOUR_MS)
    amounts = [random.uniform(9_000_00, 90_000_00) for _ in payers]
    leaving = planter.moments(
        len(payees), arrivals[-1] + random.uniform(3, 300) * MINUTE_MS, 3 * HOUR_MS
    )
    share = sum(amounts) * random.uniform(0.9, 0.99) / len(payees)
    return account, (*payers, *payees), [
        *(
            pay(at, payer, account, amount, "", number)
            for at, payer, amount in zip(arrivals, payers, amounts, strict=True)
        ),
        *(
            pay(at, account, payee, share * random.uniform(0.97, 1.0), "", number)
            for at, payee in zip(leaving, payees, strict=True)
        ),
    ]  # fmt: skip


def _dormant(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    began_ms = planter.start(3, DORMANT_DAYS)
    planter.sleepers[account] = int(began_ms)
    payees = planter.others(random.randint(1, 3))
    times = planter.moments(random.randint(1, 4), began_ms, random.uniform(1, 40) * HOUR_MS)
    held = random.uniform(20_000_00, 300_000_00)
    planter.held[account] = int(held)
    share = held * random.uniform(0.7, 0.97) / len(times)
    return account, tuple(payees), [
        pay(at, account, random.choice(payees), share, "", number) for at in times
    ]  # fmt: skip


def _velocity(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payees = random.sample(planter.knows(account), k=random.randint(1, 4))
    times = planter.moments(
        random.randint(25, 80), planter.start(), random.uniform(15, 360) * MINUTE_MS
    )
    return account, tuple(payees), [
        pay(at, account, random.choice(payees), random.uniform(5_00, 300_00), "", number)
        for at in times
    ]  # fmt: skip


def _round_amounts(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payees = planter.others(random.randint(1, 4))
    times = planter.moments(random.randint(6, 15), planter.start(), random.uniform(6, 60) * HOUR_MS)
    return account, tuple(payees), [
        pay(at, account, random.choice(payees), random.randint(1, 30) * 1_000_00, "", number)
        for at in times
    ]  # fmt: skip


def _sanctioned(planter: Planter, number: int) -> tuple[str, tuple[str, ...], list[Planned]]:
    random, account = planter.random, planter.centre()
    payee = planter.others(1)[0]
    text = f"{random.choice(('for', 'to', 'consulting', 'gift'))} {_misspelled(random)}"
    amount = random.uniform(100_00, 20_000_00)
    return account, (payee,), [pay(planter.start(), account, payee, amount, text, number)]


def _misspelled(random: Random) -> str:
    """Return a listed name as somebody in a hurry writes it."""
    name = random.choice(LISTED_NAMES)
    words = name.split()
    if random.random() < 0.4:
        random.shuffle(words)
    text = " ".join(words)
    if random.random() < 0.5:
        place = random.randrange(len(text))
        text = text[:place] + text[place + 1 :]
    return random.choice((text, text.upper(), text.lower()))


PATTERNS: Final[Mapping[str, Pattern]] = {
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
