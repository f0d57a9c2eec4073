"""Structuring: payments split so that each stays just under a reporting threshold.

What gives it away is bunching. An account that happens to pay such amounts also pays a little more
and a little less; one that splits has many payments just under the threshold and none beside them.
It is the payer who splits; where several pay one account like that, it is the account that gathers.
Source: FATF, Glossary (smurfing); Kleven, "Bunching", Annual Review of Economics 8 (2016).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from analytics.activity import Flow, Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import StructuringParameters

NEIGHBOURHOOD_BANDS: Final = 2
"""How many bands on either side of the band under the threshold count as near it."""


class Structuring:
    """Looks at what an account pays, and at what several pay it; one transaction counts once."""

    name = "structuring"
    version = 2

    def __init__(self, parameters: StructuringParameters) -> None:
        self._parameters = parameters

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the strongest bunching under a threshold that a fresh payment adds to."""
        findings = []
        for asset in sorted({payment.asset for payment in (*moves.paid, *moves.received)}):
            for decimal in of_asset(self._parameters.thresholds, asset) or ():
                threshold = market.units(decimal, asset)
                low = threshold - int(threshold * self._parameters.band)
                for flow, fresh, role in _sides(moves):
                    if any(p.asset == asset and low <= p.amount < threshold for p in fresh):
                        finding = self._bunching(flow, role, market, asset, low, threshold, time_ms)
                        findings.append(finding)
        return max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )

    def _bunching(
        self,
        flow: Flow,
        role: str,
        market: Market,
        asset: str,
        low: int,
        threshold: int,
        time_ms: int,
    ) -> Finding | None:
        parameters = self._parameters
        width = NEIGHBOURHOOD_BANDS * (threshold - low)
        single = flow.singles_since(time_ms - parameters.window_ms)
        near = [
            p for p in single if p.asset == asset and low - width <= p.amount < threshold + width
        ]
        under = [p for p in near if low <= p.amount < threshold]
        bunching = len(under) / len(near) if near else 0.0
        if len(under) < parameters.payments_min or bunching < parameters.bunching_min:
            return None
        if role == "payer" and not _is_gathered(flow, under, low, threshold):
            return None
        total = sum(payment.amount for payment in under)
        most = max(Counter(payment.other for payment in under).values())
        return found(self._signs(market, role, under, total, bunching, most, threshold), under)

    def _signs(
        self,
        market: Market,
        role: str,
        under: list[Payment],
        total: int,
        bunching: float,
        most: int,
        threshold: int,
    ) -> list[Sign]:
        asset, least = under[0].asset, self._parameters.payments_min
        limit = shown(market, threshold, asset)
        return [
            Sign(
                "payments_under_threshold",
                len(under),
                len(under) / (2 * least),
                0.3,
                f"{len(under)} payments just under {limit}",
            ),
            Sign(
                "total_over_threshold",
                total / threshold,
                total / (3 * threshold),
                0.3,
                f"together {shown(market, total, asset)}",
            ),
            Sign(
                "bunching",
                bunching,
                bunching,
                0.25,
                f"{bunching:.0%} of its payments near {limit} are just under it",
            ),
            Sign(
                f"same_{role}",
                most / len(under),
                most / len(under),
                0.15,
                f"{most} of them with one {role}",
            ),
        ]


def _sides(moves: Moves) -> Iterator[tuple[Flow, Sequence[Payment], str]]:
    """Yield both directions of an account's moves, with the role of the other side."""
    yield moves.activity.paid, moves.paid, "payee"
    yield moves.activity.received, moves.received, "payer"


def _is_gathered(flow: Flow, under: Sequence[Payment], low: int, threshold: int) -> bool:
    """Tell whether several pay one account what one would have to report, who never did before.

    Where a single payer splits, the warning is about him; fees of one price come again and again.
    """
    began_ms = under[-1].time_ms
    used_to = any(p.time_ms < began_ms and low <= p.amount < threshold for p in flow.recent)
    return len({payment.other for payment in under}) > 1 and not used_to
