"""Requests under ``/v1/audit`` leave records, which regulators read page by page."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from ledger.access_records import AccessTip, verify_chain
from tests.factories import REGULATOR
from tests.unit.node.api.served import Client, ServedNode, bearer, problem

PATH = "/v1/audit/access-log"


async def test_a_damaged_log_is_told(node: ServedNode, client: Client) -> None:
    """Where the file holds no records any more, the answer says so and is no fault of the node."""
    headers = bearer(node.officer_token("regulator"))
    node.run_analytics({})
    assert (await client.get(PATH, headers=headers)).status == 200
    node.access_log._path.write_bytes(b"x" * node.access_log._end)
    refused = await problem(await client.get(f"{PATH}?order=oldest", headers=headers), 409)
    assert refused["code"] == "access_log_broken"


async def pages(node: ServedNode, client: Client, order: str) -> list[dict[str, Any]]:
    """Return all records by pages of two."""
    headers = bearer(node.officer_token("regulator"))
    cursor, items = "", []
    for _ in range(100):
        page = await (
            await client.get(f"{PATH}?limit=2&order={order}{cursor}", headers=headers)
        ).json()
        items += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    return items


async def test_every_audit_request_of_a_regulator_is_recorded(
    node: ServedNode, client: Client
) -> None:
    """Who, what, how it ended and how much; never the token, and nothing of the open API."""
    token = node.officer_token("regulator")
    supply = await client.get("/v1/audit/supply?limit=5", headers=bearer(token))
    body = await supply.read()
    await client.get("/v1/audit/transactions?limit=0", headers=bearer(token))
    await client.get("/v1/status", headers=bearer(token))
    await client.get("/v1/audit/supply")
    await client.get("/v1/audit/supply", headers=bearer(node.officer_token("bank1")))
    node.run_analytics({"/query": {"rows": []}})
    asked = await client.post("/v1/audit/query", json={"sql": "SELECT 1"}, headers=bearer(token))
    assert asked.status == 200
    stream = await client.get(
        "/v1/audit/blocks?from=0", headers=bearer(token) | {"Accept": "application/x-ndjson"}
    )
    await stream.read()
    records = await pages(node, client, "oldest")
    seen = [(r["event"], r["method"], r["target"], r["status"], r.get("sql")) for r in records]
    assert seen[:5] == [
        ("answered", "GET", "/v1/audit/supply?limit=5", 200, None),
        ("answered", "GET", "/v1/audit/transactions?limit=0", 422, None),
        ("answered", "POST", "/v1/audit/query", 200, "SELECT 1"),
        ("opened", "GET", "/v1/audit/blocks?from=0", None, None),
        ("ended", "GET", "/v1/audit/blocks?from=0", 200, None),
    ]
    assert records[0]["bytes"] == len(body)
    assert records[0]["subject"] == "regulator"
    assert records[0]["kid"] == node.network.officers[REGULATOR][0].public_key.hex()
    assert token not in json.dumps(records)
    verify_chain(records, AccessTip(sequence=0, hash=records[0]["previous"]))


async def test_pages_go_both_ways(node: ServedNode, client: Client) -> None:
    """Newest first ends at record 1; oldest first gives the same chain, and its root."""
    headers = bearer(node.officer_token("regulator"))
    node.run_analytics({})
    for _ in range(3):
        await client.get("/v1/audit/supply", headers=headers)
    newest = await pages(node, client, "newest")
    assert [record["sequence"] for record in newest] == [3, 2, 1]
    oldest = await pages(node, client, "oldest")
    assert oldest[:3] == newest[::-1]
    page = await (await client.get(PATH, headers=headers)).json()
    assert page["root"] == oldest[0]["previous"]


async def test_a_node_without_analytics_shows_no_log(node: ServedNode, client: Client) -> None:
    """It keeps records all the same, that it was asked for them among these."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(PATH, headers=headers)
    assert (await problem(response, 404))["code"] == "analytics_disabled"
    node.run_analytics({})
    records = await pages(node, client, "oldest")
    assert (records[0]["target"], records[0]["status"]) == (PATH, 404)


async def test_without_a_record_there_is_no_answer(
    node: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no record answers 503, whatever was asked; the open API goes on."""

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no room")

    headers = bearer(node.officer_token("regulator"))
    monkeypatch.setattr("node.audit.access_log.os.write", full)
    for path in ("/v1/audit/supply", "/v1/audit/blocks"):
        response = await client.get(path, headers=headers)
        assert (await problem(response, 503))["code"] == "access_log_failed"
    monkeypatch.undo()
    assert (await client.get("/v1/audit/supply", headers=headers)).status == 200
