"""Free SQL from the analytics process's side: a process for each statement, with limits around it.

A process is begun before it is needed, because its start takes longer than most queries. Each answers
one statement and ends, so that nothing of a query is left for the next. It reads the warehouse through
``scans`` only; whatever happens to it, the warehouse goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from analytics.errors import AnalyticsError, RequestRefused
from analytics.sandbox.limits import (
    READY,
    SQL_CHARACTERS_MAX,
    SQL_MEMORY_MIB,
    SQL_RUNNING_MAX,
    SQL_SECONDS_GRACE,
    SQL_SECONDS_MAX,
    SQL_WAITING_MAX,
    START_SECONDS_MAX,
)
from analytics.sandbox.scans import Scans, read_schemas
from analytics.sandbox.statement import (
    STATUS,
    TIMEOUT,
    TIMEOUT_STATUS,
    refused,
)
from analytics.warehouse.store import Warehouse

MODULE: Final = "analytics.sandbox.child"
_TOO_LONG: Final = f"the query took longer than {SQL_SECONDS_MAX:g} s"
_OUT_OF_MEMORY: Final = frozenset({signal.SIGABRT, signal.SIGKILL})
"""How a process ends that finds no memory where it cannot say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sandbox:
    """A process that waits for its statement, and who serves it."""

    process: Process
    scans: Scans


class SqlRunner:
    """Runs statements of the regulator's officers over one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._schemas = read_schemas(warehouse)
        self._tables = {
            name: schema.serialize().to_pybytes().hex() for name, schema in self._schemas.items()
        }
        self._turn = asyncio.Semaphore(SQL_RUNNING_MAX)
        self._asked = 0
        self._spare: asyncio.Task[_Sandbox] | None = None

    async def run(self, sql: str) -> bytes:
        """Return the JSON document that answers a statement.

        Raises:
            RequestRefused: ``query_refused``, ``query_failed``, ``query_too_large`` (422),
                ``query_timeout`` (504), or ``analytics_busy`` (503).
        """
        if len(sql) > SQL_CHARACTERS_MAX:
            raise refused(f"a query has {SQL_CHARACTERS_MAX} characters at most")
        if self._asked >= SQL_RUNNING_MAX + SQL_WAITING_MAX:
            raise RequestRefused(503, "analytics_busy", "too many queries wait already")
        self._asked += 1
        try:
            async with self._turn, self._sandbox() as sandbox:
                return await self._answer(sandbox, sql)
        finally:
            self._asked -= 1

    async def close(self) -> None:
        """End the process that waits."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.cancel()
            with suppress(AnalyticsError, OSError, asyncio.CancelledError):
                await _end(await spare)

    async def _answer(self, sandbox: _Sandbox, sql: str) -> bytes:
        request = json.dumps({"sql": sql, "tables": self._tables}).encode()
        await asyncio.to_thread(sandbox.scans.start)
        try:
            async with asyncio.timeout(SQL_SECONDS_MAX + SQL_SECONDS_GRACE):
                answer, _ = await sandbox.process.communicate(request)
        except TimeoutError:
            raise RequestRefused(TIMEOUT_STATUS, TIMEOUT, _TOO_LONG) from None
        if sandbox.process.returncode != 0:
            raise _death(-(sandbox.process.returncode or 0))
        if answer.startswith(b'{"code"'):
            document = json.loads(answer)
            status = TIMEOUT_STATUS if document["code"] == TIMEOUT else STATUS
            raise RequestRefused(status, document["code"], document["detail"])
        return answer

    @asynccontextmanager
    async def _sandbox(self) -> AsyncIterator[_Sandbox]:
        """Hold a process of one's own; the next is begun meanwhile."""
        waiting, self._spare = self._spare, None
        sandbox = await (waiting or asyncio.create_task(self._begin(), name="sandbox"))
        self._spare = asyncio.create_task(self._begin(), name="sandbox")
        try:
            yield sandbox
        finally:
            await _end(sandbox)

    async def _begin(self) -> _Sandbox:
        scans = Scans(self._warehouse, self._schemas)
        with scans.child_end as control:
            number = control.fileno()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, str(number),
                stdin=PIPE, stdout=PIPE, pass_fds=[number], env=_environment(),
            )  # fmt: skip
        sandbox = _Sandbox(process=process, scans=scans)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await _ready(process)
        except BaseException:
            await _end(sandbox)
            raise
        return sandbox


async def _ready(process: Process) -> None:
    if process.stdout is None or await process.stdout.read(len(READY)) != READY:
        raise AnalyticsError("analytics_failed", "a query's process did not start")


def _environment() -> dict[str, str]:
    """Return what a query's process needs to know of its surroundings: where modules are."""
    return {"PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}


async def _end(sandbox: _Sandbox) -> None:
    with suppress(ProcessLookupError):
        sandbox.process.kill()
    await sandbox.process.wait()
    await asyncio.to_thread(sandbox.scans.close)


def _death(number: int) -> RequestRefused:
    """Return what it means that a process ended by a signal before it answered."""
    if number == signal.SIGXCPU:
        return RequestRefused(TIMEOUT_STATUS, TIMEOUT, _TOO_LONG)
    if number in _OUT_OF_MEMORY:
        detail = f"the query needs more than {SQL_MEMORY_MIB} MiB of memory"
        return RequestRefused(STATUS, "query_too_large", detail)
    return RequestRefused(STATUS, "query_failed", "the query ended its process")
