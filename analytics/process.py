"""The analytics process: started by the node, fed by it, ended with it.

    python -m analytics.process --genesis FILE --directory DIR --cases DIR --models DIR
                                --privacy DIR [--privacy-epsilon X] --memory-mib N --threads N
                                [--typologies FILE] [--sanctions FILE]

    main thread    the event loop with the HTTP server on a Unix socket
    ingest         standard input into the warehouse
    detection      what the warehouse took in into alerts
    assessment     scores, after the alerts of their blocks
    watch          drift, and what else asks for a training, after the alerts
    queries        reads that requests ask for, a few at a time

A training runs in a process of its own (``analytics.registry.trainer``).

Standard output carries the reports of ``analytics.feed``. The socket is in a directory of its own,
which nobody else may enter and whose short name fits the 108 bytes that an address may have. The
process lowers its own priority: it must never take from consensus what consensus needs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from aiohttp import web

from analytics.assessing import Assessing
from analytics.detecting import Detecting
from analytics.detection import Detector
from analytics.errors import AnalyticsError, WarehouseCorrupt
from analytics.feed import Detected, Failed, Ready, Report, encode_report
from analytics.ingest import Ingest
from analytics.limits import NICE, YOUNG_OBJECTS
from analytics.privacy.limits import BUDGET_EPSILON_DEFAULT
from analytics.privacy.releases import Releases
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.registry.rules import register_rules
from analytics.registry.store import Registry
from analytics.registry.trainer import Trainer
from analytics.registry.watch import Watching
from analytics.response.store import Cases
from analytics.routes import ROUTES
from analytics.sandbox.runner import SqlRunner
from analytics.server import Services, make_app
from analytics.serving.serving import Serving
from analytics.typologies.parameters import TypologyParameters, load_parameters
from analytics.typologies.sanctions import SanctionsList, load_sanctions
from analytics.warehouse.opening import Opened, open_warehouse, set_aside
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.store import Settings
from ledger.errors import LedgerError
from ledger.genesis_document import parse_genesis

STDIN: Final = 0
STDOUT: Final = 1
SOCKET_NAME: Final = "analytics.sock"
SHUTDOWN_S_MAX: Final = 1.0
"""How long open answers may take to end, seconds."""


def main() -> None:
    """Serve and ingest until the input ends, or until something cannot go on."""
    # An operator's Ctrl-C reaches the whole process group: the node decides when it goes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    # Blocks are many objects that reference counting frees: look for garbage seldom.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    pa.set_cpu_count(1)
    arguments = _arguments()
    status = 0
    try:
        rules = _rules(arguments)
        opened = open_warehouse(
            arguments.directory,
            parse_genesis(arguments.genesis.read_bytes()),
            Settings(memory_mib=arguments.memory_mib, threads=arguments.threads),
            rebuild_reason=arguments.rebuild,
        )
        genesis_hash = opened.warehouse.genesis.header().hash.hex()
        cases = Cases.open_file(arguments.cases, genesis_hash)
        registry = Registry.open_directory(arguments.models, genesis_hash)
        releases = Releases.open_file(
            arguments.privacy, genesis_hash, budget=arguments.privacy_epsilon
        )
        asyncio.run(_run(opened, rules, cases, registry, releases))
    except (AnalyticsError, LedgerError) as error:
        if isinstance(error, WarehouseCorrupt):
            set_aside(arguments.directory)
        report(Failed(code=error.code, detail=error.detail))
        status = 1
    except (duckdb.Error, OSError) as error:
        report(Failed(code="warehouse_failed", detail=str(error)))
        status = 1
    except Exception:  # noqa: BLE001 - the node is told, and its log gets the traceback
        traceback.print_exc(file=sys.stderr)
        report(Failed(code="analytics_failed", detail="a fault of the program; the log has it"))
        status = 1
    # What is committed is on disk, and a thread that a query still holds must not keep us.
    sys.stderr.flush()
    os._exit(status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="analytics.process")
    parser.add_argument("--genesis", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--privacy", type=Path, required=True)
    parser.add_argument("--privacy-epsilon", type=float, default=BUDGET_EPSILON_DEFAULT)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--typologies", type=Path, default=None)
    parser.add_argument("--sanctions", type=Path, default=None)
    parser.add_argument("--rebuild", default=None, metavar="REASON")
    return parser.parse_args()


def _rules(arguments: argparse.Namespace) -> tuple[TypologyParameters, SanctionsList]:
    """Return the regulator's parameters and list; the defaults, and an empty list, without files."""
    parameters, listed = TypologyParameters(), SanctionsList([], [])
    if arguments.typologies is not None:
        parameters = load_parameters(arguments.typologies)
    if arguments.sanctions is not None:
        listed = load_sanctions(arguments.sanctions)
    return parameters, listed


async def _run(
    opened: Opened,
    rules: tuple[TypologyParameters, SanctionsList],
    cases: Cases,
    registry: Registry,
    releases: Releases,
) -> None:
    """Serve until the input ends or a stage fails; raise what it failed with."""
    warehouse = opened.warehouse
    progress = Progress(
        ingested=warehouse.ingested, detected=warehouse.cursor(DETECTION), report=report
    )
    register_rules(registry, *rules)
    assets = warehouse.genesis.assets.items()
    detector = Detector(*rules, {str(code): asset.decimals for code, asset in assets})
    queries = Queries(warehouse)
    trainer = Trainer(registry, queries, cases, progress)
    sql, serving = SqlRunner(warehouse), Serving()
    services = Services(
        warehouse=warehouse,
        queries=queries,
        progress=progress,
        cases=cases,
        registry=registry,
        trainer=trainer,
        releases=releases,
        sql=sql,
        serving=serving,
    )
    runner = web.AppRunner(
        make_app(services, ROUTES),
        access_log=None,
        handler_cancellation=True,  # a client that goes away ends its query
        shutdown_timeout=SHUTDOWN_S_MAX,
    )
    directory = Path(tempfile.mkdtemp(prefix="sunlit-"))
    try:
        await runner.setup()
        socket = directory / SOCKET_NAME
        await web.UnixSite(runner, str(socket)).start()
        cursor = warehouse.ingested
        report(
            Ready(
                height=cursor.height,
                hash=bytes.fromhex(cursor.hash),
                socket=str(socket),
                rebuild_reason=opened.rebuild_reason or "",
            )
        )
        if progress.detected.height >= 0:
            report(Detected(height=progress.detected.height))
        await _stages(
            {
                "ingest": Ingest(warehouse, progress, STDIN).run,
                "detection": Detecting(warehouse, progress, detector).run,
                "assessment": lambda: Assessing(warehouse, progress).run(),
                "watch": Watching(warehouse, progress, registry, trainer.wake).run,
            },
            trainer.run(),
        )
    finally:
        progress.end()
        queries.close()
        await sql.close()
        await serving.close()
        await runner.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(duckdb.Error):  # a stage is in a query; what is committed is in the log
            warehouse.close()
        cases.close()
        registry.close()
        releases.close()


async def _stages(
    stages: Mapping[str, Callable[[], None]], training: Coroutine[None, None, None]
) -> None:
    """Run the stages until the first ends, which is the input's end unless one fails."""
    tasks = [asyncio.create_task(_in_thread(work, name)) for name, work in stages.items()]
    tasks.append(asyncio.create_task(training, name="training"))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _in_thread(work: Callable[[], None], name: str) -> None:
    """Wait for work in a thread that does not keep the process; raise what it raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            loop.call_soon_threadsafe(_settle, done, error)
        else:
            loop.call_soon_threadsafe(_settle, done, None)

    threading.Thread(target=run, name=name, daemon=True).start()
    await done


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if not done.done():
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def report(message: Report) -> None:
    """Tell the node; one that is gone hears nothing, and its end ends us."""
    with _reporting, suppress(OSError):
        data = encode_report(message)
        while data:
            data = data[os.write(STDOUT, data) :]


_reporting: Final = threading.Lock()


if __name__ == "__main__":
    main()
