"""Rapid pass-through: money that leaves an account almost as soon as it came.

The account is a mule's: what it is for is to stand between two others. A treasury that is swept
every evening does the same every day, and a salary is followed by rent; so the inflow must be out
of the ordinary for the account (a single deposit before it is no habit), and a good part of it must
come from or go to somebody new. Wages that are spent in shops, loans that buy, and the trade of firms
have firms or treasuries at the ends; somewhere a mule's money has a person. Source: FATF/Egmont,
Trade-based money laundering risk indicators (2021), "pass-through account".
"""

from __future__ import annotations

from typing import Final

from analytics.activity import Flow, Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.bursts import Records, burst_ratio, has_past
from analytics.typologies.chance import (
    agreeing_share,
    at_least,
    expected_payments,
    payments_in,
)
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import PassThroughParameters
from analytics.typologies.wording import times, within

RECEIPTS_MAX: Final = 8
"""Most receipts that are taken together for one pass-through."""


class PassThrough:
    """Looks at an account when it pays: how much of what just came is gone again."""

    name = "pass_through"
    version = 4

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
        """Return the clearest pass-through among those that begin with one of the last receipts."""
        activity = moves.activity
        since_ms = time_ms - self._parameters.window_ms
        received = [p for p in activity.received.since(since_ms) if p.asset == asset]
        paid = [p for p in activity.paid.since(since_ms) if p.asset == asset]
        findings = []
        for last in range(1, min(len(received), RECEIPTS_MAX) + 1):
            came = received[:last]
            went = [p for p in paid if p.time_ms >= came[-1].time_ms]
            findings.append(self._judge(moves, market, came, went, time_ms))
        best = max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )
        if best is None or self._records.has_precedent(
            activity.account, int(best.reasons[0].value), time_ms
        ):
            return None
        return best

    def _judge(
        self,
        moves: Moves,
        market: Market,
        came: list[Payment],
        went: list[Payment],
        time_ms: int,
    ) -> Finding | None:
        parameters, asset = self._parameters, came[0].asset
        inflow, outflow = _total(came), _total(went)
        passed = outflow / inflow
        if not parameters.passed_min <= passed <= parameters.passed_max:
            return None
        amount_min = of_asset(parameters.amount_min, asset)
        if amount_min is None or inflow < market.units(amount_min, asset):
            return None
        new = max(_new_share(came), _new_share(went))
        if new < parameters.new_min or self._is_trade(moves, market, came, went):
            return None
        burst = self._burst(moves, market, came, went, time_ms)
        if burst < parameters.burst_min:
            return None
        if self._by_chance(moves, market, came, went, time_ms) > parameters.chance_max:
            return None
        hours = (went[0].time_ms - came[-1].time_ms) / 3_600_000
        return found(
            [
                Sign(
                    "inflow",
                    inflow,
                    burst / (2 * parameters.burst_min),
                    0.1,
                    f"{shown(market, inflow, asset)} came, {times(burst)} as fast as usual",
                ),
                Sign(
                    "passed",
                    passed,
                    passed,
                    0.4,
                    f"{shown(market, outflow, asset)} left again, {passed:.0%}",
                ),
                Sign(
                    "dwell_hours",
                    hours,
                    1 - hours / parameters.window_hours,
                    0.3,
                    within(went[0].time_ms - came[-1].time_ms),
                ),
                Sign(
                    "new_counterparties", new, new, 0.2, f"{new:.0%} of it with new counterparties"
                ),
            ],
            [*came, *went],
        )

    def _by_chance(
        self,
        moves: Moves,
        market: Market,
        came: list[Payment],
        went: list[Payment],
        time_ms: int,
    ) -> float:
        """Return how many accounts of the market would by chance pay on about what such receipts gave.

        For as many receipts as large as these are on average, an account must, at its usual pace, pay
        as often as this one did, and its payments agree with them as well.
        """
        activity, asset = moves.activity, came[0].asset
        inflow, outflow = _total(came), _total(went)
        receipts = payments_in(
            market, self._parameters.window_ms, asset, inflow / len(came), time_ms
        )
        usual = expected_payments(activity, activity.paid, market, went, came[-1], time_ms)
        earlier = [p for p in activity.paid.recent if p.time_ms < came[-1].time_ms]
        deviation = abs(1 - outflow / inflow)
        agreeing = agreeing_share(market, earlier, asset, outflow / len(went), deviation)
        if len(went) > 1:
            # What several amount to spreads over as much as one of them does.
            agreeing = max(
                agreeing, 2 * deviation * market.sizes(asset).share_from(outflow / len(went) / 2)
            )
        return receipts * at_least(len(went), usual) * agreeing

    def _is_trade(
        self, moves: Moves, market: Market, came: list[Payment], went: list[Payment]
    ) -> bool:
        """Tell whether too little came from and went to people: an income spent, or a firm's trade."""
        ends = [_users_share(market, came), _users_share(market, went)]
        share = max(ends) if moves.activity.kind == "user" else min(ends)
        return share < self._parameters.users_min

    def _burst(
        self,
        moves: Moves,
        market: Market,
        came: list[Payment],
        went: list[Payment],
        time_ms: int,
    ) -> float:
        """Return how many times faster than usual money came and left, whichever is less.

        Everybody's spending passes on his income in time; only here both run ahead. 0 where the
        past is too short to tell.
        """
        activity, first_ms, asset = moves.activity, came[-1].time_ms, came[0].asset
        if not has_past(activity, market, first_ms, time_ms):
            return 0.0
        before_ms = first_ms - activity.opened_ms
        return min(
            burst_ratio(
                _total(group), time_ms - first_ms, _usual(flow, group, asset, first_ms), before_ms
            )
            for flow, group in ((activity.received, came), (activity.paid, went))
        )


def _usual(flow: Flow, group: list[Payment], asset: str, first_ms: int) -> int:
    """Return what came or left before a group, without the largest payment: one is no habit.

    An opening deposit or a house sold would make everything after it look slow.
    """
    before = flow.totals[asset] - _total(group)
    earlier = (p.amount for p in flow.recent if p.asset == asset and p.time_ms < first_ms)
    return max(0, before - max(earlier, default=0))


def _total(payments: list[Payment]) -> int:
    return sum(payment.amount for payment in payments)


def _users_share(market: Market, payments: list[Payment]) -> float:
    """Return the share of the amounts whose other side is a person's account."""
    of_users = [p for p in payments if market.activity(p.other).kind == "user"]
    return _total(of_users) / _total(payments)


def _new_share(payments: list[Payment]) -> float:
    """Return the share of the amounts that were the first between the two accounts."""
    total = _total(payments)
    return _total([p for p in payments if p.is_new]) / total if total else 0.0
