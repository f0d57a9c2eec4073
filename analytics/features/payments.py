"""Payments of a window, seen from each of their two sides, and by who paid whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import ibis
from ibis.expr.types import IntegerValue, Table, TimestampValue

from analytics.features.tables import (
    ACCOUNTS,
    ASSETS,
    KEPT_ACCOUNTS,
    KEPT_MEANS,
    KEPT_PAIRS,
    KEPT_PAYMENTS,
    LEGS,
    WINDOW,
)

ROUND_UNITS: Final = 1_000
"""An amount is round when it is a multiple of this many whole units of its asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where features read payments and accounts: any table with these columns.

    Accounts are compared and never looked into, so numbers may stand for them.
    """

    payments: Table
    """As `payments`: those within the window."""
    earlier: Table
    """As `earlier_pairs`; a pair may come more than once."""
    means: Table
    """As `mean_payments`."""
    accounts: Table
    """As ``accounts``."""

    @classmethod
    def documented(cls) -> Self:
        """Return the source that is the documented tables, for any backend that has them."""
        within = payments()
        return cls(
            payments=within,
            earlier=earlier_pairs(),
            means=mean_payments(within),
            accounts=ACCOUNTS,
        )

    @classmethod
    def kept(cls) -> Self:
        """Return the source that a warehouse keeps up with every block."""
        return cls(
            payments=KEPT_PAYMENTS, earlier=KEPT_PAIRS, means=KEPT_MEANS, accounts=KEPT_ACCOUNTS
        )


def payments() -> Table:
    """Return the payments between two accounts within the window.

    Issues, redemptions, first balances and payments to oneself are none. Columns ``height``, ``time``,
    ``debit``, ``credit``, ``asset`` and ``amount`` of ``legs``, and ``receipt``: when the payer was last
    paid, up to and with the same block; null before its first receipt.
    """
    legs = _until_the_end()
    legs = legs.filter(legs.time > legs.after)
    legs = legs.select("height", "time", "debit", "credit", "asset", "amount")
    received = legs.group_by(account=legs.credit, height=legs.height).agg(at=legs.time.max())
    paid = legs.select(account=legs.debit, height=legs.height, at=ibis.null("timestamp")).distinct()
    events = received.union(paid, distinct=False)
    until_now = ibis.range_window(
        preceding=None, following=0, group_by=events.account, order_by=events.height
    )
    events = events.mutate(receipt=events["at"].max().over(until_now))
    receipts = events.group_by(payer=events.account, paid_at=events.height).agg(
        receipt=events.receipt.max()
    )
    joined = legs.left_join(
        receipts, [legs.debit == receipts.payer, legs.height == receipts.paid_at]
    )
    return joined.select(*legs.columns, "receipt")


def earlier_pairs() -> Table:
    """Return ``account`` and ``other`` of the payments in the memory: who had paid whom already."""
    legs = _until_the_end()
    legs = legs.filter(legs.time > legs.remembered_after, legs.time <= legs.after)
    return legs.select(account=legs.debit, other=legs.credit)


def mean_payments(of: Table) -> Table:
    """Return the ``mean`` payment of each ``asset``, smallest units."""
    return of.group_by("asset").agg(mean=of.amount.mean())


def sized(source: Source) -> Table:
    """Return the payments within the window, with what features measure of each.

    ``size``: the amount as a multiple of the mean payment of its asset in the window, so that amounts
    of different assets may stand side by side; ``is_round``, 1 or 0; ``stay``: seconds since the
    payer's last receipt within the window, null without one.
    """
    of = source.payments.cross_join(WINDOW.select("after"))
    rounding = ASSETS.select(
        "asset", unit=(ibis.literal(10.0) ** ASSETS.decimals * ROUND_UNITS).cast("int64")
    )
    joined = of.join(source.means, "asset").join(rounding, "asset")
    since_receipt = whole_seconds(joined.time) - whole_seconds(joined.receipt)
    return joined.select(
        "time",
        "debit",
        "credit",
        size=joined.amount / joined["mean"],
        is_round=(joined.amount % joined.unit == 0).ifelse(1, 0),
        stay=(joined.receipt > joined.after).ifelse(since_receipt, ibis.null("int64")),
    )


def days(of: Table) -> Table:
    """Return how many payments an account made each UTC day: ``account``, ``day``, ``made``."""
    return of.group_by(account=of.debit, day=of.time.truncate("D")).agg(made=of.count())


def pairs(of: Table, source: Source) -> Table:
    """Return who paid whom: ``account``, ``other``, ``size`` (their sum), and two marks, 1 or 0.

    ``is_new``: not in the memory before the window; ``is_mutual``: the other paid the account too.
    """
    paid = of.group_by(account=of.debit, other=of.credit).agg(size=of["size"].sum())
    back = paid.select(account=paid.other, other=paid.account, back=ibis.literal(1))
    # Most payments before the window are between others: those go before the rest is made distinct.
    known = (
        source.earlier.semi_join(paid, ["account", "other"])
        .distinct()
        .mutate(known=ibis.literal(1))
    )
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


def whole_seconds(time: TimestampValue) -> IntegerValue:
    """Return whole seconds since 1970; engines differ in what they do with fractions."""
    return time.truncate("s").epoch_seconds().cast("int64")
