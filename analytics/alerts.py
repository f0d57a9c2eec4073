"""Alerts: a warning about an account, with reasons that stand on provable transactions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

ALERT_ID_HEX: Final = 32
"""Length of an alert's id, hexadecimal digits."""
SCORE_TOLERANCE: Final = 1e-9
"""How far the contributions of the reasons may be from the score, by rounding."""


class Severity(StrEnum):
    """How soon a person should look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One measured fact behind a score, and its share of it."""

    feature: str
    """Name of the feature, as in docs/analytics.md."""
    value: float
    """What was measured, in the feature's own unit."""
    contribution: float
    """Its share of the score; the shares of all reasons add up to it."""
    text: str
    """The fact as a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a typology, the anomaly detector or the drift detector found."""

    id: str
    """Name of the alert: the same facts always get the same id, so that a replay repeats it."""
    typology: str
    """Which pattern it is."""
    severity: Severity
    """How soon a person should look."""
    account: str | None
    """Account it is about; None where it is about the market."""
    score: float
    """Strength of the pattern, 0 to 1."""
    reasons: tuple[Reason, ...]
    """Why; their contributions add up to the score."""
    transactions: tuple[str, ...]
    """Txids that it rests on, oldest first."""
    height: int
    """Block at which it was found."""
    time_ms: int
    """Time of that block, milliseconds since 1970-01-01 UTC."""
    model: str
    """Name and version of what found it, such as ``fan_in/1``."""

    def __post_init__(self) -> None:
        explained = math.fsum(reason.contribution for reason in self.reasons)
        if not 0 <= self.score <= 1 or abs(explained - self.score) > SCORE_TOLERANCE:
            raise ValueError(f"reasons add up to {explained}, the score is {self.score}")


def alert_id(typology: str, account: str | None, height: int, first_txid: str | None) -> str:
    """Return the id of an alert: 32 hexadecimal digits that follow from what it is about."""
    parts = (typology, account or "", str(height), first_txid or "")
    return sha256("\x1f".join(parts).encode()).hexdigest()[:ALERT_ID_HEX]
