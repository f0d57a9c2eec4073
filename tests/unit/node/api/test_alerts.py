"""``/v1/audit/alerts`` over a real warehouse: filters, pages, and a stream that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web

from analytics.alerts import Alert, Reason, Severity, alert_id
from analytics.client import AnalyticsClient
from analytics.detecting import insert_alerts
from analytics.feed import Detected
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
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from node.audit import alerts as alerts_operation
from node.audit import events
from tests.barriers import HANG_S
from tests.unit.node.api.served import Client, ServedNode, bearer, problem

ALERTS = "/v1/audit/alerts"
ACCOUNTS = [encode_account_id(bytes([number]) * 20) for number in range(3)]
BEGAN_MS = 1_800_000_000_000


def alert(height: int, *, typology: str = "fan_in", score: float = 0.5) -> Alert:
    """Return an alert at a height, about one account in turn."""
    account = ACCOUNTS[height % len(ACCOUNTS)]
    severities = list(Severity)
    return Alert(
        id=alert_id(typology, account, height, None),
        typology=typology,
        severity=severities[height % len(severities)],
        account=account,
        score=score,
        reasons=(Reason(feature="payers", value=9, contribution=score, text="9 payers"),),
        transactions=(f"{height:064x}",),
        height=height,
        time_ms=BEGAN_MS + height * 1_000,
        model=f"{typology}/1",
    )


@pytest.fixture
async def warehouse(node: ServedNode, tmp_path: Path) -> AsyncIterator[Warehouse]:
    """Return the warehouse that the node's analytics read, served over its socket."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), node.genesis)
    queries = Queries(made)
    progress = Progress(
        ingested=made.ingested, detected=made.cursor(DETECTION), report=lambda _: None
    )
    sql, serving = SqlRunner(made), Serving()
    cases = Cases.open_file(tmp_path, "00" * 32)
    registry = Registry.open_directory(tmp_path / "models", "00" * 32)
    releases = Releases.open_file(tmp_path, "00" * 32, budget=1.0)
    services = Services(
        warehouse=made,
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
    socket = tmp_path / "a.sock"
    await web.UnixSite(runner, str(socket)).start()
    node.run_analytics({})
    assert node.analytics is not None
    node.analytics.client = AnalyticsClient()
    await node.analytics.client.connect(str(socket))
    yield made
    await node.analytics.client.disconnect()
    await runner.cleanup()
    queries.close()
    cases.close()
    registry.close()
    releases.close()
    await sql.close()
    await serving.close()
    made.close()


class NoProcess(AnalyticsClient):
    """A client whose process has ended until it is back."""

    def __init__(self, process: AnalyticsClient) -> None:
        super().__init__()
        self._process = process
        self.was_asked = asyncio.Event()
        self.is_back = False

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Say that there is no process, or ask it."""
        self.was_asked.set()
        if self.is_back:
            return await self._process.get(path, query)
        return await super().get(path, query)


def add(warehouse: Warehouse, alerts: Sequence[Alert]) -> None:
    """Put alerts into the warehouse."""
    with warehouse.writing() as cursor:
        insert_alerts(cursor, alerts)


async def listed(client: Client, node: ServedNode, **query: str) -> dict[str, Any]:
    """Return a page of alerts."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(ALERTS, params=query, headers=headers)
    assert response.status == 200, await response.text()
    document: dict[str, Any] = await response.json()
    return document


async def test_alerts_come_newest_first_with_their_reasons(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """All that the contract names is there, and the contributions add up."""
    add(warehouse, [alert(1), alert(2, typology="velocity", score=0.8)])
    page = await listed(client, node)
    assert [item["height"] for item in page["items"]] == [2, 1]
    newest = page["items"][0]
    assert newest == {
        "id": alert(2, typology="velocity").id,
        "typology": "velocity",
        "severity": "high",
        "account": ACCOUNTS[2],
        "score": 0.8,
        "reasons": [{"feature": "payers", "value": 9, "contribution": 0.8, "text": "9 payers"}],
        "transactions": [f"{2:064x}"],
        "height": 2,
        "model": "velocity/1",
        "time": "2027-01-15T08:00:02.000Z",
    }


async def test_an_alert_is_found_by_its_id(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """The same document as in the list; an id of no alert is 404, and what is no id 422."""
    add(warehouse, [alert(1), alert(2)])
    headers = bearer(node.officer_token("regulator"))
    (newest, _) = (await listed(client, node))["items"]
    found = await client.get(f"{ALERTS}/{newest['id']}", headers=headers)
    assert (found.status, await found.json()) == (200, newest)
    missing = await client.get(f"{ALERTS}/{'0' * 32}", headers=headers)
    assert (await problem(missing, 404))["code"] == "unknown_alert"
    malformed = await client.get(f"{ALERTS}/{'0' * 31}x", headers=headers)
    assert (await problem(malformed, 422))["errors"][0]["pointer"] == "/path/alert"


async def test_pages_hold_every_alert_once(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Going from cursor to cursor gives all, also where many share a height."""
    many = [
        alert(height, typology=name) for height in range(1, 8) for name in ("fan_in", "fan_out")
    ]
    add(warehouse, many)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await listed(client, node, limit="3", **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(many)
    assert set(seen) == {one.id for one in many}


@pytest.mark.parametrize(
    ("query", "heights"),
    [
        ({"typology": "velocity"}, [6]),
        ({"severity": "low"}, [4]),
        ({"account": ACCOUNTS[0]}, [6, 3]),
        ({"min_score": "0.8"}, [6]),
        ({"since": "2027-01-15T08:00:05Z"}, [6, 5]),
        ({"until": "2027-01-15T08:00:02.000Z"}, [2, 1]),
        ({"account": ACCOUNTS[0], "min_score": "0.8"}, [6]),
    ],
)
async def test_conditions_hold_together(
    node: ServedNode,
    client: Client,
    warehouse: Warehouse,
    query: dict[str, str],
    heights: list[int],
) -> None:
    """Each filter alone, and two at once."""
    add(warehouse, [*(alert(n) for n in range(1, 6)), alert(6, typology="velocity", score=0.9)])
    page = await listed(client, node, **query)
    assert [item["height"] for item in page["items"]] == heights


@pytest.mark.parametrize(
    "query",
    [
        {"typology": "nonsense"},
        {"min_score": "2"},
        {"cursor": "7"},
        {"cursor": "1:zz"},
        {"limit": "0"},
        {"follow": "yes"},
        {"account": "sun1nobody"},
    ],
)
async def test_wrong_queries_name_the_field(
    node: ServedNode, client: Client, warehouse: Warehouse, query: dict[str, str]
) -> None:
    """422 with a pointer to what is wrong."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(ALERTS, params=query, headers=headers)
    refused = await problem(response, 422)
    assert refused["errors"][0]["pointer"] == f"/query/{next(iter(query))}"


async def test_a_stream_gives_what_is_there_and_what_comes(
    node: ServedNode, client: Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oldest first, each once, and on as soon as detection has moved."""
    monkeypatch.setattr(events, "STREAM_RECHECK_SECONDS", 60.0)
    add(warehouse, [alert(1), alert(2)])
    headers = bearer(node.officer_token("regulator")) | {"Accept": "application/x-ndjson"}
    assert node.analytics is not None
    async with client.get(ALERTS, params={"follow": "true"}, headers=headers) as response:
        assert [json.loads(await response.content.readline())["height"] for _ in range(2)] == [1, 2]
        add(warehouse, [alert(3)])
        node.analytics.take(Detected(height=3))
        line = json.loads(await response.content.readline())
    assert (line["event"], line["height"], line["id"]) == ("alert", 3, alert(3).id)


async def test_a_stream_goes_on_after_the_last_event(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """``Last-Event-ID`` beats ``from``; a made-up one is refused."""
    add(warehouse, [alert(1), alert(2), alert(3)])
    headers = bearer(node.officer_token("regulator"))
    resumed = headers | {"Last-Event-ID": f"2:{alert(2).id}"}
    query = {"follow": "true", "from": "0"}
    async with client.get(ALERTS, params=query, headers=resumed) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        text = b""
        while b"\n\n" not in text.partition(b"retry: 1000\n\n")[2]:
            text += await response.content.readany()
    assert f"event: alert\nid: 3:{alert(3).id}\n".encode() in text
    response = await client.get(ALERTS, params=query, headers=headers | {"Last-Event-ID": "2:x"})
    assert (await problem(response, 422))["code"] == "bad_cursor"


async def test_a_stream_waits_for_a_process_that_ended(
    node: ServedNode, client: Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is no process a stream rests, and goes on when one is there again."""
    monkeypatch.setattr(events, "STREAM_RECHECK_SECONDS", 0.01)
    add(warehouse, [alert(1)])
    headers = bearer(node.officer_token("regulator")) | {"Accept": "application/x-ndjson"}
    assert node.analytics is not None
    gone = NoProcess(node.analytics.client)
    async with client.get(ALERTS, params={"follow": "true"}, headers=headers) as response:
        assert json.loads(await response.content.readline())["height"] == 1
        node.analytics.client = gone
        await gone.was_asked.wait()
        add(warehouse, [alert(2)])
        gone.is_back = True
        assert json.loads(await response.content.readline())["height"] == 2


async def test_a_stream_of_a_process_that_is_not_there_yet_is_a_problem(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Before the first byte the answer is 503 with ``Retry-After``, as for every other question."""
    assert node.analytics is not None
    process, node.analytics.client = node.analytics.client, AnalyticsClient()
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(ALERTS, params={"follow": "true"}, headers=headers)
    assert (await problem(response, 503))["code"] == "analytics_unavailable"
    assert "Retry-After" in response.headers
    node.analytics.client = process


async def test_threat_67_there_are_only_so_many_streams(
    node: ServedNode, client: Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is told to come back, and is served once another has left."""
    monkeypatch.setattr(events, "STREAMS_MAX", 1)
    monkeypatch.setattr(events, "STREAM_RECHECK_SECONDS", 0.01)
    add(warehouse, [alert(1)])
    headers = bearer(node.officer_token("regulator"))
    query = {"follow": "true"}
    async with client.get(ALERTS, params=query, headers=headers):
        response = await client.get(ALERTS, params=query, headers=headers)
        assert (await problem(response, 503))["code"] == "too_many_consumers"
        assert "Retry-After" in response.headers
    async with asyncio.timeout(HANG_S):
        status = 503
        while status == 503:  # until the node has looked whether the first is still there
            async with client.get(ALERTS, params=query, headers=headers) as response:
                status = response.status
    assert status == 200


async def test_a_fault_in_a_stream_cuts_the_connection(
    node: ServedNode, client: Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer in the middle of the first would leave the consumer waiting for ever."""
    add(warehouse, [alert(1)])
    headers = bearer(node.officer_token("regulator"))

    def fail(_: object) -> None:
        raise ValueError("a fault of the node's own")

    monkeypatch.setattr(alerts_operation, "_document", fail)
    async with client.get(ALERTS, params={"follow": "true"}, headers=headers) as response:
        with pytest.raises(ClientPayloadError):
            await response.read()
