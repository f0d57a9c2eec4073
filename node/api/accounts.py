"""Accounts: for the account itself, its member and regulators."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from ledger.errors import InvalidProof
from node.api.documents import (
    AccountDocument,
    Page,
)
from node.api.limits import PAGE_LEGS_MAX
from node.api.operations import Access, Call, NoQuery, Operation, json_response, ok
from node.api.problems import not_yet
from node.api.queries import (
    PageQuery,
    StateQuery,
    parse_account,
    parse_position_cursor,
    position_cursor,
)
from node.api.transaction_documents import (
    TransactionDocument,
)
from node.api.transactions import located_document
from node.api.views import account_document
from node.api.visibility import visible_account
from node.storage.view import At, Position

TAG: Final = "accounts"


async def show_account(call: Call, query: StateQuery) -> web.Response:
    """Give an account's record, balances and next sequences at one block."""
    account, at, view = parse_account(call.path("account")), query.state.at, call.view
    document = account_document(
        account,
        visible_account(call.caller, account, view, at),
        balances=view.balances(account, at),
        sequences=view.next_sequences(account, at),
        at=view.head if at is At.HEAD else view.final,
    )
    return json_response(document)


async def history(call: Call, query: PageQuery) -> web.Response:
    """Give the account's transactions, newest first."""
    account, view = parse_account(call.path("account")), call.view
    cursor = parse_position_cursor(query.cursor)
    listed = view.account_history(account, limit=query.limit, cursor=cursor)
    items: list[TransactionDocument] = []
    legs, last = 0, listed.next_cursor
    for entry in listed.entries:
        if legs >= PAGE_LEGS_MAX:
            last = _last_position(items)
            break
        located = view.transaction(entry.txid)
        if located is not None:
            legs += located.transaction.leg_count
            items.append(located_document(located, call))
        await asyncio.sleep(0)  # others are served between two transactions
    page: Page[TransactionDocument] = {"items": items, "next_cursor": position_cursor(last)}
    return json_response(page)


async def prove(call: Call, _: NoQuery) -> web.Response:
    """Give the evidence bundle of the account's entries at the last final block."""
    try:
        document = await call.backend.prove_account(parse_account(call.path("account")))
    except InvalidProof as error:
        raise not_yet(error.code, error.detail) from None
    return json_response(document)


def guard_account(call: Call) -> None:
    """Refuse an account that does not exist, or that is not the caller's to see."""
    visible_account(call.caller, parse_account(call.path("account")), call.view, At.HEAD)


def _last_position(items: list[TransactionDocument]) -> Position | None:
    height, index = items[-1]["height"], items[-1]["index"]
    return None if height is None or index is None else Position(height, index)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/accounts/{account}",
        name="get_account",
        summary="An account with its balances, at the finalized block or the head",
        tag=TAG,
        access=Access.TOKEN,
        handler=show_account,
        guard=guard_account,
        query=StateQuery,
        answers=ok(AccountDocument),
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}/history",
        name="list_account_history",
        summary="An account's transactions, newest first",
        tag=TAG,
        access=Access.TOKEN,
        handler=history,
        guard=guard_account,
        query=PageQuery,
        answers=ok(Page[TransactionDocument]),
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}/proof",
        name="prove_account",
        summary="The proof of an account's state at the last final block",
        tag=TAG,
        access=Access.TOKEN,
        handler=prove,
        guard=guard_account,
        answers=ok(dict[str, Any], "The evidence bundle."),
        problems=(404,),
    ),
)
