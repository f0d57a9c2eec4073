"""Velocity: far more payments in a short time than the account ever made.

The last payments are taken in groups that double in number, and each group's rate is compared with
the account's own rate before it, so that the rule needs no calendar; what an account has done before
at that pace is its habit. Other patterns that consist of many payments explain a spike better than
the spike does, and come first. Shopping comes in sprees: what is paid to shops counts half.
Source: Basel Committee, Sound management of risks related to money laundering (2020), par. 29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analytics.activity import Market, Moves, Payment
from analytics.typologies.bursts import Burst, Records, bursts
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import VelocityParameters
from analytics.typologies.shops import is_shop
from analytics.typologies.wording import times, within

SHOPPING_WEIGHT: Final = 0.5
"""What a payment to a shop counts, payments."""


class Velocity:
    """Counts the single payments that an account makes."""

    name = "velocity"
    version = 3

    def __init__(self, parameters: VelocityParameters) -> None:
        self._parameters = parameters
        self._records = Records(parameters.window_ms)

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the spike that a fresh payment adds to, for the group where it is sharpest."""
        parameters, activity = self._parameters, moves.activity
        least = parameters.payments_min.get(activity.kind, 1)
        if not moves.paid or activity.paid.singles < least:
            return None
        since_ms = time_ms - parameters.window_ms
        groups = (
            group
            for group in bursts(activity, activity.paid, market, least, since_ms, time_ms)
            if _weight(group.payments, market) >= least
        )
        burst, payments = max(groups, key=lambda group: group.ratio, default=Burst(0.0, []))
        if burst < parameters.burst_min:
            return None
        count = len(payments)
        if self._records.has_precedent(activity.account, count, time_ms):
            return None
        return found(
            [
                Sign(
                    "burst",
                    burst,
                    burst / (3 * parameters.burst_min),
                    0.6,
                    f"{times(burst)} its usual rate",
                ),
                Sign(
                    "payments",
                    count,
                    count / (2 * least),
                    0.4,
                    f"{count} payments {within(time_ms - payments[-1].time_ms)}",
                ),
            ],
            payments,
        )


def _weight(payments: Sequence[Payment], market: Market) -> float:
    """Return how many payments a group counts for."""
    shopping = sum(is_shop(market.activity(payment.other)) for payment in payments)
    return len(payments) - (1 - SHOPPING_WEIGHT) * shopping
