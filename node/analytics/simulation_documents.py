"""The JSON documents of simulated freezes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from analytics.limits import SIMULATION_ACCOUNTS_MAX
from ledger.transactions import HEIGHT_MAX
from node.api.queries import AccountText

_DESCRIBED: Final = ConfigDict(use_attribute_docstrings=True, extra="forbid")
_Height = Annotated[int, Field(ge=0, le=HEIGHT_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SimulationBody(_Body):
    """Freezes that were not."""

    accounts: Annotated[list[AccountText], Field(min_length=1, max_length=SIMULATION_ACCOUNTS_MAX)]
    """Accounts that would have been frozen."""
    height: _Height
    """Block that would have held the freezes: what is above it is judged."""
    until: _Height | None = None
    """Last block of the replay; the last one of the warehouse."""


class CaseSimulationBody(_Body):
    """When a case's freezes would have been."""

    height: _Height | None = None
    """Block that would have held the freezes; that of the accounts' first alert."""
    until: _Height | None = None
    """Last block of the replay; the last one of the warehouse."""


@with_config(_DESCRIBED)
class SimulationCountsDocument(TypedDict):
    """How much would have been otherwise."""

    replayed: int
    """Transactions that move amounts above the height."""
    refused: int
    """Those that would have been refused."""
    frozen: int
    """Those of them that debit a frozen account."""
    insufficient_funds: int
    """Those of them that would have lacked the money, because others were refused."""
    generations: int
    """The longest chain of refusals behind the freezes; all are followed to the end."""
    affected: int
    """Other accounts that a refused transaction would have moved."""
    worse_off: int
    """Those of them that would hold less of an asset in the end."""
    alerts: int
    """Alerts that rest on refused transactions."""


@with_config(_DESCRIBED)
class StoppedDocument(TypedDict):
    """Sums of an asset that would not have moved, smallest units."""

    asset: str
    frozen: str
    """In transactions that debit a frozen account."""
    insufficient_funds: str
    """In transactions that would have lacked the money."""


@with_config(_DESCRIBED)
class HeldDocument(TypedDict):
    """What a frozen account holds at the end of the replay, smallest units."""

    account: str
    asset: str
    actual: str
    """As it was."""
    simulated: str
    """With the freezes."""


@with_config(_DESCRIBED)
class AffectedDocument(TypedDict):
    """Another account that refused transactions would have moved, in one asset, smallest units."""

    account: str
    member: str
    kind: str
    asset: str
    not_received: str
    not_paid: str
    actual: str
    """What it holds at the end of the replay, as it was."""
    simulated: str
    """The same with the freezes."""
    generation: int
    """The fewest refusals between it and a freeze; 0 for who deals with a frozen account."""


@with_config(_DESCRIBED)
class StoppedTextDocument(TypedDict):
    """Refused transactions with one payment text: wages, rents."""

    reference: str
    asset: str
    transactions: int
    amount: str
    """Their sum, smallest units."""


@with_config(_DESCRIBED)
class RefusedDocument(TypedDict):
    """A transaction that would have been refused."""

    txid: str
    height: int
    index: int
    kind: Literal["transfer", "redeem"]
    code: Literal["account_frozen", "insufficient_funds"]
    """The ledger's code for the refusal."""
    account: str
    """Whose debit it is."""
    generation: int
    """How many refusals stand between it and a freeze."""
    legs: int
    reference: str


@with_config(_DESCRIBED)
class RestingAlertDocument(TypedDict):
    """An alert that rests on refused transactions: as it is, it would not have come."""

    id: str
    typology: str
    severity: str
    account: str | None
    height: int
    transactions: int
    """How many of its transactions would have been refused."""


@with_config(_DESCRIBED)
class SimulationDocument(TypedDict):
    """What freezes would have changed, by the ledger's own rules, if nobody had acted otherwise."""

    accounts: list[str]
    """Accounts that would have been frozen."""
    height: int
    """Block that would have held the freezes."""
    until: int
    """Last block of the replay."""
    counts: SimulationCountsDocument
    stopped: list[StoppedDocument]
    held: list[HeldDocument]
    affected: list[AffectedDocument]
    """Who would miss most in the end first."""
    texts: list[StoppedTextDocument]
    """The largest sum first."""
    refused: list[RefusedDocument]
    """In the order of the chain."""
    alerts: list[RestingAlertDocument]
    """In the order of the chain."""
    truncated: bool
    """Whether one of the lists has more rows than an answer; the counts are of all."""
