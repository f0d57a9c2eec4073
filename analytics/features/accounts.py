"""The features of an account over a window: one function each, one row an account.

A function takes one of the tables of ``analytics.features.payments`` and returns a value over an
account's rows in it: ``made`` the payments it made, ``taken`` those it received, ``days`` its active
days, ``pairs`` whom it paid, ``payers_of`` them who paid it. What cannot be measured at an account is 0.

Cycles: being paid by those whom one pays (``returning``) is a join of pairs. Longer cycles grow
with the product of the degrees on the way, which no bounded expression holds at a hub; the typology
``round_trip`` follows them payment by payment instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ibis
from ibis.expr.types import NumericValue, Table

from analytics.features.payments import Source, days, pairs, payers_of, sized
from analytics.features.tables import WINDOW

NIGHT_HOURS: Final = 6
"""Payments before this hour of the UTC day are at night."""
HOUR_SECONDS: Final = 3_600


def paid_count(made: Table) -> NumericValue:
    """Return the number of payments made."""
    return made.count()


def paid_volume(made: Table) -> NumericValue:
    """Return the sum paid, in mean payments of the asset."""
    return made["size"].sum()


def largest_paid(made: Table) -> NumericValue:
    """Return the largest payment made, in mean payments of the asset."""
    return made["size"].max()


def received_count(taken: Table) -> NumericValue:
    """Return the number of payments received."""
    return taken.count()


def received_volume(taken: Table) -> NumericValue:
    """Return the sum received, in mean payments of the asset."""
    return taken["size"].sum()


def payees(of: Table) -> NumericValue:
    """Return the out degree: distinct accounts paid."""
    return of.count()


def payers(of: Table) -> NumericValue:
    """Return the in degree: distinct accounts that paid it."""
    return of.count()


def round_share(made: Table) -> NumericValue:
    """Return the share of round amounts among the payments made, 0 to 1."""
    return made.is_round.mean()


def night_share(made: Table) -> NumericValue:
    """Return the share of the payments made that were made from 00 to 06 UTC, 0 to 1."""
    return (made.time.hour() < NIGHT_HOURS).ifelse(1, 0).mean()


def dwell_hours(made: Table) -> NumericValue:
    """Return the mean time from the last receipt to a payment made, hours.

    Receipts in the same block count; payments before the first receipt do not.
    """
    return made.stay.mean() / HOUR_SECONDS


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

OF_MADE: Final[tuple[Feature, ...]] = (
    paid_count, paid_volume, largest_paid, round_share, night_share, dwell_hours,
)  # fmt: skip
OF_TAKEN: Final[tuple[Feature, ...]] = (received_count, received_volume)
OF_DAYS: Final[tuple[Feature, ...]] = (active_days, velocity_peak)
OF_PAIRS: Final[tuple[Feature, ...]] = (payees, concentration, new_payees, returning)
OF_PAYERS: Final[tuple[Feature, ...]] = (payers,)

NAMES: Final = (
    *(feature.__name__ for feature in (*OF_MADE, *OF_TAKEN, *OF_DAYS, *OF_PAIRS, *OF_PAYERS)),
    "passed_through",
)
"""Names of all features, in the order of their columns."""


def features(source: Source | None = None) -> Table:
    """Return a row for each account that was open at the window's end; of the documented tables.

    Columns ``account``, ``member``, ``kind`` and `NAMES`, all of them floating-point.
    ``passed_through`` is the smaller of what came in and what went out as a share of the larger.
    """
    source = source or Source.documented()
    within = sized(source)
    rows = source.accounts.cross_join(WINDOW)
    rows = rows.filter(rows.opened_height <= rows.until_height)
    rows = rows.select("account", "member", "kind")
    paid = pairs(within, source)
    for of, functions in (
        (within.mutate(account=within.debit), OF_MADE),
        (within.mutate(account=within.credit), OF_TAKEN),
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
