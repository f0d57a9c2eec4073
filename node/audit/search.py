"""``GET /v1/audit/transactions``: search of the chain, newest first, in bounded steps."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from ledger.transactions import SignedTransaction
from node.api.documents import (
    Page,
)
from node.api.limits import PAGE_ITEMS_MAX, PAGE_LEGS_MAX, SCAN_ROWS_MAX, SCAN_SECONDS_MAX
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.queries import (
    AuditTransactionsQuery,
    milliseconds,
    parse_position_cursor,
    position_cursor,
)
from node.api.transaction_documents import (
    TransactionDocument,
)
from node.api.transactions import located_document
from node.api.views import movements
from node.storage.view import At, ChainView, LocatedTransaction, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One step of a search: how far it came, and the transaction there, if one is."""

    position: Position
    located: LocatedTransaction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Heights to search, both included; empty where ``last`` is below ``first``."""

    first: int
    last: int


async def search_transactions(call: Call, query: AuditTransactionsQuery) -> web.Response:
    """Give the transactions that meet all conditions, newest first.

    A search that reads much ends early with what it found and a cursor: only a page whose
    ``next_cursor`` is null is the last.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SCAN_SECONDS_MAX
    cursor = parse_position_cursor(query.cursor)
    items: list[TransactionDocument] = []
    rows_read = legs = 0
    next_cursor: Position | None = None
    async with aclosing(_rows(call.view, query, cursor)) as rows:
        async for row in rows:
            rows_read += 1
            if row.located is not None and _matches(row.located.transaction, query):
                items.append(located_document(row.located, call))
                legs += row.located.transaction.leg_count
            is_full = len(items) >= query.limit or legs >= PAGE_LEGS_MAX
            if is_full or rows_read >= SCAN_ROWS_MAX or loop.time() >= deadline:
                next_cursor = row.position
                break
    page: Page[TransactionDocument] = {
        "items": items,
        "next_cursor": position_cursor(next_cursor),
    }
    return json_response(page)


async def _rows(
    view: ChainView, query: AuditTransactionsQuery, cursor: Position | None
) -> AsyncGenerator[_Row, None]:
    """Yield candidates below the cursor, newest first, from the account's history if it may."""
    window = _window(view, query)
    if query.account is not None:
        source = _account_rows(view, query, window, cursor)
    else:
        source = _block_rows(view, window, cursor)
    async with aclosing(source) as rows:
        async for row in rows:
            yield row


async def _account_rows(
    view: ChainView, query: AuditTransactionsQuery, window: _Window, cursor: Position | None
) -> AsyncGenerator[_Row, None]:
    while query.account is not None:
        page = view.account_history(
            query.account,
            since=window.first,
            until=window.last,
            limit=PAGE_ITEMS_MAX,
            cursor=cursor,
        )
        for entry in page.entries:
            yield _Row(position=entry.position, located=view.transaction(entry.txid))
            await asyncio.sleep(0)
        cursor = page.next_cursor
        if cursor is None:
            return


async def _block_rows(
    view: ChainView, window: _Window, cursor: Position | None
) -> AsyncGenerator[_Row, None]:
    top = window.last if cursor is None else min(window.last, cursor.height)
    for height in range(top, window.first - 1, -1):
        block_hash = view.hash_at(height)
        block = None if block_hash is None else await asyncio.to_thread(view.block, block_hash)
        if block is None:
            continue
        for index in range(len(block.transactions) - 1, -1, -1):
            position = Position(height, index)
            if cursor is None or position < cursor:
                located = LocatedTransaction(
                    transaction=block.transactions[index], position=position, block_hash=block.hash
                )
                yield _Row(position=position, located=located)
        yield _Row(position=Position(height, 0), located=None)


def _window(view: ChainView, query: AuditTransactionsQuery) -> _Window:
    """Return the heights whose blocks' times lie within the query; times rise with the height."""
    top = (view.head if query.finality is At.HEAD else view.final).height
    first, last = 0, top
    heights = range(top + 1)
    if query.since is not None:
        since_ms = milliseconds(query.since)
        first = bisect_left(heights, since_ms, key=lambda height: _time_ms(view, height))
    if query.until is not None:
        until_ms = milliseconds(query.until)
        last = bisect_right(heights, until_ms, key=lambda height: _time_ms(view, height)) - 1
    return _Window(first=first, last=last)


def _time_ms(view: ChainView, height: int) -> int:
    block_hash = view.hash_at(height)
    sealed = None if block_hash is None else view.sealed_header(block_hash)
    if sealed is None:
        raise LookupError(f"the view holds no block at height {height}")
    return sealed.header.time_ms


def _matches(transaction: SignedTransaction, query: AuditTransactionsQuery) -> bool:
    """Tell whether kind fits and one movement fits asset, amount and account together."""
    body = transaction.body
    if query.kind is not None and body.kind.name.lower() != query.kind:
        return False
    if query.asset is None and query.min_amount is None:
        return True
    return any(
        (query.asset is None or asset == query.asset)
        and (query.min_amount is None or amount >= query.min_amount)
        and (query.account is None or query.account in (debit, credit))
        for debit, credit, asset, amount in movements(body.effect)
    )


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/transactions",
    name="search_transactions",
    summary="Transactions by account, asset, kind, amount and time, newest first",
    tag="audit",
    access=Access.REGULATOR,
    handler=search_transactions,
    query=AuditTransactionsQuery,
    answers=ok(Page[TransactionDocument]),
)
