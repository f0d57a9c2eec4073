"""How often sums agree by chance: what a rule finds counts only where the market hardly makes it up.

Where many pay many others, somebody always pays on about what just came, and money finds ways back that
nobody meant. So a rule that rests on sums that agree counts how many such cases a market of the same
payments, drawn without purpose, would be expected to have: tests times probability. Source: Desolneux,
Moisan, Morel, "From Gestalt Theory to Image Analysis" (2008), ch. 3 (number of false alarms).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from analytics.activity import Activity, Flow, Market, Payment
from analytics.typologies.bursts import SPAN_MS_MIN

DEVIATION_MIN: Final = 0.01
"""Sums that differ by less than this share agree no better than those that differ by it."""

TAIL_PRECISION: Final = 1e-9
"""Terms of a sum that are smaller than this share of it are left out."""


def payments_in(
    market: Market, window_ms: int, asset: str, amount_min: float, time_ms: int
) -> float:
    """Return how many payments of at least an amount the market makes in a window, by its own pace."""
    sizes = market.sizes(asset)
    past_ms = max(1, time_ms - market.began_ms)
    return sizes.count * min(1.0, window_ms / past_ms) * sizes.share_from(amount_min)


def agreeing_share(
    market: Market, earlier: Iterable[Payment], asset: str, amount: float, deviation: float
) -> float:
    """Return how likely a payment is to differ from an amount by at most a share of it.

    Those of the whole market tell, or those of the account, ``earlier``, where it deals in such sums: of
    what lies between half and double the amount, the part is taken that an even spread would have.
    """
    deviation = max(deviation, DEVIATION_MIN)
    low, high = amount * (1 - deviation), amount * (1 + deviation)
    of_market = market.sizes(asset).share_within(low, high)
    own = [p.amount for p in earlier if p.asset == asset]
    alike = sum(amount / 2 <= one <= 2 * amount for one in own)
    of_account = alike / (len(own) + 1) * min(1.0, math.log(high / low) / math.log(4))
    return max(of_market, of_account)


def at_least(count: int, expected: float) -> float:
    """Return a bound of the probability of ``count`` events or more where ``expected`` are (Poisson)."""
    if expected <= 0:
        return 0.0
    return math.exp(min(0.0, count * math.log(expected) - math.lgamma(count + 1)))


def expected_bursts(
    activity: Activity, flow: Flow, market: Market, group: Sequence[Payment], time_ms: int
) -> float:
    """Return how many bursts like a group of an account's last payments chance would give a market.

    Each account has as many spans like it in its past as fit; in each it makes payments, and meets new
    counterparties, at a pace of which its own past tells, little where that is short (negative
    binomial). Whichever of the two is stranger counts. ``group`` is newest first, ``flow`` its direction.
    """
    own = (len(group), flow.singles - len(group))
    span, past = _span_and_past(activity, market, group[-1], time_ms, own)
    new = sum(payment.is_new for payment in group)
    chance = min(
        _binomial_tail(count, in_all, span / (span + past))
        for count, in_all in ((len(group), flow.singles), (new, len(flow.others)))
    )
    return len(market.activities()) * max(1.0, past / span) * chance


def expected_payments(
    activity: Activity,
    flow: Flow,
    market: Market,
    group: Sequence[Payment],
    first: Payment,
    time_ms: int,
) -> float:
    """Return how many single payments an account used to have in as long as it is since a first one.

    ``group`` are payments since then; one more is counted before than there was.
    """
    now = sum(payment.is_single for payment in group)
    before = flow.singles - now
    span, past = _span_and_past(activity, market, first, time_ms, (now, before))
    return (before + 1) * span / past


def _span_and_past(
    activity: Activity, market: Market, first: Payment, time_ms: int, own: tuple[int, int]
) -> tuple[float, float]:
    """Return how long it is since a payment, and how long the account was there before it.

    By the clock, or by what the rest of the market did meanwhile, whichever makes more of the span:
    nights count little, and so does a rush. ``own`` are the account's transactions in both.
    """
    past_ms = max(first.time_ms - activity.opened_ms, SPAN_MS_MIN)
    span_ms = max(time_ms - first.time_ms, SPAN_MS_MIN)
    span = max(0, market.transactions - first.number - own[0])
    past = max(1, first.number - activity.opened_number - own[1])
    return (span_ms, past_ms) if span_ms * past > span * past_ms else (span, past)


def _binomial_tail(least: int, tries: int, chance: float) -> float:
    """Return the probability of at least so many successes; 1 where they are no more than expected."""
    if least <= tries * chance:
        return 1.0
    odds = chance / (1 - chance)
    term = math.exp(
        math.lgamma(tries + 1)
        - math.lgamma(least + 1)
        - math.lgamma(tries - least + 1)
        + least * math.log(chance)
        + (tries - least) * math.log1p(-chance)
    )
    tail = 0.0
    for successes in range(least, tries + 1):
        tail += term
        term *= (tries - successes) / (successes + 1) * odds
        if term < TAIL_PRECISION * tail:
            break
    return min(1.0, tail)
