"""Queries in threads: at most so many at a time, each ended when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import duckdb

from analytics.errors import RequestRefused
from analytics.limits import QUERIES_MAX, QUERIES_WAITING_MAX, QUERY_SECONDS_MAX
from analytics.warehouse.store import Warehouse

_T = TypeVar("_T")


class Queries:
    """Runs functions that read the warehouse, each with a cursor of its own."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._threads = ThreadPoolExecutor(QUERIES_MAX, thread_name_prefix="query")
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._asked = 0

    async def run(
        self,
        ask: Callable[[duckdb.DuckDBPyConnection], _T],
        *,
        seconds_max: float = QUERY_SECONDS_MAX,
    ) -> _T:
        """Return what ``ask`` returns, which is called in a thread with a cursor.

        When the caller is cancelled or the time is over, the query is interrupted.

        Raises:
            RequestRefused: ``analytics_busy`` (503) or ``query_timeout`` (504).
        """
        if self._asked >= QUERIES_MAX + QUERIES_WAITING_MAX:
            raise RequestRefused(503, "analytics_busy", "too many queries wait already")
        self._asked += 1
        try:
            with self._warehouse.reading() as cursor:
                return await self._run(cursor, ask, seconds_max)
        finally:
            self._asked -= 1

    async def _run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        ask: Callable[[duckdb.DuckDBPyConnection], _T],
        seconds_max: float,
    ) -> _T:
        self._running.add(cursor)
        submitted = self._threads.submit(ask, cursor)
        answer = asyncio.wrap_future(submitted)
        try:
            async with asyncio.timeout(seconds_max):
                return await asyncio.shield(answer)
        except TimeoutError:
            detail = f"the query took longer than {seconds_max:g} s"
            raise RequestRefused(504, "query_timeout", detail) from None
        finally:
            # The cursor is closed by who asked, which must wait until the thread has let go of it.
            while not submitted.cancel() and not submitted.done():
                cursor.interrupt()
                await asyncio.wait([answer], timeout=_INTERRUPT_S)
            if answer.done() and not answer.cancelled():
                answer.exception()  # who was told of the time limit is not told of the interruption
            self._running.discard(cursor)

    def close(self) -> None:
        """Interrupt what runs, and take nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for cursor in self._running:
            cursor.interrupt()


_INTERRUPT_S = 0.05
"""How often a query that must end is told so: it may be between two statements, seconds."""
