"""Round amounts: an account that begins to pay, or to be paid, in round sums, one after another.

Prices, wages and bills are seldom round; sums that somebody moves for their own sake often are.
Institutions lend and settle in round sums every day, so the share is compared with the account's own.
Where a single payer pays somebody so, the warning is about him; several bring rents, unless they come
again and again within days.
Source: FinCEN Advisory FIN-2014-A005 (funnel accounts); Nigrini, "Forensic Analytics" (2020), ch. 5.
"""

from __future__ import annotations

from typing import Final

from analytics.activity import Activity, Flow, Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import RoundAmountsParameters

LENGTH_BIAS: Final = 4
"""Payments added to a group's length when groups are compared, so that a longer row beats a short one."""

REPEATS_MIN: Final = 1.5
"""Fewest round payments a payer among those that an account receives: rents are round too, and come once."""


class RoundAmounts:
    """Looks at what an account pays, and at what it is paid; one transaction counts once."""

    name = "round_amounts"
    version = 2

    def __init__(self, parameters: RoundAmountsParameters) -> None:
        self._parameters = parameters

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the row of round payments, made or received, that a fresh one adds to."""
        activity = moves.activity
        sides = ((activity.paid, moves.paid), (activity.received, moves.received))
        findings = [
            self._row(activity, flow, market, time_ms)
            for flow, fresh in sides
            if any(self._is_round(payment, market) for payment in fresh)
        ]
        return max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )

    def _row(self, activity: Activity, flow: Flow, market: Market, time_ms: int) -> Finding | None:
        parameters = self._parameters
        recent = flow.singles_since(time_ms - parameters.window_ms)
        least = parameters.payments_min.get(activity.kind, 1)
        places = [place for place, payment in enumerate(recent) if self._is_round(payment, market)]
        if len(places) < least:
            return None
        # The group ends where it has most round payments for its length, no fewer than the least.
        count = max(range(least, len(places) + 1), key=lambda n: n / (places[n - 1] + LENGTH_BIAS))
        length = places[count - 1] + 1
        rounds = [recent[place] for place in places[:count]]
        share = count / length
        payers = len({payment.other for payment in rounds})
        is_gathered = payers > 1 and len(rounds) >= REPEATS_MIN * payers
        if share < parameters.round_min or (flow is activity.received and not is_gathered):
            return None
        earlier = [p for p in flow.recent if p.is_single][: -length or None]
        usual = sum(self._is_round(p, market) for p in earlier) / len(earlier) if earlier else 0.0
        if usual > parameters.usual_max:
            return None
        total = sum(payment.amount for payment in rounds)
        return found(
            [
                Sign(
                    "round_payments",
                    len(rounds),
                    len(rounds) / (2 * least),
                    0.4,
                    f"{len(rounds)} payments of round amounts, {shown(market, total, rounds[0].asset)}",
                ),
                Sign("round_share", share, share, 0.4, f"{share:.0%} of its payments in that time"),
                Sign(
                    "usual_round_share",
                    usual,
                    1 - usual / parameters.usual_max if parameters.usual_max else 1,
                    0.2,
                    f"{usual:.0%} of them before",
                ),
            ],
            rounds,
        )

    def _is_round(self, payment: Payment, market: Market) -> bool:
        multiple = of_asset(self._parameters.multiple, payment.asset)
        return multiple is not None and payment.amount % market.units(multiple, payment.asset) == 0
