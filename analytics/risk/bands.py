"""Bands of risk: early warning that does not flicker.

A band is entered when the score reaches one level, and left only when it falls under a lower one, so
that a score that moves to and fro at a level warns once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Band(StrEnum):
    """How much attention a subject needs."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Levels(NamedTuple):
    """Scores at which a band begins and ends."""

    enter: float
    """It is entered from this score on."""
    leave: float
    """It is left under this score."""


LEVELS: Final = {
    Band.MEDIUM: Levels(0.25, 0.20),
    Band.HIGH: Levels(0.45, 0.38),
    Band.CRITICAL: Levels(0.65, 0.57),
}
"""The early-warning thresholds, lowest first."""


def band_after(score: float, before: Band) -> Band:
    """Return the band of a score, for a subject that was in a band before."""
    order = list(Band)
    after = Band.LOW
    for band, levels in LEVELS.items():
        is_in = order.index(before) >= order.index(band)
        if score >= (levels.leave if is_in else levels.enter):
            after = band
    return after
