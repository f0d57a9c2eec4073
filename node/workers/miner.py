"""The node's miner: hands jobs to the mining worker and passes its solutions on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from node.workers.child import Child
from node.workers.errors import MinerFailed, WorkerExited
from node.workers.search import HASH_BYTES, NONCE_BYTES

RESTARTS_MAX: Final = 3  # workers in a row that end without a word before mining is given up

OnSolution = Callable[[int, int], Awaitable[None]]


class Miner:
    """A mining worker process, kept running for as long as the context is entered.

    ``on_solution(job_id, nonce)`` is awaited for each solution of the job in hand; solutions of a
    job that was replaced meanwhile are dropped. ``duty`` is the share of one core, 0 < duty <= 1.

    Raises on leaving the context:
        MinerFailed: the worker ended ``RESTARTS_MAX`` times in a row without a word.
    """

    def __init__(self, *, duty: float, on_solution: OnSolution) -> None:
        if not 0 < duty <= 1:
            raise ValueError(f"the duty cycle {duty} is not above 0 and at most 1")
        self.hashes = 0
        self._duty = duty
        self._on_solution = on_solution
        self._tasks = asyncio.TaskGroup()
        self._listener: asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._job: tuple[object, ...] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._child = await self._spawn()
        self._listener = self._tasks.create_task(self._listen(self._child), name="miner")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            self._listener.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    @property
    def process_id(self) -> int | None:
        """The worker's process id, None while there is no worker."""
        return self._child.process_id if self._child else None

    async def start(self, job_id: int, header_prefix: bytes, target: int) -> None:
        """Search for a nonce of this header in place of whatever is searched now.

        Each job starts at a random nonce, so that two nodes with one key never repeat the work
        of one another.
        """
        start_nonce = int.from_bytes(os.urandom(NONCE_BYTES), "big")
        threshold = target.to_bytes(HASH_BYTES, "big")
        await self._replace(("start", job_id, header_prefix, threshold, start_nonce))

    async def stop(self) -> None:
        """Search for nothing until the next job."""
        await self._replace(None)

    async def _replace(self, job: tuple[object, ...] | None) -> None:
        self._job = job
        if self._child is not None:
            with suppress(WorkerExited):  # the listener sees its end too, and hands on the job
                await self._child.send(job or ("stop",))

    async def _spawn(self) -> Child:
        return await Child.spawn("node.workers.mine", str(self._duty))

    async def _listen(self, child: Child) -> None:
        """Pass on what the worker reports, and replace the worker when it ends."""
        silent_ends = 0
        while True:
            try:
                if self._job is not None:
                    await child.send(self._job)
                while True:
                    await self._take_report(await child.receive())
                    silent_ends = 0
            except WorkerExited as error:
                silent_ends += 1
                if silent_ends > RESTARTS_MAX:
                    raise MinerFailed(
                        "the mining worker keeps ending", restarts=RESTARTS_MAX
                    ) from error
            finally:
                self._child = None
                await child.end()
            child = self._child = await self._spawn()

    async def _take_report(self, report: object) -> None:
        match report:
            case ("hashed", int(count)):
                self.hashes += count
            case ("found", int(job_id), int(nonce)):
                if self._job is not None and self._job[1] == job_id:
                    self._job = None
                    await self._on_solution(job_id, nonce)
            case _:
                raise WorkerExited("the mining worker speaks nonsense", report=report)
