"""What risk scores are made of: parts that add up, none of them hidden.

An account's score is ``0.7 A + 0.3 B``. ``A = 1 - prod(1 - s)`` joins its alerts as independent
warnings (a noisy or; Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2),
where ``s`` is the strongest alert of a typology after decay. ``B`` is a weighted mean of signs in
its behaviour, each from 0 to 1. A member's and the market's scores are weighted means over theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from analytics.alerts import Reason
from analytics.risk.standing import WORST_MAX, Group

ACCOUNT_MODEL: Final = "account_risk/1"
MEMBER_MODEL: Final = "member_risk/1"
MARKET_MODEL: Final = "market_risk/1"

ALERTS_WEIGHT: Final = 0.7
"""What alerts can add to an account's score."""
BEHAVIOUR_WEIGHT: Final = 0.3
"""What the signs in its behaviour can add."""
HALF_LIFE_DAYS: Final = 14.0
"""After so many days an alert counts half."""
ALERT_DAYS_MAX: Final = 120
"""Alerts older than this are left out: they count less than a three-hundredth, days."""
STRENGTH_MAX: Final = 0.99
"""No alert is certain: what the strongest counts for."""
PAYMENTS_MIN: Final = 5
"""Payments made from which shares of them say something."""
WORST_ACCOUNTS: Final = WORST_MAX
"""How many of a member's accounts stand for its worst."""
WORST_MEMBERS: Final = 3
"""How many members stand for the market's worst."""
AT_RISK_FULL: Final = 0.1
"""Share of accounts at risk that counts in full."""


class Weighed(NamedTuple):
    """A score and what it is made of."""

    score: float
    """0 to 1."""
    reasons: tuple[Reason, ...]
    """Parts other than 0, largest first; their contributions add up to the score."""


class Sign(NamedTuple):
    """A sign in an account's behaviour."""

    feature: str
    """The feature that it reads."""
    weight: float
    """Its share of the behaviour's part; all add up to 1."""
    degree: Callable[[Mapping[str, float]], float]
    """From the features to 0 to 1."""
    text: Callable[[float], str]
    """The fact as a sentence, from the feature's value."""


def _passed_through(features: Mapping[str, float]) -> float:
    is_quick = features["dwell_hours"] <= 24 and features["paid_count"] > 0
    is_large = features["paid_volume"] >= 2
    return 2 * features["passed_through"] - 1 if is_quick and is_large else 0.0


def _share(name: str) -> Callable[[Mapping[str, float]], float]:
    return lambda features: features[name] if features["paid_count"] >= PAYMENTS_MIN else 0.0


def _new_payees(features: Mapping[str, float]) -> float:
    # Everybody's first payees are new; many at once are a sign.
    return features["new_payees"] * min(1.0, features["payees"] / 10)


SIGNS: Final = (
    Sign("passed_through", 0.25, _passed_through,
         lambda v: f"{v:.0%} of what came in and went out balances, within a day"),
    Sign("new_payees", 0.20, _new_payees, lambda v: f"{v:.0%} of its payees are new"),
    Sign("round_share", 0.15, _share("round_share"),
         lambda v: f"{v:.0%} of its payments are of round amounts"),
    Sign("night_share", 0.15, _share("night_share"), lambda v: f"{v:.0%} of its payments at night"),
    Sign("returning", 0.10, _share("returning"), lambda v: f"{v:.0%} of its payees pay it back"),
    Sign("largest_paid", 0.15, lambda features: math.log10(max(1.0, features["largest_paid"])) / 2,
         lambda v: f"its largest payment is {v:.1f} times the market's mean"),
)  # fmt: skip
"""All signs in an account's behaviour."""


def decayed(score: float, age_days: float) -> float:
    """Return what an alert of that age still counts."""
    return min(score, STRENGTH_MAX) * math.exp2(-max(0.0, age_days) / HALF_LIFE_DAYS)


def account_risk(features: Mapping[str, float], alerts: Mapping[str, float]) -> Weighed:
    """Return an account's score from its features and its alerts, the strongest of each typology.

    The part of the alerts is shared among typologies in proportion to ``-log(1 - s)``, in which a
    noisy or is a sum.
    """
    signs = [
        Reason(
            feature=sign.feature,
            value=features[sign.feature],
            contribution=BEHAVIOUR_WEIGHT * sign.weight * degree,
            text=sign.text(features[sign.feature]),
        )
        for sign in SIGNS
        if (degree := _cut(sign.degree(features))) > 0
    ]
    return _weighed([*_of_alerts(alerts), *signs])


def member_risk(group: Group) -> Weighed:
    """Return a member's score from those of its active accounts."""
    return _group_risk(
        group, WORST_ACCOUNTS, weights=(0.5, 0.3, 0.2), of="accounts", worst=group.worst
    )


def market_risk(group: Group, members: Sequence[float]) -> Weighed:
    """Return the market's score from those of all active accounts, and from the members'."""
    return _group_risk(group, WORST_MEMBERS, weights=(0.5, 0.4, 0.1), of="members", worst=members)


def _group_risk(
    group: Group,
    count: int,
    *,
    weights: tuple[float, float, float],
    of: str,
    worst: Sequence[float],
) -> Weighed:
    top = sorted(worst, reverse=True)[:count]
    highest = math.fsum(top) / len(top) if top else 0.0
    active = len(group.scores)
    share = group.at_risk / active if active else 0.0
    mean = group.mean
    degrees = (highest, share / AT_RISK_FULL, mean)
    facts = (
        (f"worst_{of}", highest, f"its {len(top)} riskiest {of} score {highest:.2f} on average"),
        ("share_at_risk", share, f"{group.at_risk} of {active} active accounts are at high risk"),
        ("mean_score", mean, f"active accounts score {mean:.2f} on average"),
    )
    return _weighed(
        [
            Reason(feature=name, value=value, contribution=weight * _cut(degree), text=text)
            for weight, degree, (name, value, text) in zip(weights, degrees, facts, strict=True)
        ]
    )


def _of_alerts(alerts: Mapping[str, float]) -> list[Reason]:
    logs = {typology: -math.log1p(-strength) for typology, strength in sorted(alerts.items())}
    total = math.fsum(logs.values())
    if total <= 0:
        return []
    joined = ALERTS_WEIGHT * -math.expm1(-total)
    return [
        Reason(
            feature=f"alert:{typology}",
            value=alerts[typology],
            contribution=joined * log / total,
            text=f"warned of {typology.replace('_', ' ')}, which still counts {alerts[typology]:.2f}",
        )
        for typology, log in logs.items()
    ]


def _weighed(reasons: list[Reason]) -> Weighed:
    kept = [reason for reason in reasons if reason.contribution > 0]
    kept.sort(key=lambda reason: (-reason.contribution, reason.feature))
    return Weighed(math.fsum(reason.contribution for reason in kept), tuple(kept))


def _cut(degree: float) -> float:
    return min(1.0, max(0.0, degree))
