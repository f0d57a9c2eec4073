"""Payments of a window, seen from each of their two sides, and by who paid whom."""

from __future__ import annotations

from typing import Final

import ibis
from ibis.expr.types import Table

from analytics.features.tables import ASSETS, LEGS, WINDOW

ROUND_UNITS: Final = 1_000
"""An amount is round when it is a multiple of this many whole units of its asset."""
_KEPT: Final = ("time", "debit", "credit", "asset", "amount")
"""Columns of ``legs`` that features read."""


def payments() -> Table:
    """Return the payments between two accounts within the window.

    Issues, redemptions, first balances and payments to oneself are none. Columns `_KEPT` of
    ``legs``, and ``size``: the amount as a multiple of the mean payment of its asset in the window, so that
    amounts of different assets may stand side by side; ``is_round``, 1 or 0.
    """
    legs = _until_the_end()
    legs = legs.filter(legs.time > legs.after).select(_KEPT)
    usual = legs.group_by("asset").agg(mean=legs.amount.mean())
    rounding = ASSETS.select(
        "asset", unit=(ibis.literal(10.0) ** ASSETS.decimals * ROUND_UNITS).cast("int64")
    )
    joined = legs.join(usual, "asset").join(rounding, "asset")
    return joined.mutate(
        size=joined.amount / joined["mean"],
        is_round=(joined.amount % joined.unit == 0).ifelse(1, 0),
    ).drop("mean", "unit")


def sides(of: Table) -> Table:
    """Return each payment twice: once from its payer, once from its payee.

    Columns: ``account``, ``other``, ``is_paid`` (1 from the payer, 0 from the payee), ``size``,
    ``is_round``, ``time``, ``seconds`` (the time since 1970) and ``receipt``: when the account was
    last paid, up to and with the same block, in such seconds; null before its first receipt.
    """
    kept = {name: of[name] for name in ("size", "is_round", "time")}
    paid = of.select(account=of.debit, other=of.credit, is_paid=ibis.literal(1), **kept)
    received = of.select(account=of.credit, other=of.debit, is_paid=ibis.literal(0), **kept)
    both = paid.union(received, distinct=False)
    both = both.mutate(seconds=both.time.epoch_seconds())
    until_now = ibis.range_window(
        preceding=None, following=0, group_by=both.account, order_by=both.seconds
    )
    arrival = (both.is_paid == 0).ifelse(both.seconds, ibis.null("int64"))
    return both.mutate(receipt=arrival.max().over(until_now))


def days(of: Table) -> Table:
    """Return how many payments an account made each UTC day: ``account``, ``day``, ``made``."""
    return of.group_by(account=of.debit, day=of.time.truncate("D")).agg(made=of.count())


def pairs(of: Table) -> Table:
    """Return who paid whom: ``account``, ``other``, ``size`` (their sum), and two marks, 1 or 0.

    ``is_new``: not in the memory before the window; ``is_mutual``: the other paid the account too.
    """
    paid = of.group_by(account=of.debit, other=of.credit).agg(size=of.size.sum())
    back = paid.select(account=paid.other, other=paid.account, back=ibis.literal(1))
    legs = _until_the_end()
    legs = legs.filter(legs.time > legs.remembered_after, legs.time <= legs.after)
    earlier = legs.select(account=legs.debit, other=legs.credit)
    # Most payments before the window are between others: those go before the rest is made distinct.
    known = earlier.semi_join(paid, ["account", "other"]).distinct().mutate(known=ibis.literal(1))
    marked = paid.left_join(back, ["account", "other"]).select(*paid.columns, "back")
    marked = marked.left_join(known, ["account", "other"]).select(*marked.columns, "known")
    return marked.select(
        *paid.columns, is_mutual=marked.back.fill_null(0), is_new=1 - marked.known.fill_null(0)
    )


def payers_of(of: Table) -> Table:
    """Return who was paid by whom, from `pairs`: ``account``, and ``other``, who paid it."""
    return of.select(account=of.other, other=of.account)


def _until_the_end() -> Table:
    """Return the payments up to and with the window's last block, beside the window's columns."""
    legs = LEGS.cross_join(WINDOW)
    return legs.filter(
        legs.kind == "transfer",
        legs.debit != legs.credit,
        legs.height <= legs.until_height,
        legs.time <= legs.until,
    )
