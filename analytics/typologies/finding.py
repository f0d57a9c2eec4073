"""What a typology finds, and how its score comes to be: weighted degrees that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from analytics.activity import Market, Moves, Payment, txids
from analytics.alerts import Reason


class Sign(NamedTuple):
    """One measured sign of a pattern."""

    feature: str
    """Name of the feature."""
    value: float
    """What was measured, in the feature's own unit."""
    degree: float
    """How far it speaks for the pattern, 0 to 1; what is beyond is cut."""
    weight: float
    """Its part of the score; the weights of all signs of a rule add up to 1."""
    text: str
    """The fact as a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A pattern that is there, before it is decided whether to warn."""

    score: float
    """Strength, 0 to 1."""
    reasons: tuple[Reason, ...]
    """Why; the contributions add up to the score."""
    transactions: tuple[str, ...]
    """Txids of the pattern, oldest first."""
    since_ms: int
    """Time of the block of its oldest payment, milliseconds since 1970-01-01 UTC."""


def found(signs: Sequence[Sign], payments: Sequence[Payment]) -> Finding:
    """Return the finding that signs make: its score is the sum of weight times degree."""
    reasons = tuple(
        Reason(
            feature=sign.feature,
            value=sign.value,
            contribution=sign.weight * min(1.0, max(0.0, sign.degree)),
            text=sign.text,
        )
        for sign in signs
    )
    score = min(1.0, sum(reason.contribution for reason in reasons))
    since_ms = min(payment.time_ms for payment in payments)
    return Finding(score=score, reasons=reasons, transactions=txids(payments), since_ms=since_ms)


class Typology(Protocol):
    """One rule. It may remember what it saw; all of that follows from the blocks."""

    @property
    def name(self) -> str:
        """The pattern's name in alerts."""
        ...

    @property
    def version(self) -> int:
        """Number of the rule's definition; it rises when the same facts may score otherwise."""
        ...

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:
        """Return what one account's moves of a block complete, or None.

        ``time_ms`` is the block's time. Called for every account that a block moves, in order.
        """
        ...
