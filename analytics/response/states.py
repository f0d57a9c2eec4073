"""The states of a case, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class CaseState(StrEnum):
    """How far a case is."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    MEASURE_PROPOSED = "measure_proposed"
    MEASURE_APPLIED = "measure_applied"
    CLOSED = "closed"
    DISMISSED = "dismissed"


OFFICERS_MOVES: Final[Mapping[CaseState, frozenset[CaseState]]] = {
    CaseState.OPEN: frozenset(
        {CaseState.IN_REVIEW, CaseState.MEASURE_PROPOSED, CaseState.CLOSED, CaseState.DISMISSED}
    ),
    CaseState.IN_REVIEW: frozenset(
        {CaseState.MEASURE_PROPOSED, CaseState.CLOSED, CaseState.DISMISSED}
    ),
    CaseState.MEASURE_PROPOSED: frozenset({CaseState.IN_REVIEW, CaseState.DISMISSED}),
    CaseState.MEASURE_APPLIED: frozenset({CaseState.IN_REVIEW, CaseState.CLOSED}),
    CaseState.CLOSED: frozenset({CaseState.IN_REVIEW}),
    CaseState.DISMISSED: frozenset({CaseState.IN_REVIEW}),
}
"""Where an officer may move a case; that a measure is applied only the chain can say."""

CHAINS_MOVES: Final = frozenset({CaseState.OPEN, CaseState.IN_REVIEW, CaseState.MEASURE_PROPOSED})
"""From where a freeze that is on the chain moves a case to ``measure_applied``."""


def may_move(before: CaseState, after: CaseState) -> bool:
    """Tell whether an officer may move a case from one state to another."""
    return after in OFFICERS_MOVES[before]
