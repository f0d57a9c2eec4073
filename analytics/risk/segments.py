"""Segments: groups of accounts by what they did within the window, by rules that people can read.

The first rule that holds names the segment; every account is in exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

MANY: Final = 20
"""Counterparties from which an account deals with many."""


class Segment(NamedTuple):
    """A group and the rule that makes it."""

    name: str
    """Its name in the API."""
    description: str
    """The rule in words."""
    holds: Callable[[Mapping[str, float]], bool]
    """The rule, on an account's features."""


SEGMENTS: Final = (
    Segment("quiet", "neither pays nor is paid",
            lambda f: f["paid_count"] + f["received_count"] == 0),
    Segment("hub", "pays at least 20 accounts and is paid by at least 20",
            lambda f: f["payees"] >= MANY and f["payers"] >= MANY),
    Segment("collector", "is paid by at least 20 accounts, five times as many as it pays",
            lambda f: f["payers"] >= MANY and f["payers"] >= 5 * f["payees"]),
    Segment("distributor", "pays at least 20 accounts, five times as many as pay it",
            lambda f: f["payees"] >= MANY and f["payees"] >= 5 * f["payers"]),
    Segment("conduit", "pays nine tenths to ten ninths of what it gets, within a day of getting it",
            lambda f: f["passed_through"] >= 0.9 and f["dwell_hours"] <= 24),
    Segment("payer", "pays and is not paid", lambda f: f["received_count"] == 0),
    Segment("payee", "is paid and does not pay", lambda f: f["paid_count"] == 0),
    Segment("everyday", "pays and is paid, by no rule above", lambda _: True),
)  # fmt: skip
"""All segments, in the order in which their rules are tried."""


def segment_of(features: Mapping[str, float]) -> str:
    """Return the name of an account's segment."""
    return next(segment.name for segment in SEGMENTS if segment.holds(features))
