"""``GET /v1/audit/supply``: how much of each asset there is, and whether none was made or lost."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ledger.genesis import Genesis
from ledger.hashing import BlockHash
from ledger.identity import Asset, AssetCode
from node.api.chain import named_page, state_page
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.problems import Problem, invalid, not_yet, unavailable
from node.api.queries import SupplyQuery
from node.api.supply_documents import SupplyDocument, SupplyPage
from node.audit.conservation import AssetBooks, HistoryRefused, StillCounting, SupplyCount
from node.workers.errors import WorkerExited

RETRY_AFTER_S: Final = 2
"""When to ask again for a count that goes on."""


async def list_supply(call: Call, query: SupplyQuery) -> web.Response:
    """Give each asset's supply at one block, and what the chain began with."""
    if query.height is not None:
        return await _count_supply(call, query, query.height)
    at, view, genesis = query.state.at, call.view, call.backend.genesis
    part, cursor = named_page(view.assets(at), query)
    documents: list[SupplyDocument] = [
        _document(code, asset, view.supply(code, at), _genesis_supply(genesis, code))
        for code, asset in part
    ]
    return json_response(state_page(view, at, documents, cursor))


async def _count_supply(call: Call, query: SupplyQuery, height: int) -> web.Response:
    """Give what every asset comes to at a final height, counted from the genesis on."""
    if "state" in query.model_fields_set:
        detail = "a height says which block; leave it out"
        raise invalid("/query/state", detail, code="conflicting_parameters")
    view = call.view
    block_hash = view.hash_at(height) if height <= view.final.height else None
    sealed = None if block_hash is None else view.sealed_header(block_hash)
    if block_hash is None or sealed is None:
        raise not_yet("not_final_yet", f"Block {height} is not final yet.")
    assets, state_root = view.assets(query.state.at), sealed.header.state_root
    call.release_view()
    try:
        count = await call.backend.supply.count(height)
    except StillCounting as error:
        detail = f"{error.detail[:1].upper()}{error.detail[1:]}."
        raise unavailable(error.code, detail, retry_after_s=RETRY_AFTER_S) from None
    except HistoryRefused as error:
        detail = f"In this node's final history {error.detail}."
        raise Problem(409, error.code, detail) from None
    except WorkerExited:
        detail = "The counting process ended; it begins again with the next question."
        raise unavailable("supply_interrupted", detail, retry_after_s=RETRY_AFTER_S) from None
    return json_response(_counted_page(query, count, assets, block_hash, state_root))


def _counted_page(
    query: SupplyQuery,
    count: SupplyCount,
    assets: dict[AssetCode, Asset],
    block_hash: BlockHash,
    state_root: bytes,
) -> SupplyPage:
    part, cursor = named_page({books.asset: books for books in count.books}, query)
    return {
        "items": [_counted_document(assets[code], books) for code, books in part],
        "next_cursor": cursor,
        "height": count.height,
        "block_hash": block_hash.hex(),
        "state_root": state_root.hex(),
        "replayed_root": count.state_root.hex(),
        "conserved": count.state_root == state_root
        and all(books.is_conserved for books in count.books),
    }


def _counted_document(asset: Asset, books: AssetBooks) -> SupplyDocument:
    return _document(books.asset, asset, books.supply, books.genesis_supply) | {
        "issued": str(books.issued),
        "redeemed": str(books.redeemed),
        "balances": str(books.balances),
        "holders": books.holders,
        "conserved": books.is_conserved,
    }


def _document(code: AssetCode, asset: Asset, supply: int, began: int) -> SupplyDocument:
    return {
        "asset": code,
        "name": asset.name,
        "decimals": asset.decimals,
        "issuer": asset.issuer,
        "supply": str(supply),
        "genesis_supply": str(began),
    }


def _genesis_supply(genesis: Genesis, code: AssetCode) -> int:
    return sum(held.get(code, 0) for held in genesis.balances.values())


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/supply",
    name="list_supply",
    summary="Each asset's supply; at a height, counted from the genesis on",
    tag="audit",
    access=Access.REGULATOR,
    handler=list_supply,
    query=SupplyQuery,
    answers=ok(SupplyPage),
    problems=(409, 503),
)
