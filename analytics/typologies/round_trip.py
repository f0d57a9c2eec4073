"""Round trip: money that comes back to where it started, through up to five others.

A fresh payment closes a cycle when its payee had paid, through others and always later in time,
what now comes back. Each account on the way may keep a little. What its accounts did before it is no
cycle but their habit; a shop that gives one sum back makes a refund, and a treasury that lends to one
other, or within its house, manages cash. Source: Hajdu & Krész, "Temporal network
analytics for fraud detection in the banking sector", ADBIS 2020; Altman et al., NeurIPS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from analytics.activity import Market, Moves, Payment
from analytics.typologies.amounts import of_asset, shown
from analytics.typologies.chance import agreeing_share, payments_in
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import RoundTripParameters
from analytics.typologies.shops import is_shop
from analytics.typologies.wording import within

SEARCH_STEPS_MAX: Final = 5_000
"""Payments looked at for one closing payment; the search ends without a finding there."""

ADDED_MAX: Final = 1.05
"""How many times what came in an account on the way may hand on."""

LIKE_SHARE: Final = 0.5
"""An earlier payment at least this large, as a share of a payment, makes it a habit."""

Path = tuple[Payment, ...]


class RoundTrip:
    """Searches backwards from each fresh receipt; the alert is about where the money came back to."""

    name = "round_trip"
    version = 3

    def __init__(self, parameters: RoundTripParameters) -> None:
        self._parameters = parameters

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return the strongest cycle that a fresh receipt closes."""
        findings = []
        for closing in moves.received:
            amount_min = of_asset(self._parameters.amount_min, closing.asset)
            if amount_min is None or closing.amount < market.units(amount_min, closing.asset):
                continue
            path = _Search(self._parameters, market, moves.activity.account, closing).run(time_ms)
            if path is not None:
                findings.append(self._finding(moves, market, path))
        return max(
            (finding for finding in findings if finding is not None),
            key=lambda finding: finding.score,
            default=None,
        )

    def _finding(self, moves: Moves, market: Market, path: Path) -> Finding | None:
        closing = path[-1]
        payments: Sequence[Payment] = path
        amounts = [payment.amount for payment in path]
        spread = 1 - min(amounts) / max(amounts)
        if _is_house_keeping(moves, market, path):
            return None
        trips = self._to_and_fro(moves, closing) if len(path) == 2 else []
        if len(trips) >= 2 * self._parameters.repeats_of_two_min:
            payments = trips
        elif (
            _is_habit(moves, market, path)
            or _is_refund(market, path)
            or self._by_chance(moves, market, path) > self._parameters.chance_max
        ):
            return None
        # What every account on the way keeps adds up.
        spread_max = 1 - (1 - self._parameters.spread_max) ** (len(path) - 1)
        hours = (closing.time_ms - path[0].time_ms) / 3_600_000
        speed = 1 - hours / self._parameters.window_hours
        returned = shown(market, closing.amount, closing.asset)
        return found(
            [
                Sign(
                    "returned",
                    closing.amount / max(amounts),
                    closing.amount / max(amounts),
                    0.4,
                    f"{returned} came back through {len(path) - 1} others",
                ),
                Sign(
                    "spread",
                    spread,
                    1 - spread / spread_max if spread_max else 1,
                    0.2,
                    f"the amounts on the way differ by {spread:.0%}",
                ),
                Sign("hours", hours, speed, 0.2, within(closing.time_ms - path[0].time_ms)),
                Sign("accounts", len(path), 1, 0.2, f"a cycle of {len(path)} accounts"),
            ],
            payments,
        )

    def _by_chance(self, moves: Moves, market: Market, path: Path) -> float:
        """Return how many such cycles the market would be expected to have without anybody's purpose.

        For each payment as large as the closing one: at every account on the way one of its receipts
        since the cycle began must agree with what it handed on, and the first must come from the origin.
        """
        closing, began_ms = path[-1], path[0].time_ms
        deviation = max(abs(1 - after.amount / before.amount) for before, after in pairwise(path))
        expected = payments_in(
            market, self._parameters.window_ms, closing.asset, closing.amount, closing.time_ms
        )
        for payment in path[1:]:
            flow = market.activity(payment.other).received
            earlier = [p for p in flow.recent if p.time_ms < began_ms]
            agreeing = agreeing_share(market, earlier, payment.asset, payment.amount, deviation)
            expected *= len(flow.since(began_ms)) * agreeing
        origin = moves.activity
        first = market.activity(path[1].other).received.recent
        known = sum(p.other == origin.account and p.time_ms < began_ms for p in first)
        of_first = known / (sum(p.time_ms < began_ms for p in first) + 1)
        of_market = (origin.paid.singles + 1) / (market.transactions + 1)
        return expected * max(of_first, of_market)

    def _to_and_fro(self, moves: Moves, closing: Payment) -> list[Payment]:
        """Return the payments of like amount between two accounts, both ways."""
        since_ms = closing.time_ms - self._parameters.window_ms
        flows = (moves.activity.paid.since(since_ms), moves.activity.received.since(since_ms))
        low, high = _like(closing.amount, self._parameters.spread_max)
        paid, received = (
            [
                payment
                for payment in flow
                if payment.other == closing.other
                and payment.asset == closing.asset
                and low <= payment.amount <= high
            ]
            for flow in flows
        )
        trips = min(len(paid), len(received))
        return paid[:trips] + received[:trips]


class _Search:
    """One search, from the closing payment back in time to an account that its payee paid."""

    def __init__(
        self, parameters: RoundTripParameters, market: Market, origin: str, closing: Payment
    ) -> None:
        self._market = market
        self._origin = origin
        self._closing = closing
        self._accounts = range(parameters.accounts_min, parameters.accounts_max + 1)
        self._spread_max = parameters.spread_max
        self._since_ms = closing.time_ms - parameters.window_ms
        self._steps = 0

    def run(self, time_ms: int) -> Path | None:
        """Return the payments of the shortest cycle, oldest first, or None."""
        level: list[Path] = [(self._closing,)]
        for length in range(2, self._accounts.stop):
            longer: list[Path] = []
            for path in level:
                for before in self._before(path, time_ms):
                    if before.other == self._origin:
                        if length in self._accounts:
                            return (before, *path)
                    else:
                        longer.append((before, *path))
            level = longer
        return None

    def _before(self, path: Path, time_ms: int) -> list[Payment]:
        """Return payments that could have come just before a path: to its first payer, no later."""
        first = path[0]
        latest_ms = first.time_ms if len(path) > 1 else time_ms
        visited = {payment.other for payment in path}
        low, high = int(first.amount / ADDED_MAX), int(first.amount / (1 - self._spread_max)) + 1
        found_before: list[Payment] = []
        for payment in self._market.activity(first.other).received.since(self._since_ms):
            self._steps += 1
            if self._steps > SEARCH_STEPS_MAX:
                return found_before
            if (
                payment.time_ms <= latest_ms
                and payment.asset == first.asset
                and low <= payment.amount <= high
                and payment.txid != first.txid
                and payment.other not in visited
            ):
                found_before.append(payment)
        return found_before


def _like(amount: int, spread_max: float) -> tuple[int, int]:
    """Return the smallest and the largest amount that differ from one by at most a share."""
    return int(amount * (1 - spread_max)), int(amount / max(1 - spread_max, 0.01)) + 1


def _is_habit(moves: Moves, market: Market, path: Path) -> bool:
    """Tell whether most payments of a cycle are of a kind that its accounts made before it began."""
    payees = [*(payment.other for payment in path[1:]), moves.activity.account]
    began_ms = path[0].time_ms
    known = 0
    for payment, payee in zip(path, payees, strict=True):
        known += any(
            before.time_ms < began_ms
            and before.other == payment.other
            and before.asset == payment.asset
            and before.amount >= LIKE_SHARE * payment.amount
            for before in market.activity(payee).received.recent
        )
    return 2 * known >= len(path)


def _is_refund(market: Market, path: Path) -> bool:
    """Tell whether a sum came straight back from an account that lives on many payers: a shop."""
    return len(path) == 2 and is_shop(market.activity(path[-1].other))


def _is_house_keeping(moves: Moves, market: Market, path: Path) -> bool:
    """Tell whether a treasury lends and collects: with one other, or among accounts of its member."""
    activities = [market.activity(payment.other) for payment in path[1:]] + [moves.activity]
    treasuries = sum(activity.kind == "treasury" for activity in activities)
    members = {activity.member for activity in activities}
    return treasuries > 0 and (len(members) == 1 or len(path) == 2 or treasuries == len(path))
