"""``/v1/audit/warehouse``: blocks, and beside them what the warehouse says of each.

Who may read them can replay the chain and see whether the warehouse equals it; that is what
``sunlit analytics verify-warehouse`` does.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from analytics.limits import DIGEST_BLOCKS_MAX
from ledger.transactions import HEIGHT_MAX
from node.analytics.asking import analytics_of
from node.analytics.documents import BlockComparisonDocument, WarehouseStateDocument
from node.api.documents import Page
from node.api.operations import Access, Call, NoQuery, Operation, json_response, ok
from node.api.problems import unavailable
from node.storage.view import ChainView

TAG: Final = "audit"
PAGE_BLOCK_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of blocks after which a page takes no further one."""


class HeightsQuery(BaseModel):
    """Which blocks."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[int, Field(ge=0, le=HEIGHT_MAX, alias="from")] = 0
    """Height of the first block."""
    last: Annotated[int, Field(ge=0, le=HEIGHT_MAX, alias="to")] = HEIGHT_MAX
    """Height of the last block."""


async def list_blocks(call: Call, query: HeightsQuery) -> web.Response:
    """Give final blocks in order, each with the digests of what the warehouse holds of it.

    A page ends early where blocks are large; ``next_cursor`` is the height to go on from.
    """
    client = analytics_of(call).client
    asked = {"first": str(query.first), "last": str(query.last)}
    found = (await client.get("/warehouse/blocks", asked))["items"]
    view = call.view
    items: list[BlockComparisonDocument] = []
    size = 0
    for one in found[:DIGEST_BLOCKS_MAX]:
        raw = await asyncio.to_thread(_raw_block, view, one["height"])
        document: BlockComparisonDocument = one | {"block": raw.hex()}
        items.append(document)
        size += len(raw)
        if size >= PAGE_BLOCK_BYTES_MAX:
            break
    following = items[-1]["height"] + 1 if items else query.first
    page: Page[BlockComparisonDocument] = {
        "items": items,
        "next_cursor": str(following) if items and following <= query.last else None,
    }
    return json_response(page)


async def show_state(call: Call, _: NoQuery) -> web.Response:
    """Give the digests of everything that the warehouse holds, and up to which block."""
    return json_response(await analytics_of(call).client.get("/warehouse/state"))


def _raw_block(view: ChainView, height: int) -> bytes:
    """Return a block's bytes; none for block 0, whose body is the genesis document."""
    block_hash = view.hash_at(height)
    raw = None if block_hash is None or height == 0 else view.block_bytes(block_hash)
    if raw is None and height > 0:
        raise unavailable("analytics_unavailable", "The node itself is behind its warehouse.")
    return raw or b""


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/warehouse/blocks",
        name="compare_blocks",
        summary="Blocks, and what the warehouse says of each",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_blocks,
        query=HeightsQuery,
        answers=ok(Page[BlockComparisonDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/warehouse/state",
        name="compare_state",
        summary="What the warehouse says of the state",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_state,
        answers=ok(WarehouseStateDocument),
        problems=(404, 503),
    ),
)
