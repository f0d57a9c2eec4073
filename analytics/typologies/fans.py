"""Fan-in and fan-out: many counterparties at once, most of them new, by an account that had few.

Money of many victims or mules is gathered in one account, or spread from one over many. Shops and
employers have many counterparties too, but steadily, or again and again: the first is told by the
rate, the second by precedent. Source: Altman et al., "Realistic Synthetic Financial Transactions
for Anti-Money Laundering Models", NeurIPS 2023 (patterns fan-in, fan-out).
"""

from __future__ import annotations

from analytics.activity import Activity, Flow, Market, Moves, Payment, by_transaction
from analytics.typologies.bursts import Records, burst_ratio
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import FanParameters


class _Fan:
    """What both directions share; ``_flow`` picks the direction."""

    version = 1
    _role = ""

    def __init__(self, parameters: FanParameters) -> None:
        self._parameters = parameters
        self._records = Records(parameters.window_ms)

    def _examine(self, activity: Activity, flow: Flow, time_ms: int) -> Finding | None:
        parameters = self._parameters
        recent = flow.since(time_ms - parameters.window_ms)
        # A payroll in one transaction is one decision, whatever its legs.
        single = [legs[0] for legs in by_transaction(recent).values() if len(legs) == 1]
        others = {payment.other for payment in single}
        least = parameters.counterparties_min.get(activity.kind, 1)
        if len(others) < least:
            return None
        new = {payment.other for payment in single if payment.is_new}
        new_share = len(new) / len(others)
        began_ms = single[-1].time_ms
        burst = burst_ratio(
            len(single),
            time_ms - began_ms,
            flow.transactions - len(by_transaction(recent)),
            began_ms - activity.opened_ms,
        )
        if new_share < parameters.new_min or burst < parameters.burst_min:
            return None
        if self._records.has_precedent(activity.account, len(others), time_ms):
            return None
        return found(self._signs(single, len(others), least, new_share, burst), single)

    def _signs(
        self, payments: list[Payment], count: int, least: int, new_share: float, burst: float
    ) -> list[Sign]:
        hours = (payments[0].time_ms - payments[-1].time_ms) / 3_600_000
        return [
            Sign(
                self._role,
                count,
                count / (2 * least),
                0.4,
                f"{count} {self._role} within {hours:.1f} hours",
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
                f"{burst:.0f} times as fast as before",
            ),
        ]


class FanIn(_Fan):
    """Many payers, one payee."""

    name = "fan_in"
    _role = "payers"

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:  # noqa: ARG002 - the protocol's
        """Return the gathering that a fresh receipt completes."""
        if not moves.received:
            return None
        return self._examine(moves.activity, moves.activity.received, time_ms)


class FanOut(_Fan):
    """One payer, many payees."""

    name = "fan_out"
    _role = "payees"

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:  # noqa: ARG002 - the protocol's
        """Return the spreading that a fresh payment completes."""
        if not moves.paid:
            return None
        return self._examine(moves.activity, moves.activity.paid, time_ms)
