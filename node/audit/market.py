"""``/v1/audit/accounts``, ``flows`` and ``reports``: the whole market, read from the warehouse."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ledger import limits
from ledger.identity import AccountKind, AccountStatus
from node.analytics.asking import analytics_of
from node.analytics.market_documents import FlowsDocument, MarketAccountDocument, ReportDocument
from node.api.documents import Page
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.problems import invalid
from node.api.queries import (
    ACCOUNT_PATTERN,
    HEIGHT_DIGITS_MAX,
    REPORT_PATTERN,
    AccountText,
    AssetText,
    Moment,
    PageQuery,
    milliseconds,
)
from node.api.views import account_text, format_time

TAG: Final = "audit"
MEMBER_PATTERN: Final = f"^[a-z][a-z0-9-]{{0,{limits.MEMBER_ID_BYTES_MAX - 1}}}$"
PREFIX_PATTERN: Final = "^sun1[02-9ac-hj-np-z]{0,38}$"
"""How an account's id begins."""
_OFFSET_DIGITS_MAX: Final = 9
_FLOWS_CURSOR: Final = re.compile(
    rf"[0-9]{{1,{HEIGHT_DIGITS_MAX}}}:[0-9]{{1,{_OFFSET_DIGITS_MAX}}}", re.ASCII
)

MemberText = Annotated[str, Field(pattern=MEMBER_PATTERN)]


class Level(StrEnum):
    """What flows are between."""

    MEMBER = "member"
    ACCOUNT = "account"


class AccountsQuery(PageQuery):
    """Which accounts; all conditions hold together."""

    member: Annotated[MemberText | None, Field(description="Member whose they are.")] = None
    kind: Annotated[AccountKind | None, Field(description="Kind of account.")] = None
    status: Annotated[AccountStatus | None, Field(description="Status now.")] = None
    text: Annotated[str | None, Field(pattern=PREFIX_PATTERN, description="How the id begins.")] = (
        None
    )
    has_alerts: Annotated[
        Literal["true", "false"] | None, Field(description="Whether there are alerts about it.")
    ] = None

    def asked(self) -> dict[str, str]:
        """Return the conditions as the analytics process takes them."""
        names = ("member", "kind", "status", "text", "has_alerts")
        return _given({name: getattr(self, name) for name in names})


class PeriodQuery(BaseModel):
    """Of what time."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[Moment | None, Field(description="Earliest time of the block.")] = None
    until: Annotated[Moment | None, Field(description="Latest time of the block.")] = None

    def asked(self) -> dict[str, str]:
        """Return the period as the analytics process takes it."""
        return _given(
            {
                "since_ms": None if self.since is None else milliseconds(self.since),
                "until_ms": None if self.until is None else milliseconds(self.until),
            }
        )


class FlowsQuery(PageQuery, PeriodQuery):
    """Which flows; all conditions hold together."""

    level: Annotated[Level, Field(description="Between members or between accounts.")] = (
        Level.MEMBER
    )
    asset: Annotated[AssetText | None, Field(description="Asset.")] = None
    member: Annotated[MemberText | None, Field(description="Member on either side.")] = None
    counterparty: Annotated[
        MemberText | None, Field(description="With member: the member on the other side.")
    ] = None
    account: Annotated[AccountText | None, Field(description="Account on either side.")] = None

    def asked(self) -> dict[str, str]:
        """Return the conditions as the analytics process takes them."""
        return PeriodQuery.asked(self) | _given(
            {
                "level": self.level,
                "asset": self.asset,
                "member": self.member,
                "counterparty": self.counterparty,
                "account": None if self.account is None else account_text(self.account),
            }
        )


async def list_accounts(call: Call, query: AccountsQuery) -> web.Response:
    """Give accounts in the order of their ids, with balances and last activity."""
    client = analytics_of(call).client
    asked = query.asked() | {"limit": str(query.limit)}
    if query.cursor is not None:
        if not re.fullmatch(ACCOUNT_PATTERN, query.cursor):
            raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
        asked["cursor"] = query.cursor
    page = await client.get("/accounts", asked)
    items = [
        _with_times(one, opened_ms="opened_time", last_ms="last_time") for one in page["items"]
    ]
    return json_response(page | {"items": items})


async def list_flows(call: Call, query: FlowsQuery) -> web.Response:
    """Give the sums of what went from whom to whom, the largest first."""
    client = analytics_of(call).client
    if query.counterparty is not None and query.member is None:
        raise invalid("/query/counterparty", "a counterparty is another member's: name member too")
    asked = query.asked() | {"limit": str(query.limit)}
    if query.cursor is not None:
        if not _FLOWS_CURSOR.fullmatch(query.cursor):
            raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
        asked["cursor"] = query.cursor
    return json_response(await client.get("/flows", asked))


async def show_report(call: Call, query: PeriodQuery) -> web.Response:
    """Give a named report over a period."""
    client = analytics_of(call).client
    report = await client.get(f"/reports/{_report_name(call)}", query.asked())
    return json_response(_with_times(report, since_ms="since", until_ms="until"))


def _report_name(call: Call) -> str:
    name = call.path("report")
    if not re.fullmatch(REPORT_PATTERN, name, re.ASCII):
        raise invalid("/path/report", "lower-case letters, digits and hyphens")
    return name


def _given(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _with_times(document: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return a document with times as people read them, under their new names."""
    kept = {name: value for name, value in document.items() if name not in names}
    return kept | {
        new: None if document[old] is None else format_time(document[old])
        for old, new in names.items()
    }


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/accounts",
        name="list_audit_accounts",
        summary="Accounts with their balances and last activity",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_accounts,
        query=AccountsQuery,
        answers=ok(Page[MarketAccountDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/flows",
        name="list_flows",
        summary="Money between members, or between accounts, the largest sums first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_flows,
        query=FlowsQuery,
        answers=ok(FlowsDocument),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/reports/{report}",
        name="get_report",
        summary="A named report over a period",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_report,
        query=PeriodQuery,
        answers=ok(ReportDocument),
        problems=(404, 503),
    ),
)
