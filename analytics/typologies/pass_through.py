"""Rapid pass-through: money that leaves an account almost as soon as it came.

The account is a mule's: what it is for is to stand between two others. A treasury that is swept
every evening does the same every day, and a salary is followed by rent; so the inflow must be out
of the ordinary for the account, and a good part of it must come from or go to somebody new.
Source: FATF/Egmont, Trade-based money laundering risk indicators (2021), "pass-through account".
"""

from __future__ import annotations

from analytics.activity import Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.bursts import Records, burst_ratio
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import PassThroughParameters


class PassThrough:
    """Looks at an account when it pays: how much of what just came is gone again."""

    name = "pass_through"
    version = 1

    def __init__(self, parameters: PassThroughParameters) -> None:
        self._parameters = parameters
        self._records = Records(parameters.window_ms)

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the pass-through that a fresh payment completes."""
        findings = [
            self._passed(moves, market, asset, time_ms)
            for asset in sorted({payment.asset for payment in moves.paid})
        ]
        return max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )

    def _passed(self, moves: Moves, market: Market, asset: str, time_ms: int) -> Finding | None:
        parameters, activity = self._parameters, moves.activity
        since_ms = time_ms - parameters.window_ms
        came = [p for p in activity.received.since(since_ms) if p.asset == asset]
        if not came:
            return None
        first_ms = came[-1].time_ms
        went = [p for p in activity.paid.since(first_ms) if p.asset == asset]
        inflow, outflow = _total(came), _total(went)
        amount_min = of_asset(parameters.amount_min, asset)
        if amount_min is None or inflow < market.units(amount_min, asset):
            return None
        passed = min(1.0, outflow / inflow)
        usual = [
            p.amount for p in activity.received.recent if p.asset == asset and p.time_ms < first_ms
        ]
        usual_ms = first_ms - max(
            activity.opened_ms, activity.received.recent[0].time_ms if usual else 0
        )
        burst = burst_ratio(inflow, parameters.window_ms, sum(usual), usual_ms)
        new = max(_new_share(came), _new_share(went))
        if passed < parameters.passed_min or burst < parameters.burst_min:
            return None
        if new < parameters.new_min or self._records.has_precedent(
            activity.account, inflow, time_ms
        ):
            return None
        hours = (went[0].time_ms - first_ms) / 3_600_000
        return found(
            [
                Sign(
                    "passed",
                    passed,
                    passed,
                    0.4,
                    f"{shown(market, outflow, asset)} of {shown(market, inflow, asset)} left again",
                ),
                Sign(
                    "dwell_hours",
                    hours,
                    1 - hours / parameters.window_hours,
                    0.3,
                    f"within {hours:.1f} hours",
                ),
                Sign(
                    "new_counterparties", new, new, 0.2, f"{new:.0%} of it with new counterparties"
                ),
                Sign(
                    "burst",
                    burst,
                    burst / (2 * parameters.burst_min),
                    0.1,
                    f"{burst:.0f} times its usual receipts",
                ),
            ],
            [*came, *went],
        )


def _total(payments: list[Payment]) -> int:
    return sum(payment.amount for payment in payments)


def _new_share(payments: list[Payment]) -> float:
    """Return the share of the amounts that were the first between the two accounts."""
    total = _total(payments)
    return _total([p for p in payments if p.is_new]) / total if total else 0.0
