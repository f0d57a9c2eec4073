"""The JSON documents of cases: what officers send, and what they are given."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from analytics.alerts import ALERT_ID_HEX
from analytics.response.store import ID_BYTES
from ledger.keys import PUBLIC_KEY_BYTES
from node.analytics.documents import AlertDocument
from node.analytics.market_documents import AssetAmountDocument

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

ALERT_PATTERN: Final = f"^[0-9a-f]{{{ALERT_ID_HEX}}}$"
CASE_PATTERN: Final = f"^case-[0-9a-f]{{{2 * ID_BYTES}}}$"
OFFICER_PATTERN: Final = f"^[0-9a-f]{{{2 * PUBLIC_KEY_BYTES}}}$"
CASE_ALERTS_MAX: Final = 100
"""Most alerts of a case."""
TITLE_CHARACTERS_MAX: Final = 200
NOTE_CHARACTERS_MAX: Final = 4_000

CaseStateName = Literal[
    "open", "in_review", "measure_proposed", "measure_applied", "closed", "dismissed"
]
AlertText = Annotated[str, Field(pattern=ALERT_PATTERN)]
OfficerText = Annotated[str, Field(pattern=OFFICER_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class NewCaseBody(_Body):
    """A case to open."""

    alerts: Annotated[list[AlertText], Field(min_length=1, max_length=CASE_ALERTS_MAX)]
    """Ids of alerts; each belongs to one case at most."""
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARACTERS_MAX)] | None = None
    """What it is about; else the first alert's typology and account."""
    officer: OfficerText | None = None
    """Key of the officer whose it is, hex; else the caller's."""


class NoteBody(_Body):
    """A note to add."""

    text: Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS_MAX)]


class CaseMoveBody(_Body):
    """Where a case goes."""

    state: CaseStateName
    """Its new state; the one that it has, to hand it to another officer."""
    officer: OfficerText | None = None
    """Key of the officer whose it is from now on, hex."""


@with_config(_DESCRIBED)
class CaseEntryDocument(TypedDict):
    """A case in a list."""

    id: str
    title: str
    state: CaseStateName
    officer: str
    """Key of the officer whose it is, hex."""
    opened_by: str
    """Key of the officer who opened it, hex."""
    opened_time: str
    changed_time: str
    alerts: list[str]
    """Ids of its alerts."""
    accounts: list[str]
    """Accounts that they are about."""


@with_config(_DESCRIBED)
class NoteDocument(TypedDict):
    """A note; it is never changed."""

    note: int
    """Number, in the order of writing among all cases."""
    time: str
    officer: str
    """Key of who wrote it, hex."""
    text: str


@with_config(_DESCRIBED)
class CaseStepDocument(TypedDict):
    """A step of a case's history."""

    time: str
    """When; of a measure on the chain, the time of its block."""
    by: str | None
    """Key of the officer who took it, hex; null for the chain."""
    state: CaseStateName
    officer: str
    """Key of the officer whose the case was from then on, hex."""


@with_config(_DESCRIBED)
class DraftedMeasureDocument(TypedDict):
    """A measure that was drafted for an alert."""

    alert: str
    account: str
    time: str
    officer: str
    """Key of who drafted it, hex."""
    proposal: dict[str, Any]
    """The unsigned proposal (sunlit-proposal/1), as ``sunlit govern sign`` takes it."""


@with_config(_DESCRIBED)
class AppliedMeasureDocument(TypedDict):
    """A measure on the chain that names the case."""

    measure: Literal["freeze", "unfreeze"]
    account: str
    txid: str
    height: int
    time: str
    member: str
    """The regulator whose measure it is."""
    reason: str


@with_config(_DESCRIBED)
class FrozenSinceDocument(TypedDict):
    """The freeze that holds."""

    height: int
    txid: str
    time: str


@with_config(_DESCRIBED)
class EffectDocument(TypedDict):
    """How an account of the case stands now."""

    account: str
    status: str | None
    """Null while the warehouse is built anew and does not have it yet."""
    frozen_since: FrozenSinceDocument | None
    balances: list[AssetAmountDocument]
    """What it holds, and while it is frozen cannot pay out."""


@with_config(_DESCRIBED)
class CaseDocument(TypedDict):
    """A case."""

    id: str
    """It stands in the ``case`` field of its measures on the chain."""
    title: str
    state: CaseStateName
    officer: str
    """Key of the officer whose it is, hex."""
    opened_by: str
    """Key of the officer who opened it, hex."""
    opened_time: str
    changed_time: str
    alerts: list[AlertDocument]
    """As they were when the case was opened."""
    accounts: list[str]
    transactions: list[str]
    """Txids that its alerts rest on, and those of its measures."""
    notes: list[NoteDocument]
    history: list[CaseStepDocument]
    proposals: list[DraftedMeasureDocument]
    measures: list[AppliedMeasureDocument]
    effects: list[EffectDocument]
    height: int
    """Last block that was searched for measures."""


@with_config(_DESCRIBED)
class ResponseDocument(TypedDict):
    """The answer to an alert: its case, and the measure that was drafted."""

    case: CaseDocument
    proposal: dict[str, Any]
    """The unsigned proposal (sunlit-proposal/1), as ``sunlit govern sign`` takes it."""
