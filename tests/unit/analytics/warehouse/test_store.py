"""The warehouse: blocks become rows once each, and the rows say what the chain says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from analytics.errors import BlockRefused
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import DOCUMENTED_TABLES
from analytics.warehouse.store import Cursor, Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from ledger.state import ACCOUNT, BALANCE
from tests.histories import DAY_MS, History


@pytest.fixture(scope="module")
def history() -> History:
    """Return sixty blocks, some on one day and some on days of their own."""
    history = History(seed=1)
    history.grow(20)
    history.grow(20, step_ms=DAY_MS // 3)
    history.grow(20)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return an empty warehouse of the chain."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    yield made
    made.close()


def rows(warehouse: Warehouse, query: str) -> list[Any]:
    """Return the rows of a query."""
    with warehouse.reading() as cursor:
        return cursor.execute(query).fetchall()


def everything(warehouse: Warehouse) -> dict[str, list[Any]]:
    """Return all rows of the documented tables, in an order that does not depend on commits."""
    return {name: rows(warehouse, f"FROM {name} ORDER BY ALL") for name in DOCUMENTED_TABLES}


def test_genesis_is_height_0(warehouse: Warehouse, history: History) -> None:
    """Opening balances are legs of kind genesis without a txid, and no transaction."""
    genesis = history.network.genesis
    held = {
        (encode_account_id(account), asset, amount)
        for account, balances in genesis.balances.items()
        for asset, amount in balances.items()
    }
    found = rows(warehouse, "SELECT credit, asset, amount FROM legs WHERE kind = 'genesis'")
    assert set(found) == held
    assert rows(warehouse, "SELECT txid, height, debit FROM legs GROUP BY ALL") == [(None, 0, None)]
    assert rows(warehouse, "SELECT count(*) FROM transactions") == [(0,)]
    assert warehouse.ingested == Cursor(height=0, hash=genesis.header().hash.hex())


def test_batches_and_single_blocks_leave_the_same_rows(tmp_path: Path, history: History) -> None:
    """How blocks are cut into commits shows nowhere, across the ends of days too."""
    found = []
    for number, size in enumerate((1, 7, 60)):
        path = tmp_path / f"{number}.duckdb"
        warehouse = Warehouse.create(connect(path, Settings()), history.network.genesis)
        for start in range(0, 60, size):
            warehouse.append(history.blocks[start : start + size])
        found.append(everything(warehouse))
        warehouse.close()
    assert found[0] == found[1] == found[2]
    assert len(found[0]["legs"]) > 100
    assert len({row[2] for row in found[0]["balances_daily"]}) > 5


def test_balances_and_accounts_are_those_of_the_state(
    warehouse: Warehouse, history: History
) -> None:
    """The sums of the legs, the last daily balance and the status equal the ledger's state."""
    warehouse.append(history.blocks)
    state = history.states[-1]
    expected = {
        (encode_account_id(key[1:21]), key[21:].decode()): balance
        for key, balance in state.items()
        if key[:1] == BALANCE
    }
    daily = rows(
        warehouse,
        "SELECT account, asset, arg_max(balance, day) FROM balances_daily GROUP BY account, asset",
    )
    assert {(account, asset): balance for account, asset, balance in daily} == expected
    accounts = rows(warehouse, "SELECT account, member, kind, status, opened_height FROM accounts")
    assert sorted(accounts) == sorted(
        (encode_account_id(key[1:]), a.member, a.kind.value, a.status.value, a.opened_height)
        for key, a in state.items()
        if key[:1] == ACCOUNT
    )
    assert {"active", "frozen"} == {status for *_, status, _ in accounts}


def test_a_reopened_warehouse_goes_on_where_it_was(tmp_path: Path, history: History) -> None:
    """After a close at any block, appending goes on from the cursor to the same rows."""
    path = tmp_path / FILE_NAME
    whole = Warehouse.create(connect(tmp_path / "whole", Settings()), history.network.genesis)
    whole.append(history.blocks)
    warehouse = Warehouse.create(connect(path, Settings()), history.network.genesis)
    for start in range(0, 60, 9):
        warehouse.append(history.blocks[start : start + 9])
        warehouse.close()
        warehouse = Warehouse(connect(path, Settings()), history.network.genesis)
        assert warehouse.ingested.height == min(start + 9, 60)
    assert everything(warehouse) == everything(whole)
    warehouse.close()
    whole.close()


@pytest.mark.parametrize(
    ("chosen", "code"),
    [([0], "block_repeated"), ([4], "block_missing"), ([3, 3], "block_repeated")],
)
def test_blocks_out_of_order_are_refused_whole(
    warehouse: Warehouse, history: History, chosen: list[int], code: str
) -> None:
    """A block twice, or one too early, takes nothing of its batch in."""
    warehouse.append(history.blocks[:3])
    before = everything(warehouse)
    with pytest.raises(BlockRefused) as refused:
        warehouse.append([history.blocks[at] for at in chosen])
    assert refused.value.code == code
    assert everything(warehouse) == before
    warehouse.append(history.blocks[3:5])
    assert warehouse.ingested.height == 5


def test_a_block_of_another_chain_is_refused(warehouse: Warehouse, history: History) -> None:
    """A block at the right height whose parent is another block is none of ours."""
    other = History(seed=2)
    other.grow(2)
    warehouse.append(history.blocks[:1])
    with pytest.raises(BlockRefused) as refused:
        warehouse.append(other.blocks[1:])
    assert refused.value.code == "block_of_another_chain"


def test_facts_are_what_the_blocks_did(warehouse: Warehouse, history: History) -> None:
    """Detection reads every leg in order, new accounts, and blocks in which nothing moved."""
    warehouse.append(history.blocks)
    facts = list(warehouse.facts(0, 100))
    assert [fact.height for fact in facts] == list(range(61))
    for block, fact in zip(history.blocks, facts[1:], strict=True):
        assert fact.time_ms == block.header.time_ms
        assert len(fact.movements) == sum(
            tx.leg_count
            for tx in block.transactions
            if tx.body.kind.name in {"TRANSFER", "ISSUE", "REDEEM"}
        )
        places = [(movement.position, movement.leg) for movement in fact.movements]
        assert places == sorted(places)
        for movement in fact.movements:
            transaction = block.transactions[movement.position]
            assert movement.txid == transaction.txid.hex()
            assert movement.kind == transaction.body.kind.name.lower()
    assert len(facts[0].opened) == 6
    opened = [account.account for fact in facts for account in fact.opened]
    assert sorted(opened) == sorted(
        row[0] for row in rows(warehouse, "SELECT account FROM accounts")
    )
    middle = list(warehouse.facts(17, 23))
    assert middle == facts[17:24]


def test_a_leg_without_reference_takes_its_transactions(
    warehouse: Warehouse, history: History
) -> None:
    """A leg's own text comes first, the transaction's stands in."""
    warehouse.append(history.blocks)
    by_txid = {tx.txid.hex(): tx for block in history.blocks for tx in block.transactions}
    found = rows(warehouse, "SELECT txid, leg, reference FROM legs WHERE kind = 'transfer'")
    assert {reference for *_, reference in found} == {"", "salary", "invoice"}
    for txid, leg, reference in found:
        body = by_txid[txid].body
        assert reference == (body.effect.legs[leg].reference or body.reference)  # type: ignore[union-attr]


def test_many_threads_take_cursors_at_once(warehouse: Warehouse) -> None:
    """A connection refuses calls of two threads at a time; the warehouse lets them take turns."""

    def read(_: int) -> int:
        counted = [rows(warehouse, "SELECT count(*) FROM blocks")[0][0] for _ in range(100)]
        return sum(counted)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(8))) == [100] * 8
