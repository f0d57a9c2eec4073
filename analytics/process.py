"""The analytics process: started by the node, fed by it, ended with it.

    python -m analytics.process --genesis FILE --directory DIR --memory-mib N --threads N

    main thread    the event loop with the HTTP server on a Unix socket
    ingest         standard input into the warehouse
    queries        reads that requests ask for, a few at a time

Standard output carries the reports of ``analytics.feed``. The socket is in a directory of its own,
which nobody else may enter and whose short name fits the 108 bytes that an address may have. The
process lowers its own priority: it must never take from consensus what consensus needs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from aiohttp import web

from analytics.errors import AnalyticsError, WarehouseCorrupt
from analytics.feed import Failed, Ready, Report, encode_report
from analytics.ingest import Ingest
from analytics.limits import NICE
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.routes import ROUTES
from analytics.server import Services, make_app
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
    pa.set_cpu_count(1)
    arguments = _arguments()
    status = 0
    try:
        opened = open_warehouse(
            arguments.directory,
            parse_genesis(arguments.genesis.read_bytes()),
            Settings(memory_mib=arguments.memory_mib, threads=arguments.threads),
            rebuild_reason=arguments.rebuild,
        )
        asyncio.run(_run(opened))
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
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rebuild", default=None, metavar="REASON")
    return parser.parse_args()


async def _run(opened: Opened) -> None:
    """Serve until the ingest thread ends; raise what ended it."""
    warehouse = opened.warehouse
    progress = Progress(
        ingested=warehouse.ingested, detected=warehouse.cursor(DETECTION), report=report
    )
    queries = Queries(warehouse)
    services = Services(warehouse=warehouse, queries=queries, progress=progress)
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
        await _in_thread(Ingest(warehouse, progress, STDIN).run, "ingest")
    finally:
        progress.end()
        queries.close()
        await runner.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
        warehouse.close()


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
