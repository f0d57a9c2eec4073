"""Dormant account reactivated: a long sleep, then a large part of what it holds is paid away.

Takeovers and bought identities look like this. A small payment after a long pause is everyday life,
so it counts what is paid within the window after waking against what there was to pay.
Source: FFIEC BSA/AML Examination Manual, Appendix F, "Funds transfers" (dormant accounts).
"""

from __future__ import annotations

from dataclasses import dataclass

from analytics.activity import Market, Moves
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import DAY_MS, DormantParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waking:
    """When an account woke, and what it was before."""

    time_ms: int
    idle_ms: int
    held: dict[str, int]
    """Balances before its first payment in or out, smallest units."""


class Dormant:
    """Remembers who woke, and looks at what they pay."""

    name = "dormant"
    version = 1

    def __init__(self, parameters: DormantParameters) -> None:
        self._parameters = parameters
        self._woken: dict[str, _Waking] = {}

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the reactivation that a fresh payment shows."""
        activity = moves.activity
        self._note_waking(moves, time_ms)
        waking = self._woken.get(activity.account)
        if waking is None or not moves.paid:
            return None
        if time_ms - waking.time_ms > self._parameters.window_ms:
            del self._woken[activity.account]
            return None
        findings = [
            self._spent(moves, market, asset, waking)
            for asset in sorted({payment.asset for payment in moves.paid})
        ]
        return max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )

    def _note_waking(self, moves: Moves, time_ms: int) -> None:
        activity = moves.activity
        if activity.idle_ms < self._parameters.idle_days * DAY_MS or activity.active_ms != time_ms:
            return
        if self._woken.get(activity.account, _NEVER).time_ms == time_ms:
            return
        held = dict(activity.balances)
        for payment in moves.paid:
            held[payment.asset] += payment.amount
        for payment in moves.received:
            held[payment.asset] -= payment.amount
        if any(held.values()):
            self._woken[activity.account] = _Waking(
                time_ms=time_ms, idle_ms=activity.idle_ms, held=held
            )

    def _spent(self, moves: Moves, market: Market, asset: str, waking: _Waking) -> Finding | None:
        parameters, activity = self._parameters, moves.activity
        paid = [p for p in activity.paid.since(waking.time_ms) if p.asset == asset]
        received = [p for p in activity.received.since(waking.time_ms) if p.asset == asset]
        spent = sum(payment.amount for payment in paid)
        had = waking.held.get(asset, 0) + sum(payment.amount for payment in received)
        share = spent / had if had else 0.0
        amount_min = of_asset(parameters.amount_min, asset)
        if amount_min is None or spent < market.units(amount_min, asset):
            return None
        if share < parameters.spent_min:
            return None
        days = waking.idle_ms / DAY_MS
        new = sum(p.amount for p in paid if p.is_new) / spent
        return found(
            [
                Sign(
                    "idle_days",
                    days,
                    0.5 + days / (6 * parameters.idle_days),
                    0.4,
                    f"no payment for {days:.0f} days",
                ),
                Sign(
                    "spent",
                    share,
                    share,
                    0.4,
                    f"then {share:.0%} of what it held, {shown(market, spent, asset)}",
                ),
                Sign("new_payees", new, new, 0.2, f"{new:.0%} of it to new payees"),
            ],
            paid,
        )


_NEVER = _Waking(time_ms=-1, idle_ms=0, held={})
