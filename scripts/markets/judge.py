"""Detection against the labels: recall a typology, precision over all alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from analytics.alerts import Alert
from analytics.detection import Detector
from analytics.movements import AccountOpened, BlockFacts, Movement
from analytics.typologies.parameters import TypologyParameters
from analytics.typologies.sanctions import SanctionsList
from scripts.markets.payments import Label, Planned
from scripts.markets.plan import MarketPlan

BEGAN_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
BLOCK_MS: Final = 300_000
"""Time between two blocks of a judged market, milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How detection did on one market."""

    planted: dict[str, int]
    """Number of patterns of each typology."""
    seen: dict[str, int]
    """How many of them got an alert of their typology about their account."""
    alerts: dict[str, int]
    """Number of alerts of each typology."""
    right: dict[str, int]
    """How many of them are about a party of a planted pattern and rest on one of its payments."""
    missed: tuple[Label, ...]
    """Patterns without their alert."""
    wrong: tuple[Alert, ...]
    """Alerts without a pattern."""


def judge(plan: MarketPlan) -> Verdict:
    """Return how the typologies with the default parameters do on a market."""
    detector = Detector(
        TypologyParameters(), SanctionsList(list(plan.listed_names), set()), {"CNY": 2}
    )
    alerts = [alert for facts in block_facts(plan) for alert in detector.detect(facts)]
    pattern_of = {txid_of(place): p.pattern for place, p in enumerate(plan.payments)}
    return _verdict(plan.labels, alerts, pattern_of)


def _verdict(
    labels: Sequence[Label], alerts: Sequence[Alert], pattern_of: dict[str, int]
) -> Verdict:
    right = [alert for alert in alerts if _is_right(alert, labels, pattern_of)]
    warned = {(alert.typology, alert.account) for alert in alerts}
    missed = tuple(label for label in labels if (label.typology, label.account) not in warned)
    typologies = sorted({label.typology for label in labels} | {alert.typology for alert in alerts})
    return Verdict(
        planted={t: sum(label.typology == t for label in labels) for t in typologies},
        seen={
            t: sum(label.typology == t and label not in missed for label in labels)
            for t in typologies
        },
        alerts={t: sum(alert.typology == t for alert in alerts) for t in typologies},
        right={t: sum(alert.typology == t for alert in right) for t in typologies},
        missed=missed,
        wrong=tuple(alert for alert in alerts if alert not in right),
    )


def _is_right(alert: Alert, labels: Sequence[Label], pattern_of: dict[str, int]) -> bool:
    """Tell whether an alert is about a party of a pattern and rests on a payment of it."""
    for txid in alert.transactions:
        number = pattern_of.get(txid, -1)
        if number >= 0 and alert.account in (labels[number].account, *labels[number].accomplices):
            return True
    return False


def txid_of(place: int) -> str:
    """Return a stand-in for the txid of a planned payment."""
    return f"{place:064x}"


def block_facts(plan: MarketPlan) -> Iterator[BlockFacts]:
    """Yield a plan as the facts of blocks, as the warehouse would give them; empty blocks left out."""
    opened = tuple(AccountOpened(p.name, p.bank, p.kind) for p in plan.cast.values())
    held = tuple(
        Movement(None, 0, place, "genesis", None, name, "CNY", amount, "")
        for place, (name, amount) in enumerate(plan.held.items())
    )
    yield BlockFacts(height=0, time_ms=BEGAN_MS, opened=opened, movements=held)
    block: list[Movement] = []
    height = 1
    for place, payment in enumerate(plan.payments):
        end_ms = height * BLOCK_MS
        if payment.time_ms >= end_ms:
            if block:
                yield _facts(height, block)
            block = []
            height = payment.time_ms // BLOCK_MS + 1
        block.extend(_movements(payment, txid_of(place), len(block)))
    if block:
        yield _facts(height, block)


def _facts(height: int, movements: list[Movement]) -> BlockFacts:
    time_ms = BEGAN_MS + height * BLOCK_MS
    return BlockFacts(height=height, time_ms=time_ms, opened=(), movements=tuple(movements))


def _movements(payment: Planned, txid: str, position: int) -> Iterator[Movement]:
    for place, leg in enumerate(payment.legs):
        yield Movement(
            txid, position, place, "transfer", leg.payer, leg.payee, "CNY", leg.amount,
            payment.reference,
        )  # fmt: skip
