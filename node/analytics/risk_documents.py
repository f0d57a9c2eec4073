"""The JSON documents of risk and segments."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from node.analytics.documents import ReasonDocument

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

BandName = Literal["low", "medium", "high", "critical"]


@with_config(_DESCRIBED)
class PastScoreDocument(TypedDict):
    """A score of then."""

    score: float
    band: BandName
    model: str
    """Name and version of what made it."""
    height: int
    time: str


@with_config(_DESCRIBED)
class AnomalyScoreDocument(PastScoreDocument):
    """How far an account's day was from its habits, at the block that made it so."""

    contributions: list[ReasonDocument]
    """What the score is made of; the contributions add up to it."""


@with_config(_DESCRIBED)
class AccountAlertDocument(TypedDict):
    """An alert about an account, in short."""

    id: str
    typology: str
    severity: Literal["low", "medium", "high", "critical"]
    score: float
    height: int
    time: str


@with_config(_DESCRIBED)
class NeighbourDocument(TypedDict):
    """Whom an account dealt with in an asset, within the last five weeks."""

    account: str
    asset: str
    paid: str
    """What the account paid it, smallest units."""
    received: str
    """What it paid the account, smallest units."""
    payments: int
    last_time: str
    """Time of the last payment."""


@with_config(_DESCRIBED)
class AccountRiskDocument(TypedDict):
    """An account's risk, why, and what is around it."""

    account: str
    member: str
    kind: str
    segment: str
    """Group of accounts by what they do, as in ``/v1/audit/segments``."""
    score: float
    """0 to 1."""
    band: BandName
    contributions: list[ReasonDocument]
    """What the score is made of; the contributions add up to it."""
    model: str
    """Name and version of what made it."""
    height: int
    """Block at which the score was made."""
    time: str
    """Time of that block."""
    at_height: int
    """Block up to which everything else here is."""
    at_time: str
    """Time of that block."""
    history: list[PastScoreDocument]
    """Scores that were written, newest first."""
    anomalies: list[AnomalyScoreDocument]
    """Scores of anomalies that were written, newest first; on other days there was none to speak
    of."""
    alerts: list[AccountAlertDocument]
    """Newest first."""
    neighbours: list[NeighbourDocument]
    """Those with the most payments first."""
    features: dict[str, float]
    """Features by name, each in its own unit (docs/analytics.md)."""


@with_config(_DESCRIBED)
class SubjectRiskDocument(TypedDict):
    """A score and why."""

    subject: str
    """A member, or ``market``."""
    score: float
    band: BandName
    contributions: list[ReasonDocument]
    model: str
    height: int
    time: str


@with_config(_DESCRIBED)
class MarketRiskDocument(TypedDict):
    """Risk of the market and of its members."""

    at_height: int
    """Block up to which it is."""
    at_time: str
    """Time of that block."""
    market: SubjectRiskDocument | None
    """Null before the first assessment."""
    members: list[SubjectRiskDocument]
    """Members that have active accounts."""


@with_config(_DESCRIBED)
class RiskyAccountDocument(TypedDict):
    """An account and its score."""

    account: str
    score: float
    band: BandName


@with_config(_DESCRIBED)
class SegmentDocument(TypedDict):
    """A group of accounts by what they do."""

    segment: str
    description: str
    accounts: int
    at_risk: int
    """How many of them are in the bands high and critical."""
    mean_score: float
    medians: dict[str, float]
    """Median of each feature; empty where the segment is."""
    examples: list[RiskyAccountDocument]
    """Its riskiest accounts."""


@with_config(_DESCRIBED)
class SegmentsDocument(TypedDict):
    """All segments at one block."""

    height: int
    time: str
    items: list[SegmentDocument]
