"""The JSON documents of accounts, flows and reports, as the warehouse gives them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_DESCRIBED)
class AssetAmountDocument(TypedDict):
    """An amount of an asset."""

    asset: str
    amount: str
    """Smallest units."""


@with_config(_DESCRIBED)
class MarketAccountDocument(TypedDict):
    """An account as the warehouse has it."""

    account: str
    member: str
    kind: str
    status: str
    opened_height: int
    opened_time: str
    first_height: int | None
    """Block of its first leg; null before that."""
    last_height: int | None
    """Block of its last leg; null before the first."""
    last_time: str | None
    """Time of that block."""
    balances: list[AssetAmountDocument]
    """What it holds, above zero."""
    alerts: int
    """Alerts about it."""


@with_config(_DESCRIBED)
class FlowDocument(TypedDict):
    """All legs of an asset from one side to another."""

    debit_member: str
    """Who pays: a member."""
    credit_member: str
    """Who is paid: a member."""
    debit: str | None
    """Account that pays; null between members."""
    credit: str | None
    """Account that is paid; null between members."""
    asset: str
    legs: int
    amount: str
    """Sum of the legs, smallest units."""


@with_config(_DESCRIBED)
class FlowsDocument(TypedDict):
    """A part of the flows, the largest first."""

    items: list[FlowDocument]
    next_cursor: str | None
    """What to give as ``cursor`` for the next part; null at the end."""
    height: int
    """Last block that was read; all parts read up to the same."""


@with_config(_DESCRIBED)
class _ReportDocument(TypedDict):
    since: str | None
    """Begin of the period; null for the chain's."""
    until: str | None
    """End of the period; null for now."""
    height: int
    """Last block in the warehouse."""
    truncated: bool
    """Whether there were more rows than a report has."""


@with_config(_DESCRIBED)
class ActivityRowDocument(TypedDict):
    """What moved of an asset on a day."""

    day: str
    """UTC day."""
    asset: str
    transactions: int
    legs: int
    amount: str
    """Sum of the legs, smallest units."""
    payers: int
    """Accounts that were debited."""
    payees: int
    """Accounts that were credited."""


class DailyActivityDocument(_ReportDocument):
    """What moved, by day and asset."""

    report: Literal["daily-activity"]
    rows: list[ActivityRowDocument]


@with_config(_DESCRIBED)
class MemberRowDocument(TypedDict):
    """A member's accounts together, in one asset."""

    member: str
    name: str
    asset: str | None
    """Null for a member whose accounts never held anything."""
    accounts: int
    """Accounts that were open at the end of the period."""
    alerts: int
    """Alerts about them in the period."""
    paid: str
    """Sum of the legs that debited them in the period, smallest units."""
    received: str
    """Sum of the legs that credited them in the period, smallest units."""
    balance: str
    """What they held at the end of the period's last day, smallest units."""


class MembersReportDocument(_ReportDocument):
    """What members' customers hold and moved."""

    report: Literal["members"]
    rows: list[MemberRowDocument]


@with_config(_DESCRIBED)
class TypologyRowDocument(TypedDict):
    """Alerts of one typology and severity."""

    typology: str
    severity: str
    alerts: int
    accounts: int
    """Accounts that they are about."""
    score_mean: float
    score_max: float


class TypologiesReportDocument(_ReportDocument):
    """Alerts by typology and severity."""

    report: Literal["typologies"]
    rows: list[TypologyRowDocument]


@with_config(_DESCRIBED)
class ConcentrationRowDocument(TypedDict):
    """How an asset is spread over its holders."""

    level: Literal["account", "member"]
    """What counts as one holder."""
    asset: str
    holders: int
    total: str
    """What they hold together at the end of the period's last day, smallest units."""
    largest: str
    """The largest holder."""
    largest_share: float
    top10_share: float
    """Share of the ten largest holders together."""
    herfindahl: float
    """Herfindahl-Hirschman index: sum of the squared shares, 1 where one holds all."""


class ConcentrationReportDocument(_ReportDocument):
    """How concentrated the holdings of each asset are."""

    report: Literal["concentration"]
    rows: list[ConcentrationRowDocument]


ReportDocument: TypeAlias = (
    DailyActivityDocument
    | MembersReportDocument
    | TypologiesReportDocument
    | ConcentrationReportDocument
)
