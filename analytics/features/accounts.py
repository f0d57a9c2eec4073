"""The features of an account over a window: one function each, one row an account.

A function takes one of four tables of ``analytics.features.payments`` and returns a value over an
account's rows in it: ``sides`` its payments from its side, ``days`` its active days, ``pairs`` whom
it paid, ``payers_of`` them who paid it. What cannot be measured at an account is 0.

Cycles: being paid by those whom one pays (``returning``) is a join of pairs. Longer cycles grow
with the product of the degrees on the way, which no bounded expression holds at a hub; the typology
``round_trip`` follows them payment by payment instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ibis
from ibis.expr.types import NumericValue, Table

from analytics.features.payments import days, pairs, payers_of, payments, sides
from analytics.features.tables import ACCOUNTS, WINDOW

NIGHT_HOURS: Final = 6
"""Payments before this hour of the UTC day are at night."""
HOUR_SECONDS: Final = 3_600


def paid_count(of: Table) -> NumericValue:
    """Return the number of payments made."""
    return of.is_paid.sum()


def received_count(of: Table) -> NumericValue:
    """Return the number of payments received."""
    return (1 - of.is_paid).sum()


def paid_volume(of: Table) -> NumericValue:
    """Return the sum paid, in mean payments of the asset."""
    return (of["size"] * of.is_paid).sum()


def received_volume(of: Table) -> NumericValue:
    """Return the sum received, in mean payments of the asset."""
    return (of["size"] * (1 - of.is_paid)).sum()


def largest_paid(of: Table) -> NumericValue:
    """Return the largest payment made, in mean payments of the asset."""
    return (of["size"] * of.is_paid).max()


def payees(of: Table) -> NumericValue:
    """Return the out degree: distinct accounts paid."""
    return of.count()


def payers(of: Table) -> NumericValue:
    """Return the in degree: distinct accounts that paid it."""
    return of.count()


def round_share(of: Table) -> NumericValue:
    """Return the share of round amounts among the payments made, 0 to 1."""
    return of.is_round.mean(where=of.is_paid == 1)


def night_share(of: Table) -> NumericValue:
    """Return the share of the payments made that were made from 00 to 06 UTC, 0 to 1."""
    return (of.time.hour() < NIGHT_HOURS).ifelse(1, 0).mean(where=of.is_paid == 1)


def dwell_hours(of: Table) -> NumericValue:
    """Return the mean time from the last receipt to a payment made, hours.

    Receipts in the same block count; payments before the first receipt do not.
    """
    return (of.seconds - of.receipt).mean(where=of.is_paid == 1) / HOUR_SECONDS


def active_days(of: Table) -> NumericValue:
    """Return the number of UTC days on which it paid."""
    return of.count()


def velocity_peak(of: Table) -> NumericValue:
    """Return the largest number of payments made in one UTC day."""
    return of.made.max()


def concentration(of: Table) -> NumericValue:
    """Return the Herfindahl index of the paid volume over payees, 0 to 1; 1 is a single payee."""
    return (of["size"] * of["size"]).sum() / (of["size"].sum() * of["size"].sum())


def new_payees(of: Table) -> NumericValue:
    """Return the share of payees not paid in the memory before the window, 0 to 1."""
    return of.is_new.mean()


def returning(of: Table) -> NumericValue:
    """Return the share of payees who paid back (cycles of two accounts), 0 to 1."""
    return of.is_mutual.mean()


Feature = Callable[[Table], NumericValue]

OF_SIDES: Final[tuple[Feature, ...]] = (
    paid_count, received_count, paid_volume, received_volume, largest_paid, round_share,
    night_share, dwell_hours,
)  # fmt: skip
OF_DAYS: Final[tuple[Feature, ...]] = (active_days, velocity_peak)
OF_PAIRS: Final[tuple[Feature, ...]] = (payees, concentration, new_payees, returning)
OF_PAYERS: Final[tuple[Feature, ...]] = (payers,)

NAMES: Final = (
    *(feature.__name__ for feature in (*OF_SIDES, *OF_DAYS, *OF_PAIRS, *OF_PAYERS)),
    "passed_through",
)
"""Names of all features, in the order of their columns."""


def features() -> Table:
    """Return a row for each account that was open at the window's end.

    Columns ``account``, ``member``, ``kind`` and `NAMES`, all of them floating-point.
    ``passed_through`` is the smaller of what came in and what went out as a share of the larger.
    """
    within = payments()
    rows = ACCOUNTS.cross_join(WINDOW)
    rows = rows.filter(rows.opened_height <= rows.until_height)
    rows = rows.select("account", "member", "kind")
    paid = pairs(within)
    for of, functions in (
        (sides(within), OF_SIDES),
        (days(within), OF_DAYS),
        (paid, OF_PAIRS),
        (payers_of(paid), OF_PAYERS),
    ):
        measured = {function.__name__: function(of) for function in functions}
        table = of.group_by("account").agg(**measured)
        rows = rows.left_join(table, "account").select(*rows.columns, *measured)
    measured_names = [name for name in NAMES if name in rows.columns]
    rows = rows.mutate(
        **{name: rows[name].cast("float64").fill_null(0.0) for name in measured_names}
    )
    larger = ibis.greatest(rows.paid_volume, rows.received_volume)
    smaller = ibis.least(rows.paid_volume, rows.received_volume)
    return rows.mutate(passed_through=(larger > 0).ifelse(smaller / larger, 0.0))
