"""A replay by the ledger's rules and the warehouse's own SQL come to the same digests, or tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analytics.warehouse.comparison import block_digests, state_digest
from analytics.warehouse.digests import BlockDigest, StateDigest
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.replay import Replay, ReplayFailed
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import DAY_MS, History


@pytest.fixture(scope="module")
def history() -> History:
    """Return fifty blocks over several days."""
    history = History(seed=3)
    history.grow(25)
    history.grow(25, step_ms=DAY_MS // 2)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse that holds the whole chain."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    yield made
    made.close()


def said(warehouse: Warehouse) -> tuple[list[BlockDigest], StateDigest]:
    """Return what the warehouse says of every block and of the state."""
    with warehouse.reading() as cursor:
        return block_digests(cursor, first=0, last=1_000), state_digest(cursor)


def replayed(history: History) -> tuple[list[BlockDigest], StateDigest]:
    """Return what a replay says."""
    replay = Replay(history.network.genesis)
    digests = [replay.begin(), *(replay.apply(block) for block in history.blocks)]
    return digests, replay.state()


def test_the_warehouse_equals_a_replay_at_every_height(
    warehouse: Warehouse, history: History
) -> None:
    """Rows, changes and state are the same, in whatever commits they came, as they grow."""
    digests, state = replayed(history)
    assert said(warehouse) == (digests, state)
    assert state.height == 50


def test_a_growing_warehouse_equals_the_replay_after_each_block(
    tmp_path: Path, history: History
) -> None:
    """The state's digests agree at every height, the open day's balances too."""
    replay = Replay(history.network.genesis)
    replay.begin()
    growing = Warehouse.create(connect(tmp_path / "growing", Settings()), history.network.genesis)
    for block in history.blocks:
        growing.append([block])
        replay.apply(block)
        with growing.reading() as cursor:
            assert state_digest(cursor) == replay.state()
    growing.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE internal.legs SET amount = amount + 1 WHERE height = 7 AND leg = 0",
        "DELETE FROM internal.transactions WHERE height = 9",
        "UPDATE internal.transactions SET reference = 'other' WHERE height = 9",
        "UPDATE internal.legs SET debit = credit, credit = debit WHERE height = 12",
        "UPDATE blocks SET hash = parent WHERE height = 5",
        "UPDATE measures SET reason = 'none'",
        "UPDATE internal.accounts SET status = 'active', member = 'bank2'",
        "UPDATE internal.closed_days SET balance = balance + 1",
        "UPDATE internal.accounts SET last_height = 1",
        "UPDATE members SET lei = ''",
    ],
)
def test_every_change_of_the_file_shows(
    warehouse: Warehouse, history: History, statement: str
) -> None:
    """Whatever is altered behind the program's back, a digest differs."""
    with warehouse.writing() as cursor:
        cursor.execute(statement)
    assert said(warehouse) != replayed(history)


def test_a_replay_takes_no_block_that_does_not_follow(history: History) -> None:
    """Order, body and state root are checked, so a forged block shows as such."""
    replay = Replay(history.network.genesis)
    replay.begin()
    with pytest.raises(ReplayFailed) as out_of_order:
        replay.apply(history.blocks[1])
    assert out_of_order.value.code == "replay_order"
    first = history.blocks[0]
    with pytest.raises(ReplayFailed) as other_body:
        replay.apply(replace(first, transactions=first.transactions[1:]))
    assert other_body.value.code == "replay_invalid"
    forged = history.chain.draft(history.chain.genesis, transactions=())
    block = replace(first, sealed=history.chain.mine(replace(forged, state_root=bytes(32))))
    with pytest.raises(ReplayFailed) as other_state:
        replay.apply(replace(block, transactions=()))
    assert other_state.value.code == "replay_state_root"
