"""A real warehouse behind a served node, asked over its socket as the node asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from aiohttp import web

from analytics.alerts import Alert
from analytics.client import AnalyticsClient
from analytics.privacy.releases import Releases
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.registry.store import Registry
from analytics.registry.trainer import Trainer
from analytics.response.store import Cases
from analytics.routes import ROUTES
from analytics.sandbox.runner import SqlRunner
from analytics.server import Services, make_app
from analytics.serving.serving import Serving
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.store import Warehouse
from tests.unit.node.api.served import ServedNode


@asynccontextmanager
async def serving_warehouse(
    node: ServedNode, warehouse: Warehouse, directory: Path
) -> AsyncIterator[Progress]:
    """Let the node's analytics be those of a warehouse; ``directory`` is for its socket."""
    async with serving_services(node, warehouse, directory) as services:
        yield services.progress


@asynccontextmanager
async def serving_services(
    node: ServedNode, warehouse: Warehouse, directory: Path
) -> AsyncIterator[Services]:
    """As `serving_warehouse`, with all that handlers work with; no training is begun."""
    queries, sql, serving = Queries(warehouse), SqlRunner(warehouse), Serving()
    detected = warehouse.cursor(DETECTION)
    progress = Progress(ingested=warehouse.ingested, detected=detected, report=lambda _: None)
    cases = Cases.open_file(directory, "00" * 32)
    registry = Registry.open_directory(directory / "models", "00" * 32)
    releases = Releases.open_file(directory, "00" * 32, budget=1.0)
    services = Services(
        warehouse=warehouse,
        queries=queries,
        progress=progress,
        cases=cases,
        registry=registry,
        trainer=Trainer(registry, queries, cases, progress),
        releases=releases,
        sql=sql,
        serving=serving,
    )
    runner = web.AppRunner(make_app(services, ROUTES))
    await runner.setup()
    socket = directory / "a.sock"
    await web.UnixSite(runner, str(socket)).start()
    node.run_analytics({})
    assert node.analytics is not None
    node.analytics.client = AnalyticsClient()
    await node.analytics.client.connect(str(socket))
    try:
        yield services
    finally:
        await node.analytics.client.disconnect()
        await runner.cleanup()
        queries.close()
        cases.close()
        registry.close()
        releases.close()
        await sql.close()
        await serving.close()


def add_alert(warehouse: Warehouse, alert: Alert) -> None:
    """Put an alert into the table of alerts."""
    reasons = json.dumps([asdict(reason) for reason in alert.reasons])
    with warehouse.writing() as cursor:
        cursor.execute(
            "INSERT INTO alerts SELECT ?, ?, ?, ?, ?, ?::JSON, ?, ?, make_timestamp_ms(?), ?",
            [
                *(alert.id, alert.typology, alert.severity.value, alert.account, alert.score),
                *(reasons, list(alert.transactions), alert.height, alert.time_ms, alert.model),
            ],
        )
