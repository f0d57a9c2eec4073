"""What the warehouse says of blocks and state, as digests: the half of a verification that is SQL.

``GET /warehouse/blocks?first=&last=``  digests of the blocks of some heights, fewer where they are
large; ``GET /warehouse/state``  those of everything up to the last block that is here, in one
transaction. ``replay`` makes the other half.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.limits import DIGEST_BLOCKS_MAX, DIGEST_LEGS_MAX, DIGEST_SECONDS_MAX
from analytics.server import Route, Services, answer, integer
from analytics.warehouse.digests import (
    BlockDigest,
    Row,
    StateDigest,
    changes_digest,
    digest,
    rows_digest,
)
from analytics.warehouse.schema import INGEST

_BLOCKS: Final = """
SELECT height, hash, parent, epoch_ms(time), sealer, bits, transactions, legs
FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height
"""
_TRANSACTIONS: Final = """
SELECT height, txid, index, kind, member, legs, reference
FROM transactions WHERE height BETWEEN ? AND ? ORDER BY height, index
"""
_LEGS: Final = """
SELECT height, txid, index, leg, kind, debit, credit, asset, amount, reference
FROM legs WHERE height BETWEEN ? AND ? ORDER BY height, index, leg
"""
_ACCOUNTS: Final = """
SELECT opened_height, account, member, kind
FROM internal.accounts WHERE opened_height BETWEEN ? AND ? ORDER BY key
"""
_MEASURES: Final = """
SELECT height, txid, index, measure, account, member, reason, case_id
FROM measures WHERE height BETWEEN ? AND ? ORDER BY height, index, rowid
"""
_BALANCES: Final = """
SELECT account, asset, sum(change)::BIGINT AS balance FROM (
    SELECT credit AS account, asset, amount AS change FROM legs WHERE credit IS NOT NULL
    UNION ALL
    SELECT debit, asset, -amount FROM legs WHERE debit IS NOT NULL
) GROUP BY account, asset HAVING balance <> 0 ORDER BY account, asset
"""
_SUPPLIES: Final = """
SELECT asset, sum(CASE WHEN debit IS NULL THEN amount ELSE -amount END)::BIGINT AS supply
FROM legs WHERE debit IS NULL OR credit IS NULL
GROUP BY asset HAVING supply <> 0 ORDER BY asset
"""
_REGISTERS: Final = (
    (
        "SELECT account, member, kind, status, opened_height, first_height, last_height"
        " FROM accounts ORDER BY account"
    ),
    "SELECT member, name, lei, roles FROM members ORDER BY member",
    "SELECT asset, name, decimals, issuer FROM assets ORDER BY asset",
)
_DAYS: Final = (
    "SELECT account, asset, strftime(day, '%Y-%m-%d') AS closed, balance"
    " FROM balances_daily ORDER BY account, asset, closed"
)


async def list_block_digests(services: Services, request: web.Request) -> web.StreamResponse:
    """Give the digests of the blocks of some heights, lowest first."""
    first, last = integer(request, "first"), integer(request, "last")
    ask = partial(block_digests, first=first, last=last)
    found = await services.queries.run(ask, seconds_max=DIGEST_SECONDS_MAX)
    return answer({"items": [asdict(one) for one in found]})


async def show_state_digest(services: Services, _: web.Request) -> web.StreamResponse:
    """Give the digests of everything that is here."""
    found = await services.queries.run(state_digest, seconds_max=DIGEST_SECONDS_MAX)
    return answer(asdict(found))


def block_digests(cursor: duckdb.DuckDBPyConnection, *, first: int, last: int) -> list[BlockDigest]:
    """Return the digests of blocks from a height on, as many as the limits of a page hold."""
    last = min(last, first + DIGEST_BLOCKS_MAX - 1)
    blocks = cursor.execute(_BLOCKS, [first, last]).fetchall()
    legs, end = 0, len(blocks)
    for number, block in enumerate(blocks, start=1):
        legs += block[-1]
        if legs >= DIGEST_LEGS_MAX:
            end = number
            break
    blocks = blocks[:end]
    if not blocks:
        return []
    heights = [first, blocks[-1][0]]
    parts = [
        _by_height(cursor, query, heights) for query in (_TRANSACTIONS, _LEGS, _ACCOUNTS, _MEASURES)
    ]
    return [
        _block_digest(list(block), [part.get(block[0], []) for part in parts]) for block in blocks
    ]


def state_digest(cursor: duckdb.DuckDBPyConnection) -> StateDigest:
    """Return the digests of the state at the ingest cursor."""
    cursor.execute("BEGIN")
    try:
        query = "SELECT height, hash FROM internal.cursors WHERE stage = ?"
        height, block_hash = cursor.execute(query, [INGEST]).fetchall()[0]
        registers = [_rows(cursor, query) for query in _REGISTERS]
        return StateDigest(
            height=height,
            hash=block_hash,
            accounts=len(registers[0]),
            balances=digest(_rows(cursor, _BALANCES)),
            supply=digest(_rows(cursor, _SUPPLIES)),
            registers=digest(registers),
            days=digest(_rows(cursor, _DAYS)),
        )
    finally:
        cursor.execute("ROLLBACK")


def _block_digest(block: Row, parts: list[list[Row]]) -> BlockDigest:
    height, block_hash, *_, transactions, legs = block
    balances: defaultdict[tuple[str, str], int] = defaultdict(int)
    supplies: defaultdict[str, int] = defaultdict(int)
    for _, _, _, _, debit, credit, asset, amount, _ in parts[1]:
        if debit is None:
            supplies[asset] += amount
        else:
            balances[debit, asset] -= amount
        if credit is None:
            supplies[asset] -= amount
        else:
            balances[credit, asset] += amount
    return BlockDigest(
        height=height,
        hash=block_hash,
        transactions=transactions,
        legs=legs,
        rows=rows_digest(block[1:], *parts),
        changes=changes_digest(balances, supplies),
    )


def _by_height(
    cursor: duckdb.DuckDBPyConnection, query: str, heights: list[int]
) -> dict[int, list[Row]]:
    rows = cursor.execute(query, heights).fetchall()
    return {
        height: [list(row[1:]) for row in group]
        for height, group in groupby(rows, key=itemgetter(0))
    }


def _rows(cursor: duckdb.DuckDBPyConnection, query: str) -> list[list[Any]]:
    return [list(row) for row in cursor.execute(query).fetchall()]


ROUTES: Final = (
    Route(method="GET", path="/warehouse/blocks", handler=list_block_digests),
    Route(method="GET", path="/warehouse/state", handler=show_state_digest),
)
