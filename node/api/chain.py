"""Blocks, members and assets: open to everyone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, TypeVar

from aiohttp import web

from ledger.hashing import BlockHash
from ledger.transactions import HEIGHT_MAX
from node.api.documents import AssetDocument, BlockDocument, MemberDocument, Page, StatePage
from node.api.limits import PAGE_TXIDS_MAX
from node.api.operations import Access, Call, NoQuery, Operation, json_response, ok
from node.api.problems import invalid, not_found
from node.api.queries import (
    HASH_CHARACTERS,
    BlocksQuery,
    PageQuery,
    StatePageQuery,
    parse_block_hash,
    parse_number_cursor,
)
from node.api.views import asset_document, block_document, member_document
from node.storage.view import At, ChainView

TAG: Final = "chain"
HEAD: Final = "head"
FINALIZED: Final = "finalized"

Name = TypeVar("Name", bound=str)
Row = TypeVar("Row")
Document = TypeVar("Document")


async def show_block(call: Call, _: NoQuery) -> web.Response:
    """Give a block by height, hash, ``head`` or ``finalized``."""
    block_hash = _named_hash(call.view, call.path("block"))
    document = None if block_hash is None else _block_document(call.view, block_hash)
    if document is None:
        raise not_found("unknown_block", "The best chain holds no such block.")
    return json_response(document)


async def list_blocks(call: Call, query: BlocksQuery) -> web.Response:
    """Give a range of blocks, lowest first."""
    view = call.view
    last = view.head.height if query.last is None else min(query.last, view.head.height)
    height = max(query.first, parse_number_cursor(query.cursor) or 0)
    items: list[BlockDocument] = []
    txids = 0
    while height <= last and len(items) < query.limit and txids < PAGE_TXIDS_MAX:
        block_hash = view.hash_at(height)
        document = None if block_hash is None else _block_document(view, block_hash)
        if document is None:
            break
        items.append(document)
        txids += len(document["transactions"])
        height += 1
        await asyncio.sleep(0)  # a page may be long; others are served between its blocks
    page: Page[BlockDocument] = {
        "items": items,
        "next_cursor": str(height) if height <= last else None,
    }
    return json_response(page)


async def list_members(call: Call, query: StatePageQuery) -> web.Response:
    """Give the register of members, by id."""
    at = query.state.at
    part, cursor = named_page(call.view.members(at), query)
    documents = [
        member_document(name, member, call.view.member_sequence(name, at)) for name, member in part
    ]
    return json_response(state_page(call.view, at, documents, cursor))


async def list_assets(call: Call, query: StatePageQuery) -> web.Response:
    """Give all assets, by code."""
    at = query.state.at
    part, cursor = named_page(call.view.assets(at), query)
    documents = [asset_document(code, asset) for code, asset in part]
    return json_response(state_page(call.view, at, documents, cursor))


def named_page(
    rows: Mapping[Name, Row], query: PageQuery
) -> tuple[list[tuple[Name, Row]], str | None]:
    """Return the part of a register that a query asks for, and the cursor of the next.

    The cursor is the last name given.

    Raises:
        Problem: 422; the cursor is no name of the register.
    """
    names = sorted(rows)
    first = 0
    if query.cursor is not None:
        if query.cursor not in rows:
            raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
        first = next(at for at, name in enumerate(names) if name == query.cursor) + 1
    part = names[first : first + query.limit]
    has_more = first + len(part) < len(names)
    return [(name, rows[name]) for name in part], part[-1] if has_more else None


def state_page(
    view: ChainView, at: At, items: list[Document], cursor: str | None
) -> StatePage[Document]:
    """Return a part of a list with the block whose state it was read from."""
    block = view.head if at is At.HEAD else view.final
    return {
        "items": items,
        "next_cursor": cursor,
        "height": block.height,
        "block_hash": block.hash.hex(),
    }


def _named_hash(view: ChainView, name: str) -> BlockHash | None:
    """Return the hash of the best chain's block that a path names; None where it holds none."""
    if name == HEAD:
        return view.head.hash
    if name == FINALIZED:
        return view.final.hash
    if len(name) < HASH_CHARACTERS and name.isascii() and name.isdigit():
        height = int(name)
        return view.hash_at(height) if height <= HEIGHT_MAX else None
    return BlockHash(parse_block_hash(name))


def _block_document(view: ChainView, block_hash: BlockHash) -> BlockDocument | None:
    """Return a block of the best chain; None where it is stale or unknown."""
    outline = view.outline(block_hash)
    if outline is None:
        return None
    height = outline.sealed.header.height
    finality = view.finality_of(height)
    if finality is None or view.hash_at(height) != block_hash:
        return None
    return block_document(outline.sealed, outline.txids, finality.value)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/blocks",
        name="list_blocks",
        summary="A range of blocks of the best chain, lowest first",
        tag=TAG,
        access=Access.OPEN,
        handler=list_blocks,
        query=BlocksQuery,
        answers=ok(Page[BlockDocument]),
    ),
    Operation(
        method="GET",
        path="/v1/blocks/{block}",
        name="get_block",
        summary="A block by height, hash, head or finalized",
        tag=TAG,
        access=Access.OPEN,
        handler=show_block,
        answers=ok(BlockDocument),
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/members",
        name="list_members",
        summary="The register of members",
        tag=TAG,
        access=Access.OPEN,
        handler=list_members,
        query=StatePageQuery,
        answers=ok(StatePage[MemberDocument]),
    ),
    Operation(
        method="GET",
        path="/v1/assets",
        name="list_assets",
        summary="The assets of the chain",
        tag=TAG,
        access=Access.OPEN,
        handler=list_assets,
        query=StatePageQuery,
        answers=ok(StatePage[AssetDocument]),
    ),
)
