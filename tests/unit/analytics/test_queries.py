"""Queries: they see whole commits, hold up no append, and end when nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from analytics.errors import RequestRefused
from analytics.limits import QUERIES_MAX, QUERIES_WAITING_MAX
from analytics.queries import Queries
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import History

ENDLESS = "SELECT count(*) FROM range(1000000000000) AS a(x) WHERE hash(x) = 0"


@pytest.fixture(scope="module")
def history() -> History:
    """Return a short chain."""
    history = History(seed=6)
    history.grow(6)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse with the genesis document."""
    made = Warehouse.create(connect(tmp_path / "file", Settings()), history.network.genesis)
    yield made
    made.close()


def ask(cursor: duckdb.DuckDBPyConnection) -> int:
    """Run a query that never ends by itself."""
    return len(cursor.execute(ENDLESS).fetchall())


async def test_a_query_without_end_holds_up_no_append(
    warehouse: Warehouse, history: History
) -> None:
    """While it runs, blocks are committed and other queries see them."""
    queries = Queries(warehouse)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(cursor: duckdb.DuckDBPyConnection) -> int:
        loop.call_soon_threadsafe(began.set)
        return ask(cursor)

    running = asyncio.create_task(queries.run(slow))
    await began.wait()
    for block in history.blocks:
        await asyncio.to_thread(warehouse.append, [block])
    seen = await queries.run(lambda c: c.execute("SELECT max(height) FROM blocks").fetchall())
    assert seen == [(6,)]
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    queries.close()


async def test_a_query_ends_when_its_time_is_over(warehouse: Warehouse) -> None:
    """It is interrupted and refused by code, and its thread serves the next one."""
    queries = Queries(warehouse)
    for _ in range(QUERIES_MAX + 1):
        with pytest.raises(RequestRefused) as refused:
            await queries.run(ask, seconds_max=0.05)
        assert (refused.value.status, refused.value.code) == (504, "query_timeout")
    assert await queries.run(lambda c: c.execute("SELECT 1").fetchall()) == [(1,)]
    queries.close()


async def test_more_queries_than_may_wait_are_refused(warehouse: Warehouse) -> None:
    """The line is bounded, and who is in it is not forgotten."""
    queries = Queries(warehouse)
    waiting = [
        asyncio.create_task(queries.run(ask)) for _ in range(QUERIES_MAX + QUERIES_WAITING_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(RequestRefused) as refused:
        await queries.run(ask)
    assert (refused.value.status, refused.value.code) == (503, "analytics_busy")
    for task in waiting:
        task.cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in ended)
    queries.close()
