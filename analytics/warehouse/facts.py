"""What detection reads: the facts of some blocks, from the rows of the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import duckdb

from analytics.limits import COMMIT_BLOCKS_MAX, FACTS_LEGS_MAX
from analytics.movements import AccountOpened, BlockFacts, Movement

_BLOCKS: Final = """
SELECT height, epoch_ms(time), legs FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height
"""
_LEGS: Final = """
SELECT lower(hex(txid)), index, leg, kind, debit, credit, asset, amount, reference
FROM internal.legs WHERE height BETWEEN ? AND ? ORDER BY height, index, leg
"""
_OPENED: Final = """
SELECT opened_height, account, member, kind
FROM internal.accounts WHERE opened_height BETWEEN ? AND ? ORDER BY key
"""


def read_facts(
    cursor: duckdb.DuckDBPyConnection, texts: Sequence[str], first_height: int, last_height: int
) -> Iterator[BlockFacts]:
    """Yield the facts of the blocks from one height to another, as far as they are here.

    ``texts`` are the accounts' ids by number.
    """
    while first_height <= last_height:
        page_end = min(last_height, first_height + COMMIT_BLOCKS_MAX - 1)
        blocks = cursor.execute(_BLOCKS, [first_height, page_end]).fetchall()
        if not blocks:
            return
        page = _first_legs(blocks)
        yield from _page(cursor, texts, page)
        first_height = page[-1][0] + 1


def _first_legs(blocks: list[Any]) -> list[Any]:
    """Return the blocks until their legs pass the limit of a query; at least one."""
    legs = 0
    for count, (_, _, block_legs) in enumerate(blocks, start=1):
        legs += block_legs
        if legs >= FACTS_LEGS_MAX:
            return blocks[:count]
    return blocks


def _page(
    cursor: duckdb.DuckDBPyConnection, texts: Sequence[str], blocks: list[Any]
) -> Iterator[BlockFacts]:
    heights = [blocks[0][0], blocks[-1][0]]
    opened: dict[int, list[AccountOpened]] = {}
    for height, *account in cursor.execute(_OPENED, heights).fetchall():
        opened.setdefault(height, []).append(AccountOpened._make(account))
    # Rows of the query are in the order of the blocks, each of which says how many are its own.
    movements = (
        Movement(
            txid, index, leg, kind,
            None if debit is None else texts[debit],
            None if credit is None else texts[credit],
            asset, amount, reference,
        )
        for txid, index, leg, kind, debit, credit, asset, amount, reference in cursor.execute(
            _LEGS, heights
        ).fetchall()
    )  # fmt: skip
    for height, time_ms, legs in blocks:
        yield BlockFacts(
            height=height,
            time_ms=time_ms,
            opened=tuple(opened.get(height, ())),
            movements=tuple(islice(movements, legs)),
        )
