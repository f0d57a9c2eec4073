"""What a regulator reads of the registers: members, and evidence against voters."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from node.api.chain import list_members
from node.api.documents import (
    EvidenceDocument,
    MemberDocument,
    Page,
    StatePage,
)
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.queries import PageQuery, StatePageQuery, parse_number_cursor
from node.api.views import evidence_document

TAG: Final = "audit"


async def list_evidence(call: Call, query: PageQuery) -> web.Response:
    """Give all evidence of double and surround votes, oldest first."""
    found = call.view.evidence()
    first = parse_number_cursor(query.cursor) or 0
    part = found[first : first + query.limit]
    end = first + len(part)
    page: Page[EvidenceDocument] = {
        "items": [evidence_document(one) for one in part],
        "next_cursor": str(end) if part and end < len(found) else None,
    }
    return json_response(page)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/members",
        name="audit_members",
        summary="The register of members",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_members,
        query=StatePageQuery,
        answers=ok(StatePage[MemberDocument]),
    ),
    Operation(
        method="GET",
        path="/v1/audit/evidence",
        name="list_evidence",
        summary="Conflicting votes of members",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_evidence,
        query=PageQuery,
        answers=ok(Page[EvidenceDocument]),
    ),
)
