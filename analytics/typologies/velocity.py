"""Velocity: far more payments in a short time than the account ever made.

Counted over several lengths of time, each against the account's own rate before, so that the rule
needs no calendar; what an account has done before at that pace is its habit. Other patterns that
consist of many payments explain a spike better than the spike does, and come first.
Source: Basel Committee, Sound management of risks related to money laundering (2020), par. 29.
"""

from __future__ import annotations

from typing import Final

from analytics.activity import Market, Moves, Payment, by_transaction
from analytics.typologies.bursts import Records, burst_ratio
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import VelocityParameters

PAST_SCALES_MIN: Final = 3
"""How many times the length counted over an account's past must be for a rate to be known."""


class Velocity:
    """Counts the transactions that an account makes."""

    name = "velocity"
    version = 1

    def __init__(self, parameters: VelocityParameters) -> None:
        self._parameters = parameters
        self._records = Records(parameters.window_ms)

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:  # noqa: ARG002 - the protocol's
        """Return the spike that a fresh payment adds to, at the length where it is sharpest."""
        if not moves.paid:
            return None
        spikes = [
            spike
            for minutes in self._parameters.scales_minutes
            if (spike := self._spike(moves, int(minutes * 60_000), time_ms)) is not None
        ]
        if not spikes:
            return None
        burst, scale_ms, payments = max(spikes, key=lambda spike: spike[0])
        count = len(by_transaction(payments))
        if self._records.has_precedent(moves.activity.account, count, time_ms):
            return None
        minutes = scale_ms / 60_000
        return found(
            [
                Sign(
                    "burst",
                    burst,
                    burst / (3 * self._parameters.burst_min),
                    0.6,
                    f"{burst:.0f} times its usual rate",
                ),
                Sign(
                    "payments",
                    count,
                    count / (2 * self._parameters.payments_min),
                    0.4,
                    f"{count} payments within {minutes:.0f} minutes",
                ),
            ],
            payments,
        )

    def _spike(
        self, moves: Moves, scale_ms: int, time_ms: int
    ) -> tuple[float, int, list[Payment]] | None:
        activity, flow = moves.activity, moves.activity.paid
        recent = flow.since(time_ms - scale_ms)
        count = len(by_transaction(recent))
        before_ms = time_ms - scale_ms - activity.opened_ms
        if count < self._parameters.payments_min or before_ms < PAST_SCALES_MIN * scale_ms:
            return None
        burst = burst_ratio(count, scale_ms, flow.transactions - count, before_ms)
        return (burst, scale_ms, recent) if burst >= self._parameters.burst_min else None
