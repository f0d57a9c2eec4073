"""Planted drift: from some day on everybody lives otherwise.

Prices change, so that every amount is a multiple of what it was; or everybody pays several times as
often, less each time; or a part of what people spend at shops goes to people whom they never paid.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from scripts.markets.cast import Party, of_role
from scripts.markets.life import DAY_MS, HOUR_MS
from scripts.markets.payments import Label, Planned

TYPOLOGY: Final = "drift"
KNOWN_DAYS: Final = 28
"""How long a market is as it was before it drifts, days; shorter ones cannot."""
NEWS_DAYS: Final = 7
"""How long a shift is news, days; a warning that rests on later payments alone comes too late."""

Change = Callable[[Planned], list[Planned]]


def shift(
    cast: dict[str, Party], days: int, payments: list[Planned], random: Random, number: int
) -> tuple[list[Planned], list[Label]]:
    """Return the everyday payments with a shift in them, and its label.

    Raises:
        ValueError: too few days.
    """
    if days < KNOWN_DAYS + NEWS_DAYS:
        raise ValueError(f"a market that drifts has at least {KNOWN_DAYS + NEWS_DAYS} days")
    began_ms = random.uniform(KNOWN_DAYS, days - NEWS_DAYS) * DAY_MS
    change = random.choice(CHANGES)(cast, random)
    shifted: list[Planned] = []
    for payment in payments:
        if payment.time_ms < began_ms:
            shifted.append(payment)
            continue
        is_news = payment.time_ms < began_ms + NEWS_DAYS * DAY_MS
        shifted += [one._replace(pattern=number) if is_news else one for one in change(payment)]
    return shifted, [Label(number, TYPOLOGY, None, ())]


def _prices(_: dict[str, Party], random: Random) -> Change:
    factor = random.choice((0.45, 1.9, 2.5, 3.5))

    def change(payment: Planned) -> list[Planned]:
        legs = [leg._replace(amount=max(1, int(leg.amount * factor))) for leg in payment.legs]
        return [payment._replace(legs=tuple(legs))]

    return change


def _haste(_: dict[str, Party], random: Random) -> Change:
    times = random.choice((2, 3))

    def change(payment: Planned) -> list[Planned]:
        if len(payment.legs) > 1:
            return [payment]
        legs = [leg._replace(amount=max(1, leg.amount // times)) for leg in payment.legs]
        return [
            payment._replace(
                time_ms=payment.time_ms + random.randrange(HOUR_MS // 2), legs=tuple(legs)
            )
            for _ in range(times)
        ]

    return change


def _strangers(cast: dict[str, Party], random: Random) -> Change:
    share = random.uniform(0.4, 0.7)
    shops = [shop.name for shop in of_role(cast, "shop")]
    people = [person.name for person in of_role(cast, "person")]
    spenders = set(people)

    def change(payment: Planned) -> list[Planned]:
        leg = payment.legs[0]
        if leg.payer not in spenders or leg.payee not in shops or random.random() >= share:
            return [payment]
        other = random.choice([name for name in people if name != leg.payer])
        return [payment._replace(legs=(leg._replace(payee=other),))]

    return change


CHANGES: Final[tuple[Callable[[dict[str, Party], Random], Change], ...]] = (
    _prices,
    _haste,
    _strangers,
)
"""Kinds of shifts."""
