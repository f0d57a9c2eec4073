"""What a regulator reads of the state: supply, members, and evidence against voters."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ledger.genesis import Genesis
from ledger.identity import AssetCode
from node.api.chain import list_members, named_page, state_page
from node.api.documents import (
    EvidenceDocument,
    MemberDocument,
    Page,
    StatePage,
    SupplyDocument,
)
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.queries import PageQuery, StatePageQuery, parse_number_cursor
from node.api.views import evidence_document

TAG: Final = "audit"


async def list_supply(call: Call, query: StatePageQuery) -> web.Response:
    """Give each asset's supply at one block, and what the chain began with."""
    at, view, genesis = query.state.at, call.view, call.backend.genesis
    part, cursor = named_page(view.assets(at), query)
    documents: list[SupplyDocument] = [
        {
            "asset": code,
            "name": asset.name,
            "decimals": asset.decimals,
            "issuer": asset.issuer,
            "supply": str(view.supply(code, at)),
            "genesis_supply": str(_genesis_supply(genesis, code)),
        }
        for code, asset in part
    ]
    return json_response(state_page(view, at, documents, cursor))


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


def _genesis_supply(genesis: Genesis, code: AssetCode) -> int:
    return sum(held.get(code, 0) for held in genesis.balances.values())


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/supply",
        name="list_supply",
        summary="Each asset's supply",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_supply,
        query=StatePageQuery,
        answers=ok(StatePage[SupplyDocument]),
    ),
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
