"""A process that works with models, from the analytics process's side: one task at a time.

It is started when somebody asks, stays for those who follow, and ends when nobody has for a while.
Whatever becomes of it, detection and queries go on: its memory, its crash and the time that it holds
the interpreter are its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any, Final

from analytics.errors import RequestRefused
from analytics.serving.child import DONE, LENGTH_BYTES
from analytics.serving.limits import CHILD_IDLE_SECONDS, FRAME_BYTES_MAX

MODULE: Final = "analytics.serving.child"
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read to know how many threads they may use."""


class TaskRefused(RequestRefused):
    """A task that the process understood and refused, with the code that it gave."""


class Worker:
    """One process and the tasks that wait for it.

    Args:
        seconds_max: longest task, seconds; then the process is killed and the next gets a new one.
        waiting_max: tasks that wait for their turn; one more is told to come back.
    """

    def __init__(self, *, seconds_max: float, waiting_max: int) -> None:
        self._seconds_max = seconds_max
        self._waiting_max = waiting_max
        self._turn = asyncio.Lock()
        self._asked = 0
        self._process: Process | None = None
        self._retiring: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        """Tasks and processes that are waited for."""

    async def run(self, task: str, **arguments: Any) -> Any:
        """Return what a task answers, as `run_for_bytes` does, read."""
        return json.loads(await self.run_for_bytes(task, **arguments))

    async def run_for_bytes(self, task: str, **arguments: Any) -> bytes:
        """Return the JSON that a task of ``analytics.serving.tasks`` answers, for who hands it on.

        A task that has begun is done to its end, whether or not who asked is still there.

        Raises:
            TaskRefused: 422 with the task's own code.
            RequestRefused: ``analytics_busy`` (503), ``model_timeout`` (504), ``model_failed`` (500).
        """
        if self._asked > self._waiting_max:
            raise RequestRefused(503, "analytics_busy", "too many tasks wait for models already")
        self._asked += 1
        exchange = asyncio.create_task(self._exchange({"task": task, **arguments}), name="model")
        self._tasks.add(exchange)
        exchange.add_done_callback(self._done)
        return await asyncio.shield(exchange)

    async def close(self) -> None:
        """End the process, and with it what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()

    @property
    def process_id(self) -> int | None:
        """The process's id; None while there is none."""
        return None if self._process is None else self._process.pid

    def _done(self, exchange: asyncio.Task[Any]) -> None:
        self._asked -= 1
        self._tasks.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # who asked may have gone

    async def _exchange(self, document: dict[str, Any]) -> bytes:
        frame = json.dumps(document, allow_nan=False).encode()
        async with self._turn:
            if self._retiring is not None:
                self._retiring.cancel()
            try:
                async with asyncio.timeout(self._seconds_max):
                    answer = await self._ask(frame)
            except TimeoutError:
                await self._end()
                detail = f"the model took longer than {self._seconds_max:g} s"
                raise RequestRefused(504, "model_timeout", detail) from None
            except (asyncio.IncompleteReadError, ConnectionError):
                await self._end()
                detail = "the process that works with models ended; the node's log may say why"
                raise RequestRefused(500, "model_failed", detail) from None
            except BaseException:
                await self._end()  # an answer that nobody read would be taken for the next one's
                raise
            loop = asyncio.get_running_loop()
            self._retiring = loop.call_later(CHILD_IDLE_SECONDS, self._retire)
        if answer[:1] == DONE:
            return answer[1:]
        refusal = json.loads(answer[1:])
        status = 500 if refusal["code"] == "model_failed" else 422
        raise TaskRefused(status, refusal["code"], refusal["detail"], **refusal["fields"])

    async def _ask(self, frame: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE, env=_environment()
            )
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process was started without pipes")
        process.stdin.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        if length > FRAME_BYTES_MAX:
            raise RequestRefused(422, "answer_too_large", "ask for fewer rows")
        return await process.stdout.readexactly(length)

    def _retire(self) -> None:
        """Let an idle process end by itself."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            waiting = asyncio.create_task(process.wait(), name="model")
            self._tasks.add(waiting)
            waiting.add_done_callback(self._tasks.discard)

    async def _end(self) -> None:
        if self._retiring is not None:
            self._retiring.cancel()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    """Return the surroundings of a process: our own, where modules are, and one thread each."""
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    return {**os.environ, "PYTHONPATH": paths, **dict.fromkeys(_THREADS, "1")}
