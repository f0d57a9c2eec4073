"""``/v1/audit/cases``: what officers do about alerts, kept by the analytics process."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from ledger.identity import Member
from ledger.state import member_key
from node.analytics.asking import analytics_of
from node.analytics.case_documents import (
    CASE_PATTERN,
    AlertText,
    CaseDocument,
    CaseEntryDocument,
    CaseMoveBody,
    CaseStateName,
    NewCaseBody,
    NoteBody,
    OfficerText,
)
from node.api.bodies import read_body
from node.api.documents import Page
from node.api.operations import Access, Answer, Call, Content, NoQuery, Operation, json_response, ok
from node.api.problems import invalid
from node.api.queries import AccountText, PageQuery, parse_number_cursor
from node.api.views import account_text, format_time

TAG: Final = "audit"
CASE_BODY_BYTES_MAX: Final = 64 * 1024
"""Largest body of a request about a case, bytes."""
_MILLISECONDS: Final = "_ms"


class CasesQuery(PageQuery):
    """Which cases; all conditions hold together."""

    state: Annotated[CaseStateName | None, Field(description="State.")] = None
    officer: Annotated[OfficerText | None, Field(description="Key of the officer, hex.")] = None
    account: Annotated[AccountText | None, Field(description="Account of one of its alerts.")] = (
        None
    )
    alert: Annotated[AlertText | None, Field(description="Alert that belongs to it.")] = None

    def asked(self) -> dict[str, str]:
        """Return the conditions as the analytics process takes them."""
        values = {
            "state": self.state,
            "officer": self.officer,
            "account": None if self.account is None else account_text(self.account),
            "alert": self.alert,
        }
        return {name: value for name, value in values.items() if value is not None}


async def list_cases(call: Call, query: CasesQuery) -> web.Response:
    """Give cases, the newest first."""
    client = analytics_of(call).client
    asked = query.asked() | {"limit": str(query.limit)}
    if (before := parse_number_cursor(query.cursor)) is not None:
        asked["cursor"] = str(before)
    return json_response(told(await client.get("/cases", asked)))


async def open_case(call: Call, _: NoQuery) -> web.Response:
    """Open a case from alerts; where one has them all already, give that."""
    client = analytics_of(call).client
    body = await read_body(call.request, NewCaseBody, bytes_max=CASE_BODY_BYTES_MAX)
    _require_officer(call, body.officer)
    case = await client.post(
        "/cases",
        {
            "alerts": list(dict.fromkeys(body.alerts)),
            "title": body.title,
            "by": caller_key(call),
            "officer": body.officer,
        },
    )
    is_new = case.pop("is_new")
    return json_response(told(case), status=201 if is_new else 200)


async def show_case(call: Call, _: NoQuery) -> web.Response:
    """Give a case with its measures on the chain and their effect."""
    client = analytics_of(call).client
    return json_response(told(await client.get(f"/cases/{case_of(call)}")))


async def add_note(call: Call, _: NoQuery) -> web.Response:
    """Add a note; nobody can change or remove it."""
    client, case_id = analytics_of(call).client, case_of(call)
    body = await read_body(call.request, NoteBody, bytes_max=CASE_BODY_BYTES_MAX)
    asked = {"by": caller_key(call), "text": body.text}
    return json_response(told(await client.post(f"/cases/{case_id}/notes", asked)))


async def move_case(call: Call, _: NoQuery) -> web.Response:
    """Move a case to another state, or hand it to another officer."""
    client, case_id = analytics_of(call).client, case_of(call)
    body = await read_body(call.request, CaseMoveBody, bytes_max=CASE_BODY_BYTES_MAX)
    _require_officer(call, body.officer)
    asked = {"by": caller_key(call), "state": body.state, "officer": body.officer}
    return json_response(told(await client.post(f"/cases/{case_id}/state", asked)))


def told(value: Any) -> Any:
    """Return a document of the process with every ``…_ms`` as a time for people."""
    if isinstance(value, list):
        return [told(one) for one in value]
    if not isinstance(value, dict):
        return value
    document = {}
    for name, one in value.items():
        if not name.endswith(_MILLISECONDS):
            document[name] = told(one)
        else:
            document[name.removesuffix(_MILLISECONDS)] = format_time(one)
    return document


def case_of(call: Call) -> str:
    """Return the id of the case that a path names.

    Raises:
        Problem: 422.
    """
    return named(call, "case", CASE_PATTERN, "the id of a case, case-…")


def named(call: Call, name: str, pattern: str, message: str) -> str:
    """Return a part of the path that must fit a pattern.

    Raises:
        Problem: 422.
    """
    text = call.path(name)
    if not re.fullmatch(pattern, text, re.ASCII):
        raise invalid(f"/path/{name}", message)
    return text


def caller_key(call: Call) -> str:
    """Return the key of the officer who asks, in hex."""
    return call.caller.public_key.hex()


def _require_officer(call: Call, officer: str | None) -> None:
    """Refuse a case for somebody who is no officer of the caller's own institution."""
    if officer is None:
        return
    member = call.view.record(member_key(call.caller.member))
    if not isinstance(member, Member) or bytes.fromhex(officer) not in member.officers.keys:
        message = f"the key is none of the officers of {call.caller.member}"
        raise invalid("/officer", message, code="not_an_officer")


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/cases",
        name="list_cases",
        summary="Cases, the newest first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_cases,
        query=CasesQuery,
        answers=ok(Page[CaseEntryDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/cases",
        name="open_case",
        summary="Open a case from alerts",
        tag=TAG,
        access=Access.REGULATOR,
        handler=open_case,
        bodies=(Content(document=NewCaseBody),),
        answers={
            200: Answer(
                description="A case has them all already.",
                contents=(Content(document=CaseDocument),),
            ),
            201: Answer(description="Opened.", contents=(Content(document=CaseDocument),)),
        },
        problems=(400, 404, 409, 413, 415, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/cases/{case}",
        name="get_case",
        summary="A case, its measures on the chain and their effect",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_case,
        answers=ok(CaseDocument),
        problems=(404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/cases/{case}/notes",
        name="add_case_note",
        summary="Add a note to a case",
        tag=TAG,
        access=Access.REGULATOR,
        handler=add_note,
        bodies=(Content(document=NoteBody),),
        answers=ok(CaseDocument),
        problems=(400, 404, 413, 415, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/cases/{case}/state",
        name="move_case",
        summary="Move a case to another state, or hand it to another officer",
        tag=TAG,
        access=Access.REGULATOR,
        handler=move_case,
        bodies=(Content(document=CaseMoveBody),),
        answers=ok(CaseDocument),
        problems=(400, 404, 409, 413, 415, 503),
    ),
)
