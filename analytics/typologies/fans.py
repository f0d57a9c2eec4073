"""Fan-in and fan-out: many counterparties at once, most of them new, by an account that had few.

Money of many victims or mules is gathered in one account, or spread from one over many. Shops and
employers have many counterparties too, but steadily, or again and again: the first is told by the
rate, the second by precedent. What an account pays to shops is shopping. Source: Altman et al., "Realistic
Synthetic Financial Transactions for Anti-Money Laundering Models", NeurIPS 2023 (patterns fan-in,
fan-out).
"""

from __future__ import annotations

from typing import Final

from analytics.activity import Activity, Flow, Market, Moves, Payment
from analytics.typologies.bursts import Burst, Records, bursts
from analytics.typologies.chance import expected_bursts
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import FanParameters
from analytics.typologies.shops import is_shop
from analytics.typologies.wording import times, within

DISTINCT_MIN: Final = 0.6
"""Least share of distinct counterparties among a group's payments."""


class _Fan:
    """What both directions share; ``_flow`` picks the direction."""

    version = 3
    _role = ""

    def __init__(self, parameters: FanParameters) -> None:
        self._parameters = parameters
        self._records = Records(parameters.window_ms)

    def _examine(
        self, activity: Activity, flow: Flow, market: Market, time_ms: int
    ) -> Finding | None:
        parameters = self._parameters
        since_ms = time_ms - parameters.window_ms
        least = parameters.counterparties_min.get(activity.kind, 1)
        # Few accounts meet many new ones: most are done with here.
        if len(flow.firsts_since(since_ms)) < parameters.new_min * least:
            return None
        past_ms = max(time_ms - activity.opened_ms, activity.opened_ms - market.began_ms)
        if past_ms < parameters.past_ms_min:
            return None
        seen: set[str] = set()

        def is_another(payment: Payment) -> bool:
            """Tell whether a payment adds a counterparty to those after it."""
            if payment.other in seen or not self._counts(payment, market):
                return False
            seen.add(payment.other)
            return True

        findings = (
            self._group(group, activity, flow, market, least, time_ms)
            for group in bursts(activity, flow, market, least, since_ms, time_ms, is_another)
        )
        best = max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )
        if best is None or self._records.has_precedent(
            activity.account, len(best.transactions), time_ms
        ):
            return None
        return best

    def _counts(self, payment: Payment, market: Market) -> bool:  # noqa: ARG002 - one direction's
        """Tell whether a payment may be part of a fan."""
        return True

    def _group(
        self,
        group: Burst,
        activity: Activity,
        flow: Flow,
        market: Market,
        least: int,
        time_ms: int,
    ) -> Finding | None:
        payments = [payment for payment in group.payments if self._counts(payment, market)]
        others = {payment.other for payment in payments}
        new_share = sum(payment.is_new for payment in payments) / len(others)
        parameters = self._parameters
        is_fan = len(others) >= least and len(others) >= DISTINCT_MIN * len(payments)
        if not is_fan or new_share < parameters.new_min or group.ratio < parameters.burst_min:
            return None
        by_chance = expected_bursts(activity, flow, market, group.payments, time_ms)
        if by_chance > parameters.chance_max:
            return None
        return found(self._signs(payments, len(others), least, new_share, group.ratio), payments)

    def _signs(
        self, payments: list[Payment], count: int, least: int, new_share: float, burst: float
    ) -> list[Sign]:
        span = within(payments[0].time_ms - payments[-1].time_ms)
        return [
            Sign(
                self._role,
                count,
                count / (2 * least),
                0.4,
                f"{count} {self._role} {span}",
            ),
            Sign(
                f"new_{self._role}",
                new_share,
                new_share,
                0.3,
                f"{new_share:.0%} of them for the first time",
            ),
            Sign(
                "burst",
                burst,
                burst / (2 * self._parameters.burst_min),
                0.3,
                f"{times(burst)} as fast as before",
            ),
        ]


class FanIn(_Fan):
    """Many payers, one payee."""

    name = "fan_in"
    _role = "payers"

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the gathering that a fresh receipt completes."""
        if not moves.received:
            return None
        return self._examine(moves.activity, moves.activity.received, market, time_ms)


class FanOut(_Fan):
    """One payer, many payees."""

    name = "fan_out"
    _role = "payees"

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the spreading that a fresh payment completes."""
        if not moves.paid:
            return None
        return self._examine(moves.activity, moves.activity.paid, market, time_ms)

    def _counts(self, payment: Payment, market: Market) -> bool:
        """Leave out what is spent in shops: a few days of shopping reach many."""
        return not is_shop(market.activity(payment.other))
