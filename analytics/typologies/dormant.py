"""Dormant account reactivated: a long sleep, then much is paid away.

Takeovers and bought identities look like this. A small payment after a long pause is everyday life,
so it counts what is paid within the window after waking against what there was to pay, and against
what others pay. A month is a sleep at any account. In a market that is younger, one that took most of
an account's life is, if the account had paid before, and at its own former pace would hardly have been
silent so long. Source: FFIEC BSA/AML Examination Manual, Appendix F, "Funds transfers" (dormant accounts).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analytics.activity import Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import DAY_MS, DormantParameters
from analytics.typologies.wording import lasting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waking:
    """When an account woke, and what it was before."""

    time_ms: int
    idle_ms: int
    chance: float
    """Accounts of the market that would be expected to sleep so by chance; 0 after ``idle_days``."""
    held: dict[str, int]
    """Balances before its first payment in or out, smallest units."""


class Dormant:
    """Remembers who woke, and looks at what they pay."""

    name = "dormant"
    version = 2

    def __init__(self, parameters: DormantParameters) -> None:
        self._parameters = parameters
        self._woken: dict[str, _Waking] = {}

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the reactivation that a fresh payment shows."""
        activity = moves.activity
        self._note_waking(moves, market, time_ms)
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

    def _note_waking(self, moves: Moves, market: Market, time_ms: int) -> None:
        activity = moves.activity
        if activity.active_ms != time_ms:
            return
        chance = self._slept_by_chance(moves, market, time_ms)
        if chance > self._parameters.chance_max / self._parameters.rare_max:
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
                time_ms=time_ms, idle_ms=activity.idle_ms, chance=chance, held=held
            )

    def _slept_by_chance(self, moves: Moves, market: Market, time_ms: int) -> float:
        """Return how many accounts of the market would sleep as this one did by chance; inf for no sleep.

        Of as many blocks in which an account is active, spread over its life until now by chance, none
        lies in the sleep, but for the last before it, with which the sleep began. Time goes by the clock
        or by the market's transactions, whichever makes less of the sleep.
        """
        activity = moves.activity
        if activity.idle_ms >= self._parameters.idle_days * DAY_MS:
            return 0.0
        life_ms = max(1, time_ms - activity.opened_ms)
        life = max(1, activity.active_number - activity.opened_number)
        slept = min(activity.idle_ms / life_ms, activity.idle_number / life)
        paid_before = activity.paid.totals != _sums(moves.paid)
        if slept < self._parameters.idle_share or not paid_before:
            return math.inf
        blocks_before = activity.active_blocks - 1
        return len(market.activities()) * (1 - slept) ** (blocks_before - 1)

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
        rare = market.sizes(asset).share_from(max(payment.amount for payment in paid))
        if waking.chance * rare > parameters.chance_max:
            return None
        is_large = rare <= parameters.rare_max
        if not is_large and (waking.chance > 0 or share < parameters.spent_min):
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
                    f"no payment for {lasting(waking.idle_ms)}",
                ),
                Sign(
                    "spent",
                    share,
                    max(share, 1 - rare) if is_large else share,
                    0.4,
                    f"then {share:.0%} of what it held, {shown(market, spent, asset)}",
                ),
                Sign("new_payees", new, new, 0.2, f"{new:.0%} of it to new payees"),
            ],
            paid,
        )


def _sums(payments: Sequence[Payment]) -> dict[str, int]:
    """Return the sum of each asset, smallest units."""
    sums: dict[str, int] = {}
    for payment in payments:
        sums[payment.asset] = sums.get(payment.asset, 0) + payment.amount
    return sums


_NEVER = _Waking(time_ms=-1, idle_ms=0, chance=0.0, held={})
