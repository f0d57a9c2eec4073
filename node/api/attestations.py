"""Attestations: for whoever has a token of this chain, since others are to rely on them (ADR 0031)."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from ledger.attestations import Attestation
from ledger.attesting import AttestationName, attestation_name, attestation_prefix
from ledger.errors import DecodeError
from ledger.identity import MemberId
from node.api.attestation_documents import AttestationDocument
from node.api.chain import state_page
from node.api.documents import StatePage
from node.api.limits import ATTESTATIONS_SCANNED_MAX
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.problems import invalid
from node.api.queries import AttestationsQuery
from node.api.views import attestation_document

TAG: Final = "attestations"
ROWS_BETWEEN_PAUSES: Final = 100
"""Attestations that are read before others are served."""


async def list_attestations(call: Call, query: AttestationsQuery) -> web.Response:
    """Give attestations by member, kind, subject and revision, ascending."""
    view, at = call.view, query.state.at
    member = None if query.member is None else MemberId(query.member)
    prefix = attestation_prefix(member, query.kind, query.subject)
    items: list[AttestationDocument] = []
    cursor: str | None = None
    rows = view.lasting_records(prefix, at, after=_parse_cursor(query.cursor))
    for rows_read, (key, record) in enumerate(rows, start=1):
        name = attestation_name(key)
        if _matches(name, record, query):
            items.append(attestation_document(name, record))
        if len(items) == query.limit or rows_read == ATTESTATIONS_SCANNED_MAX:
            cursor = key.hex()
            break
        if rows_read % ROWS_BETWEEN_PAUSES == 0:
            await asyncio.sleep(0)
    return json_response(state_page(view, at, items, cursor))


def _matches(name: AttestationName, record: Attestation, query: AttestationsQuery) -> bool:
    """Tell whether what the prefix does not decide holds, too."""
    return (
        (query.kind is None or name.kind is query.kind)
        and (query.subject is None or name.subject == query.subject)
        and (query.sha256 is None or record.sha256.hex() == query.sha256)
    )


def _parse_cursor(cursor: str | None) -> bytes | None:
    """Return the key that a list's cursor stands for.

    Raises:
        Problem: 422; this node never gave that cursor.
    """
    if cursor is None:
        return None
    try:
        key = bytes.fromhex(cursor)
        attestation_name(key)
    except (ValueError, DecodeError):
        key = b""
    if key.hex() != cursor or not key:
        raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
    return key


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/attestations",
        name="list_attestations",
        summary="Documents that members attested, by member, kind, subject and revision",
        tag=TAG,
        access=Access.TOKEN,
        handler=list_attestations,
        query=AttestationsQuery,
        answers=ok(StatePage[AttestationDocument]),
    ),
)
