"""The analytics process, kept running beside the node, which never waits for it.

A process that ends is started again, at once at first and then less and less often; one that has
committed a block since its start begins that count anew. It is told the node's final blocks from
where its own cursor stands (``node.analytics.feeder``), and says how far it has come
(``analytics.feed``). Whatever happens to it, the node goes on; while it is away, who asks it is
told to come back.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgpack
import structlog

from analytics.client import AnalyticsClient
from analytics.feed import Detected, Failed, Ingested, Ready, Report, decode_report
from analytics.privacy.limits import BUDGET_EPSILON_DEFAULT
from consensus.votes import Checkpoint
from ledger.hashing import BlockHash
from node.analytics.feeder import CursorUnknown, feed
from node.analytics.metrics import AnalyticsMetrics
from node.errors import StoreCorrupt
from node.metrics import Metrics
from node.stream import BlockStream

MODULE: Final = "analytics.process"
RESTART_S_FIRST: Final = 0.25
"""Time before the first restart, seconds; doubled for each that follows without a commit."""
RESTART_S_MAX: Final = 60.0
"""Longest time between two starts, seconds."""
EXIT_S_MAX: Final = 3.0
"""How long a process may take to end after its input has, seconds."""
READ_BYTES: Final = 64 * 1024
"""Bytes of reports read at a time."""
LIVE_LAG_BLOCKS_MAX: Final = 10
"""Final blocks that the warehouse and detection may be behind and still be called live."""

log = structlog.get_logger(__name__)


class State(StrEnum):
    """How the process fares."""

    LIVE = "live"
    CATCHING_UP = "catching_up"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """How the process is started."""

    genesis_file: Path
    """The chain's genesis document."""
    directory: Path
    """Where its files are; made when it is missing."""
    cases_directory: Path
    """Where the regulator's cases are; made when it is missing."""
    models_directory: Path
    """Where the regulator's models are; made when it is missing."""
    privacy_directory: Path
    """Where the record of published aggregates is; made when it is missing."""
    privacy_epsilon: float = BUDGET_EPSILON_DEFAULT
    """Privacy loss that the aggregates of a calendar year may have together."""
    memory_mib: int
    """Memory that DuckDB keeps to, MiB."""
    threads: int
    """Threads that DuckDB works with."""
    typologies_file: Path | None = None
    """The regulator's parameters of the typologies; their defaults without it."""
    sanctions_file: Path | None = None
    """The sanctions list; an empty one without it."""

    def arguments(self, rebuild_reason: str | None) -> list[str]:
        """Return the process's arguments."""
        given: dict[str, object] = {
            "--genesis": self.genesis_file,
            "--directory": self.directory,
            "--cases": self.cases_directory,
            "--models": self.models_directory,
            "--privacy": self.privacy_directory,
            "--privacy-epsilon": self.privacy_epsilon,
            "--memory-mib": self.memory_mib,
            "--threads": self.threads,
        }
        optional = {
            "--typologies": self.typologies_file,
            "--sanctions": self.sanctions_file,
            "--rebuild": rebuild_reason,
        }
        given |= {name: value for name, value in optional.items() if value is not None}
        return [word for name, value in given.items() for word in (name, str(value))]


class Analytics:
    """The process, what is known of it, and the client that asks it."""

    def __init__(self, settings: ProcessSettings, stream: BlockStream, metrics: Metrics) -> None:
        self.client = AnalyticsClient()
        self._settings = settings
        self._stream = stream
        self._metrics = AnalyticsMetrics(metrics.registry)
        self._process: Process | None = None
        self._height: int | None = None
        self._detection_height: int | None = None
        self._is_ready = False
        self._has_committed = False
        self._rebuild_reason: str | None = None
        self._moved = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: ProcessSettings, stream: BlockStream, metrics: Metrics
    ) -> AsyncIterator[Self]:
        """Hold a process running; it has ended when this is left."""
        analytics = cls(settings, stream, metrics)
        task = asyncio.get_running_loop().create_task(analytics.run(), name="analytics")
        try:
            yield analytics
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def state(self) -> State:
        """How the process fares now."""
        if not self._is_ready:
            return State.RESTARTING
        reached = -1 if self._detection_height is None else self._detection_height
        behind = max(self.lag_blocks, self._stream.view().final.height - reached)
        return State.LIVE if behind <= LIVE_LAG_BLOCKS_MAX else State.CATCHING_UP

    @property
    def height(self) -> int | None:
        """Height of the last block in the warehouse; None before the first start."""
        return self._height

    @property
    def detection_height(self) -> int | None:
        """Height of the last block that was searched for alerts; None before the first."""
        return self._detection_height

    @property
    def moved(self) -> asyncio.Event:
        """An event that the next search of a block for alerts sets; take it before asking for them."""
        return self._moved

    @property
    def lag_blocks(self) -> int:
        """Final blocks that are not in the warehouse."""
        return max(0, self._stream.view().final.height - (self._height or 0))

    @property
    def process_id(self) -> int | None:
        """The process's id; None while there is none."""
        return None if self._process is None else self._process.pid

    def observe(self) -> None:
        """Bring the metrics up to date."""
        self._metrics.up.set(self._is_ready)
        self._metrics.height.set(self._height or 0)
        self._metrics.detection_height.set(self._detection_height or 0)
        self._metrics.lag.set(self.lag_blocks)

    async def run(self) -> None:
        """Keep a process running until cancelled."""
        pause_s = RESTART_S_FIRST
        while True:
            self._has_committed = False
            try:
                await self._run_once()
            except OSError as error:
                log.warning("analytics_not_started", detail=str(error))
            self._metrics.restarts.inc()
            pause_s = RESTART_S_FIRST if self._has_committed else pause_s
            log.warning("analytics_restarting", pause_s=pause_s, height=self._height)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_S_MAX)

    async def _run_once(self) -> None:
        """Start a process and stay with it until it ends."""
        arguments = self._settings.arguments(self._rebuild_reason)
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, *arguments, stdin=PIPE, stdout=PIPE
        )
        feeding: asyncio.Task[None] | None = None
        socket: Path | None = None
        try:
            async for report in _reports(process):
                self.take(report)
                if isinstance(report, Ready):
                    socket = Path(report.socket)
                    await self.client.connect(report.socket)
                    feeding = asyncio.create_task(self._feed(process, report), name="feeder")
        finally:
            self._is_ready = False
            await self.client.disconnect()
            if feeding is not None:
                feeding.cancel()
                await asyncio.wait([feeding])
            await _end(process)
            self._process = None
            if socket is not None:  # a process that was killed could not remove it
                shutil.rmtree(socket.parent, ignore_errors=True)

    def take(self, report: Report) -> None:
        """Note what the process reports of itself."""
        match report:
            case Ready():
                self._is_ready, self._height = True, report.height
                self._detection_height = None  # it tells, unless its file is built anew
                self._rebuild_reason = None
                log.info("analytics_started", height=report.height)
                if report.rebuild_reason:
                    log.warning("analytics_rebuilding", reason=report.rebuild_reason)
            case Ingested():
                self._height, self._has_committed = report.height, True
                self._metrics.memory.set(report.memory_bytes)
                log.debug("analytics_ingested", height=report.height)
            case Detected():
                self._detection_height = report.height
                self._moved.set()
                self._moved = asyncio.Event()
            case Failed():
                log.error("analytics_failed", code=report.code, detail=report.detail)

    async def _feed(self, process: Process, ready: Ready) -> None:
        """Feed a process; when the chain is not the one that it has, have its file built anew."""
        pipe = process.stdin
        if pipe is None:
            raise ValueError("the process was started without a pipe to its input")

        async def write(data: bytes) -> None:
            pipe.write(data)
            await pipe.drain()

        cursor = Checkpoint(height=ready.height, hash=BlockHash(ready.hash))
        try:
            await feed(self._stream, cursor, write)
        except CursorUnknown as error:
            self._rebuild_reason = error.code
            pipe.close()
        except StoreCorrupt as error:
            log.exception("analytics_feed_failed", code=error.code, detail=error.detail)
            pipe.close()
        except (ConnectionError, RuntimeError):  # uvloop: RuntimeError on a closed pipe
            pipe.close()


async def _reports(process: Process) -> AsyncIterator[Report]:
    """Yield what the process reports until it ends."""
    if process.stdout is None:
        raise ValueError("the process was started without a pipe from its output")
    unpacker = msgpack.Unpacker(use_list=False)
    while data := await process.stdout.read(READ_BYTES):
        unpacker.feed(data)
        for message in unpacker:
            yield decode_report(message)


async def _end(process: Process) -> None:
    """End a process by closing its input, or by a kill when it does not listen."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(EXIT_S_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
