"""Activity images: what each account did in each span of a window, as columns over time.

    payments ──by account, other side and span──▶ by account and span ──▶ a row an account:
        paid_count_t01 … paid_count_tNN, paid_volume_t01 … payers_tNN

Spans are equally long and cover the window; ``t01`` is the oldest, the last one ends with the window.
"""

from __future__ import annotations

from typing import Final

import ibis
from ibis.expr.types import IntegerValue, Table

from analytics.features.payments import Source, pairs, sized, whole_seconds
from analytics.features.tables import WINDOW

SPANS_MIN: Final = 3
"""Fewest spans of an image: fewer columns are no series to a model."""
SPANS_MAX: Final = 168
"""Most spans of an image: a week by the hour."""
_MADE: Final = (
    "paid_count", "paid_volume", "largest_paid", "round_count", "payees", "new_payees",
)  # fmt: skip
_TAKEN: Final = ("received_count", "received_volume", "payers", "new_payers")
MEASURES: Final = (*_MADE, *_TAKEN)
"""What is measured of an account in each span."""


def image_names(spans: int) -> tuple[str, ...]:
    """Return the columns of an image: each measure over all spans, one measure after the other."""
    return tuple(_name(measure, span) for measure in MEASURES for span in range(spans))


def images(spans: int, source: Source | None = None) -> Table:
    """Return ``account`` and `image_names` of accounts with payments in the window, floating-point.

    Counts are of payments; volumes and the largest payment in mean payments of the asset, as
    everywhere in features; ``payees`` and ``payers`` of the accounts on the other side in that span,
    and ``new_…`` of those among them with whom there was no such payment in the memory.
    """
    source = source or Source.documented()
    within = sized(source)
    by_pair = _by_pair(within, source, spans)
    made = by_pair.group_by("account", "span").agg(
        paid_count=by_pair.payments.sum(),
        paid_volume=by_pair["size"].sum(),
        largest_paid=by_pair.largest.max(),
        round_count=by_pair.rounds.sum(),
        payees=by_pair.count(),
        new_payees=by_pair.is_new.sum(),
    )
    taken = by_pair.group_by(account=by_pair.other, span=by_pair.span).agg(
        received_count=by_pair.payments.sum(),
        received_volume=by_pair["size"].sum(),
        payers=by_pair.count(),
        new_payers=by_pair.is_new.sum(),
    )
    sides = [_wide(made, _MADE, spans), _wide(taken, _TAKEN, spans)]
    joined = sides[0].outer_join(sides[1], "account")
    return joined.select(
        account=ibis.coalesce(joined["account"], joined["account_right"]),
        **{name: joined[name].fill_null(0.0) for name in image_names(spans)},
    )


def _by_pair(within: Table, source: Source, spans: int) -> Table:
    """Return who paid whom in which span: ``account``, ``other``, ``span`` and their payments."""
    timed = within.cross_join(WINDOW.select("after", "until"))
    timed = timed.mutate(span=_span(timed, spans))
    paid = timed.group_by(account=timed.debit, other=timed.credit, span=timed.span).agg(
        payments=timed.count(),
        size=timed["size"].sum(),
        largest=timed["size"].max(),
        rounds=timed.is_round.sum(),
    )
    news = pairs(within, source).select("account", "other", "is_new")
    return paid.join(news, ["account", "other"])


def _span(timed: Table, spans: int) -> IntegerValue:
    """Return the span of each payment, from 0; a whole second belongs to one span."""
    since = whole_seconds(timed.time) - whole_seconds(timed.after)
    length = whole_seconds(timed.until) - whole_seconds(timed.after)
    span = (since.cast("float64") * spans / length).floor().cast("int64")
    return ibis.least(ibis.greatest(span, 0), spans - 1)


def _wide(of: Table, measures: tuple[str, ...], spans: int) -> Table:
    cells = {
        _name(measure, span): (of.span == span).ifelse(of[measure].cast("float64"), 0.0).sum()
        for measure in measures
        for span in range(spans)
    }
    return of.group_by("account").agg(**cells)


def _name(measure: str, span: int) -> str:
    return f"{measure}_t{span + 1:02d}"
