"""The whole market of a seed: cast, what each holds at first, payments in order, labels."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from scripts.markets import patterns, shifts, unnamed
from scripts.markets.cast import Party, make_cast
from scripts.markets.life import Life
from scripts.markets.patterns import LISTED_NAMES, QUIET_DAYS, patterns_each, plant
from scripts.markets.payments import Label, Planned

RATE: Final = 0.01
"""How many patterns of each typology, as a share of the people."""
TYPOLOGIES: Final = frozenset({*patterns.PATTERNS, unnamed.TYPOLOGY, shifts.TYPOLOGY})
"""All that is planted."""
DAYS_MIN: Final = QUIET_DAYS + 2
"""Shortest market, days: patterns come after the quiet ones."""
CUSHION: Final = 2_000_00
"""What an account holds beyond what it will need, fen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPlan:
    """A market before anything of it is signed."""

    seed: int
    """What it was drawn from."""
    days: int
    """How long it lasts."""
    cast: dict[str, Party]
    """Parties by name."""
    held: dict[str, int]
    """What each holds in the beginning, fen."""
    payments: list[Planned]
    """All payments, by time."""
    labels: list[Label]
    """The planted patterns."""
    listed_names: tuple[str, ...]
    """Names on the sanctions list."""


def plan_market(
    *, days: int, accounts: int, seed: int, rate: float = RATE, drifts: bool = False
) -> MarketPlan:
    """Return the market of a seed; with ``drifts`` everybody lives otherwise from some day on.

    Raises:
        ValueError: too few accounts or days.
    """
    if days < DAYS_MIN:
        raise ValueError(f"a market has at least {DAYS_MIN} days")
    random = Random(seed)
    cast = make_cast(accounts, random)
    planted, labels, planter = plant(cast, days, rate, random)
    everyday = [
        payment
        for payment in Life(cast, days, random).payments()
        if not _wakes_a_sleeper(payment, planter.sleepers)
    ]
    # Drawn apart, so that what a seed gave without them stays as it was.
    random = Random(f"{seed} beyond rules")
    taken = {name for label in labels for name in (label.account, *label.accomplices) if name}
    count = patterns_each(cast, rate)
    odd, odd_labels = unnamed.plant_anomalies(cast, days, count, random, taken, len(labels))
    labels += odd_labels
    if drifts:
        everyday, shift_labels = shifts.shift(cast, days, everyday, random, len(labels))
        everyday = [one for one in everyday if not _wakes_a_sleeper(one, planter.sleepers)]
        labels += shift_labels
    payments = sorted(everyday + planted + odd)
    return MarketPlan(
        seed=seed,
        days=days,
        cast=cast,
        held=needed(cast, payments, planter.held),
        payments=payments,
        labels=labels,
        listed_names=LISTED_NAMES,
    )


def plan_drifting(*, days: int, accounts: int, seed: int, rate: float = RATE) -> MarketPlan:
    """Return the market of a seed, drifting.

    Raises:
        ValueError: too few accounts or days.
    """
    return plan_market(days=days, accounts=accounts, seed=seed, rate=rate, drifts=True)


def _wakes_a_sleeper(payment: Planned, sleepers: dict[str, int]) -> bool:
    return any(
        payment.time_ms <= sleepers.get(name, -1)
        for leg in payment.legs
        for name in (leg.payer, leg.payee)
    )


def needed(cast: dict[str, Party], payments: list[Planned], held: dict[str, int]) -> dict[str, int]:
    """Return what each must hold at first so that none of its payments is refused."""
    balance = dict.fromkeys(cast, 0)
    lowest = dict.fromkeys(cast, 0)
    for payment in payments:
        for leg in payment.legs:
            balance[leg.payer] -= leg.amount
            lowest[leg.payer] = min(lowest[leg.payer], balance[leg.payer])
            balance[leg.payee] += leg.amount
    return {name: held[name] if name in held else CUSHION - low for name, low in lowest.items()}
