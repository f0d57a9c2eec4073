"""Trainings, one after the other, each in a process of its own with limits around it.

    order ─▶ table of the warehouse ─▶ Parquet file ─▶ child ─▶ folder ─▶ registry

The file and the folder lie in a directory of the registry that is gone afterwards. Nothing waits for a
training: blocks go on into the warehouse, queries are answered, and the child has the lowest priority.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

from analytics.errors import AnalyticsError, RequestRefused
from analytics.features.reference import reference_height
from analytics.models.errors import ModelError
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.registry.datasets import (
    TARGET,
    WARNED,
    Dataset,
    check_features,
    read_dataset,
)
from analytics.registry.limits import (
    MESSAGE_BYTES_MAX,
    TRAINING_MEMORY_MIB,
    TRAINING_READ_SECONDS_MAX,
    TRAINING_SECONDS_MAX,
)
from analytics.registry.records import Compared, NewVersion, Order, Outcome, Version
from analytics.registry.series import SERIES, check_series
from analytics.registry.store import Registry
from analytics.response.store import Cases

MODULE: Final = "analytics.registry.child"
_OUT_OF_MEMORY: Final = frozenset({signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV})
"""How a process ends that finds no memory where it cannot say so."""
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Json = dict[str, Any]


class Trainer:
    """Trains what the registry's trainings ask for."""

    def __init__(
        self, registry: Registry, queries: Queries, cases: Cases, progress: Progress
    ) -> None:
        self._registry = registry
        self._queries = queries
        self._cases = cases
        self._progress = progress
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Look for trainings that wait; may be called from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and so has the process
            self._loop.call_soon_threadsafe(self._asked.set)

    async def run(self) -> None:
        """Train until cancelled, which ends the training that runs."""
        await asyncio.to_thread(self._registry.trainings.fail_interrupted)
        while True:
            self._asked.clear()
            found = await asyncio.to_thread(self._registry.trainings.next_order)
            if found is None:
                await self._asked.wait()
                continue
            training, order = found
            outcome = await self._outcome(training, order)
            await asyncio.to_thread(self._registry.trainings.end, training, outcome)

    async def _outcome(self, training: str, order: Order) -> Outcome:
        try:
            version = await self._train(training, order)
        except AnalyticsError as error:
            return Outcome(code=error.code, detail=error.detail)
        except (duckdb.Error, OSError) as error:
            return Outcome(code="training_failed", detail=str(error).splitlines()[0])
        return Outcome(model=version.id)

    async def _train(self, training: str, order: Order) -> Version:
        check_series(order.series, order.method)
        check_features(order.features)
        champion = await asyncio.to_thread(self._champion, order.series)
        dataset = await self._read(order)
        with self._registry.new_folder() as folder:
            table, out = folder / "table.parquet", folder / "model"
            # Accounts stay here: who they are is nothing to learn from.
            columns = dataset.table.drop_columns(["account"])
            await asyncio.to_thread(pq.write_table, columns, table)
            request = self._request(order, dataset, table, out, champion)
            tell = partial(self._registry.trainings.tell, training)
            done = await _run_child(request, folder, tell)
            compared = None
            if champion is not None and done["champion_metrics"] is not None:
                compared = Compared(champion=champion.id, metrics=done["champion_metrics"])
            new = NewVersion(
                series=order.series,
                method=order.method,
                data=dataset.data,
                seed=order.seed,
                rows=done["rows"],
                metrics=done["metrics"],
                reference=done["reference"],
                compared=compared,
                by=order.by,
                training=training,
            )
            return await asyncio.to_thread(self._registry.enter, out, new)

    async def _read(self, order: Order) -> Dataset:
        reached = self._progress.detected.height
        height = order.height
        if height is None:
            height = await self._queries.run(lambda cursor: reference_height(cursor, reached))
        if height > reached or height < 0:
            detail = f"detection has come to block {reached}"
            raise RequestRefused(404, "unknown_height", detail, height=height)
        dismissed = await asyncio.to_thread(self._cases.dismissed_alerts)
        ask = partial(read_dataset, series=order.series, height=height, dismissed=dismissed)
        return await self._queries.run(ask, seconds_max=TRAINING_READ_SECONDS_MAX)

    def _champion(self, series: str) -> Version | None:
        """Return the champion of a series; None without one, or with one that is damaged."""
        try:
            champion = self._registry.find(series)
            self._registry.folder(champion)
        except RequestRefused:
            return None
        return champion

    def _request(
        self, order: Order, dataset: Dataset, table: Path, out: Path, champion: Version | None
    ) -> Json:
        has_outcomes = SERIES[order.series].has_outcomes
        folder = None if champion is None else str(self._registry.folder(champion))
        return {
            "method": order.method,
            "seed": order.seed,
            "features": order.features,
            "target": TARGET if has_outcomes else None,
            "positive": WARNED if has_outcomes else None,
            "table": str(table),
            "name": dataset.name,
            "sha256": dataset.sha256,
            "out": str(out),
            "champion": folder,
        }


async def _run_child(request: Json, home: Path, tell: Callable[[str], None]) -> Json:
    """Return what a training's process says at its end; it has ended when this is left.

    Raises: ModelError with what it says is wrong, or with how it ended.
    """
    try:
        async with asyncio.timeout(TRAINING_SECONDS_MAX):
            return await _talk(request, home, tell)
    except TimeoutError:
        detail = f"the training took longer than {TRAINING_SECONDS_MAX:g} s"
        raise ModelError("training_timeout", detail) from None


async def _talk(request: Json, home: Path, tell: Callable[[str], None]) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE,
        stdin=PIPE, stdout=PIPE, limit=MESSAGE_BYTES_MAX, env=_environment(home),
    )  # fmt: skip
    try:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process was started without pipes")
        with suppress(ConnectionError):  # how it ended is told below
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            message = json.loads(line)
            if "progress" in message:
                await asyncio.to_thread(tell, message["progress"])
            elif "done" in message:
                done: Json = message["done"]
                return done
            else:
                raise ModelError(message["code"], message["detail"])
        raise _death(await process.wait())
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _death(status: int) -> ModelError:
    """Return what it means that a process ended before it said anything."""
    if status == -signal.SIGXCPU:
        return ModelError("training_timeout", "the training used up its processor time")
    if -status in _OUT_OF_MEMORY:
        detail = f"the training was ended, most likely by its limit of {TRAINING_MEMORY_MIB} MiB"
        return ModelError("training_memory", detail)
    return ModelError("training_failed", "the training's process ended; the node's log says more")


def _environment(home: Path) -> dict[str, str]:
    """Return what the process needs to know of its surroundings: where modules are, and a home."""
    return {
        "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path),
        "HOME": str(home),
        **dict.fromkeys(_ONE_THREAD, "1"),
    }
