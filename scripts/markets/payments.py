"""Planned payments and labels: what the everyday and the planted patterns are made of."""

from __future__ import annotations

from typing import NamedTuple


class PlannedLeg(NamedTuple):
    """One movement of a planned transaction, CNY."""

    payer: str
    """Name of the paying party."""
    payee: str
    """Name of the paid party."""
    amount: int
    """Fen."""


class Planned(NamedTuple):
    """A transaction to come; sorts by its time."""

    time_ms: int
    """Milliseconds since the market began."""
    legs: tuple[PlannedLeg, ...]
    """One, or the legs of a batch."""
    reference: str
    """Payment text."""
    pattern: int
    """Number of the planted pattern that it belongs to; -1 for everyday life."""


class Label(NamedTuple):
    """One planted pattern: the truth that detection is judged by."""

    number: int
    """Its number in the market."""
    typology: str
    """What it is."""
    account: str | None
    """Name of the party that a warning should be about; None where it is the market."""
    accomplices: tuple[str, ...]
    """The other parties in it."""


def pay(
    time_ms: float, payer: str, payee: str, amount: float, reference: str = "", pattern: int = -1
) -> Planned:
    """Return a planned payment of one leg, at least one fen."""
    leg = PlannedLeg(payer, payee, max(1, int(amount)))
    return Planned(int(time_ms), (leg,), reference, pattern)
