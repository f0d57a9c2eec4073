"""Detection against the labels: recall a typology, precision over all alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from analytics.alerts import Alert
from analytics.detection import Detector
from analytics.movements import AccountOpened, BlockFacts, Movement
from analytics.typologies.parameters import TypologyParameters
from analytics.typologies.sanctions import SanctionsList
from scripts.markets.blocks import BEGAN_MS, Placed, planned_blocks
from scripts.markets.payments import Label
from scripts.markets.plan import MarketPlan


class Warned(Protocol):
    """What is judged of an alert."""

    @property
    def typology(self) -> str:
        """Pattern that it tells of."""
        ...

    @property
    def account(self) -> str | None:
        """Account that it is about; None where it is about the market."""
        ...

    @property
    def transactions(self) -> Sequence[str]:
        """Transactions that it rests on."""
        ...


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
    wrong: tuple[Warned, ...]
    """Alerts without a pattern."""


def judge(plan: MarketPlan) -> Verdict:
    """Return how the typologies with the default parameters do on a market."""
    return verdict_in_memory(plan, alerts_in_memory(plan, TypologyParameters()))


def alerts_in_memory(plan: MarketPlan, parameters: TypologyParameters) -> list[Alert]:
    """Return the alerts about a market, in order."""
    detector = Detector(parameters, SanctionsList(list(plan.listed_names), set()), {"CNY": 2})
    return [alert for facts in block_facts(plan) for alert in detector.detect(facts)]


def verdict_in_memory(plan: MarketPlan, alerts: Sequence[Warned]) -> Verdict:
    """Return how the alerts about a market in memory do."""
    pattern_of = {stand_in(number): p.pattern for number, p in enumerate(plan.payments)}
    return verdict_of(plan.labels, alerts, pattern_of)


def verdict_of(
    labels: Sequence[Label], alerts: Sequence[Warned], pattern_of: Mapping[str, int]
) -> Verdict:
    """Return how alerts do against labels that name accounts as the alerts do.

    ``pattern_of`` is the number of the pattern, if it is above -1, that each transaction belongs to.
    """
    right = [alert for alert in alerts if is_right(alert, labels, pattern_of)]
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


def is_right(alert: Warned, labels: Sequence[Label], pattern_of: Mapping[str, int]) -> bool:
    """Tell whether an alert is about a party of a pattern and rests on a payment of it."""
    for txid in alert.transactions:
        number = pattern_of.get(txid, -1)
        if number >= 0 and alert.account in (labels[number].account, *labels[number].accomplices):
            return True
    return False


def stand_in(number: int) -> str:
    """Return a stand-in for the txid of a planned payment."""
    return f"{number:064x}"


def block_facts(plan: MarketPlan) -> Iterator[BlockFacts]:
    """Yield a plan as the facts of blocks, as the warehouse would give them."""
    opened = tuple(AccountOpened(p.name, p.bank, p.kind) for p in plan.cast.values())
    held = tuple(
        Movement(None, 0, place, "genesis", None, name, "CNY", amount, "")
        for place, (name, amount) in enumerate(plan.held.items())
    )
    yield BlockFacts(height=0, time_ms=BEGAN_MS, opened=opened, movements=held)
    for block in planned_blocks(plan.payments):
        movements = tuple(
            movement
            for position, placed in enumerate(block.payments)
            for movement in _movements(placed, position)
        )
        yield BlockFacts(height=block.height, time_ms=block.time_ms, opened=(), movements=movements)


def _movements(placed: Placed, position: int) -> Iterator[Movement]:
    payment = placed.payment
    for place, leg in enumerate(payment.legs):
        yield Movement(
            stand_in(placed.number), position, place, "transfer", leg.payer, leg.payee, "CNY",
            leg.amount, payment.reference,
        )  # fmt: skip
