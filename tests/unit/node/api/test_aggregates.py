"""Aggregates over the API: released within the budget, refused beyond it, listed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import serving_warehouse

AGGREGATES = "/v1/audit/aggregates"
BLOCKS = 12
Json = dict[str, Any]


@pytest.fixture
async def headers(node: ServedNode, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Return an officer's headers; the node's warehouse holds some blocks, alice pays in each."""
    node.grow(BLOCKS)
    warehouse = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), node.genesis)
    warehouse.append([one.block for one in node.head.ancestry()][1:])
    async with serving_warehouse(node, warehouse, tmp_path):
        yield bearer(node.officer_token("regulator"))
    warehouse.close()


async def posted(
    client: Client, headers: dict[str, str], document: Json, status: int = 200
) -> Json:
    """Return what is answered."""
    response = await client.post(AGGREGATES, json=document, headers=headers)
    if status >= 400:
        return await problem(response, status)
    assert response.status == status, await response.text()
    answer: Json = await response.json()
    return answer


async def test_an_aggregate_is_released_with_its_cost(
    client: Client, headers: dict[str, str]
) -> None:
    """Values near the truth at this epsilon, bounds, accuracy, and what the budget has left."""
    asked = {"measure": "payments", "by": "member", "epsilon": 0.75, "payments_max": 5}
    answer = await posted(client, headers, asked)
    values = {row["key"]: int(row["value"]) for row in answer["rows"]}
    assert set(values) == {"bank1", "bank2", "bank3", "regulator"}
    # Alice's twelve payments count as five, and no noise of scale 6.7 is a thousand.
    assert all(abs(value) < 1_000 for value in values.values())
    assert answer["bounds"] == {"contribution_max": "5", "groups_max": 1, "sensitivity": "5"}
    assert answer["mechanism"]["scale"] == pytest.approx(5 / 0.75)
    assert 15 < int(answer["accuracy_95"]) < 25
    budget = answer["budget"]
    assert (budget["year"], budget["epsilon"]) == (int(answer["until"][:4]), 1.0)
    assert budget["left"] == pytest.approx(0.25)
    refused = await posted(client, headers, asked, 409)
    assert refused["code"] == "privacy_budget_spent"
    assert "0.25 is left" in refused["detail"]
    last = await posted(client, headers, asked | {"epsilon": 0.25})
    async with client.get(AGGREGATES, headers=headers) as response:
        listed = await response.json()
    assert listed == {"items": [last, answer], "next_cursor": None}


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"epsilon": 0}, "/epsilon"),
        ({"epsilon": 11}, "/epsilon"),
        ({"epsilon": "1"}, "/epsilon"),
        ({"measure": "balances"}, "/measure"),
        ({"since": 5}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"amount_max": "0"}, "/amount_max"),
        ({"groups_max": 367}, "/groups_max"),
        ({"seed": 1}, "/seed"),
    ],
)
async def test_wrong_fields_are_named(
    client: Client, headers: dict[str, str], changed: Json, pointer: str
) -> None:
    """422 with a pointer; nothing is spent."""
    asked = {"measure": "payments", "epsilon": 0.1} | changed
    refused = await posted(client, headers, asked, 422)
    assert [fault["pointer"] for fault in refused["errors"]] == [pointer]
    async with client.get(AGGREGATES, headers=headers) as response:
        assert (await response.json())["items"] == []


async def test_a_period_and_a_volume_over_the_api(client: Client, headers: dict[str, str]) -> None:
    """Times are taken and told as RFC 3339; a period beyond one year is refused by its code."""
    asked = {
        "measure": "volume",
        "epsilon": 0.1,
        "asset": "CNY",
        "amount_max": "1000",
        "since": "2026-03-01T00:00:00Z",
        "until": "2026-03-02T00:00:00Z",
    }
    answer = await posted(client, headers, asked)
    assert answer["since"] == "2026-03-01T00:00:00.000Z"
    assert [row["key"] for row in answer["rows"]] == ["all"]
    refused = await posted(client, headers, asked | {"until": "2027-03-02T00:00:00Z"}, 422)
    assert refused["code"] == "privacy_period"
