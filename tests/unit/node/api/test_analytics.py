"""The API's operations on the embedded analytics: off, away, refusing, and as they should be."""

from __future__ import annotations

import re
from typing import Any

import pytest

from analytics.errors import RequestRefused, Unavailable
from analytics.feed import Detected, Ready
from node.api.app import OPERATIONS
from node.api.operations import Access
from tests.unit.node.api.served import Client, ServedNode, bearer, problem

STATE = "/v1/audit/warehouse/state"
BLOCKS = "/v1/audit/warehouse/blocks"
ON_EVERY_NODE = {
    "/v1/audit/blocks",
    "/v1/audit/evidence",
    "/v1/audit/members",
    "/v1/audit/supply",
    "/v1/audit/transactions",
}


def digests(height: int, block_hash: str) -> dict[str, Any]:
    """Return what the process says of a block."""
    counts = {"transactions": 1, "legs": 1, "rows": "00", "changes": "00"}
    return {"height": height, "hash": block_hash, **counts}


async def test_a_node_without_analytics_says_so(node: ServedNode, client: Client) -> None:
    """Who may ask is told that there are none, whatever the question: 404 comes before 422.

    That is so of all that regulators may ask, but for what every node answers; and the status has no
    hint of analytics.
    """
    headers = bearer(node.officer_token("regulator"))
    for operation in OPERATIONS:
        if operation.access is Access.REGULATOR and operation.path not in ON_EVERY_NODE:
            path = re.sub(r"{\w+}", "nonsense", operation.path) + "?nonsense=1"
            response = await client.request(operation.method, path, headers=headers)
            assert (await problem(response, 404))["code"] == "analytics_disabled", path
    for path in ON_EVERY_NODE:
        assert (await client.get(path, headers=headers)).status == 200
    assert "analytics" not in await (await client.get("/v1/status")).json()


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Unavailable("the process is starting"), 503, "analytics_unavailable", "2"),
        (RequestRefused(503, "analytics_busy", "too many"), 503, "analytics_busy", "1"),
        (RequestRefused(504, "query_timeout", "too long"), 504, "query_timeout", None),
        (RequestRefused(422, "invalid_field", "no number"), 422, "invalid_field", None),
    ],
)
async def test_refusals_of_the_process_are_the_apis(
    node: ServedNode,
    client: Client,
    error: Exception,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    """Status and code come through; a 503 says when to ask again."""
    node.run_analytics({"/warehouse/state": error})
    response = await client.get(STATE, headers=bearer(node.officer_token("regulator")))
    assert (await problem(response, status))["code"] == code
    assert response.headers.get("Retry-After") == retry_after


async def test_blocks_stand_beside_what_the_warehouse_says(
    node: ServedNode, client: Client
) -> None:
    """Each item has the block's own bytes; block 0 has none, its body is the genesis document."""
    built = node.head.ancestry()[:3]
    items = [digests(one.height, one.hash.hex()) for one in built]
    node.run_analytics({"/warehouse/blocks": {"items": items}})
    headers = bearer(node.officer_token("regulator"))
    page = await (await client.get(f"{BLOCKS}?from=0&to=9", headers=headers)).json()
    assert [item["block"] for item in page["items"]] == [
        "",
        *(one.block.encode().hex() for one in built[1:]),
    ]
    assert page["next_cursor"] == "3"
    last = await (await client.get(f"{BLOCKS}?from=0&to=2", headers=headers)).json()
    assert last["next_cursor"] is None


@pytest.mark.parametrize(
    ("height", "detected", "state"),
    [(20, 20, "live"), (10, 10, "live"), (20, 9, "catching_up"), (9, 9, "catching_up")],
)
async def test_it_is_live_once_detection_is(
    node: ServedNode, client: Client, height: int, detected: int, state: str
) -> None:
    """A warehouse that has every block is not live while their alerts are still to come."""
    grown = node.grow(16)
    node.finalize(grown[-1])
    node.run_analytics({})
    analytics = node.analytics
    assert analytics is not None
    analytics.take(Ready(height=height, hash=bytes(32), socket="", rebuild_reason=""))
    expected = {"state": "catching_up", "height": height, "detection_height": None}
    assert (await (await client.get("/v1/status")).json())["analytics"] == expected
    analytics.take(Detected(height=detected))
    expected |= {"state": state, "detection_height": detected}
    assert (await (await client.get("/v1/status")).json())["analytics"] == expected


async def test_the_status_shows_how_the_process_fares(node: ServedNode, client: Client) -> None:
    """Before its first start the process is restarting, at no height."""
    node.run_analytics({})
    status = await (await client.get("/v1/status")).json()
    expected = {"state": "restarting", "height": None, "detection_height": None}
    assert status["analytics"] == expected
    metrics = await (await client.get("/metrics")).text()
    assert "sunlit_analytics_up 0.0" in metrics
