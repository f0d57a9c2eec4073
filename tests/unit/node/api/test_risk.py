"""``/v1/audit/accounts/{id}/risk``, ``risk`` and ``segments`` over a real warehouse."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analytics.risk import answers
from analytics.risk.kept import read_kept
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from tests.histories import DAY_MS, History
from tests.unit.analytics.risk.test_assessing import detect
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import serving_warehouse


@pytest.fixture(scope="module")
def history() -> History:
    """Return blocks over some days."""
    history = History(seed=8)
    history.grow(10, step_ms=DAY_MS // 3)
    return history


@pytest.fixture
async def warehouse(node: ServedNode, tmp_path: Path, history: History) -> AsyncIterator[Warehouse]:
    """Return a warehouse of the chain, detected to its end, behind the node."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    detect(made, history, until=history.blocks[-1].header.height)
    async with serving_warehouse(node, made, tmp_path):
        yield made
    made.close()


@pytest.fixture
def warned(warehouse: Warehouse) -> str:
    """Return an account that the detector has alerts about."""
    with warehouse.reading() as cursor:
        rows = cursor.execute("SELECT account FROM alerts ORDER BY height DESC, id").fetchall()
    account: str = rows[0][0]
    return account


async def asked(client: Client, node: ServedNode, path: str, **query: str) -> dict[str, Any]:
    """Return a document of the audit API."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(f"/v1/audit/{path}", params=query, headers=headers)
    assert response.status == 200, await response.text()
    document: dict[str, Any] = await response.json()
    return document


async def test_an_accounts_score_is_explained(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History, warned: str
) -> None:
    """Contributions add up; history, alerts, neighbours and features stand beside it."""
    document = await asked(client, node, f"accounts/{warned}/risk")
    parts = math.fsum(part["contribution"] for part in document["contributions"])
    assert parts == pytest.approx(document["score"])
    assert document["at_height"] == history.blocks[-1].header.height
    assert document["history"][0]["score"] == document["score"]
    assert {alert["typology"] for alert in document["alerts"]} == {"sanctioned"}
    assert document["features"]["payees"] <= len(document["neighbours"])


async def test_segments_of_the_last_assessment_are_those_of_its_block(
    node: ServedNode,
    client: Client,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where features of now would take long, segments are of the last assessment, and say so."""
    with warehouse.reading() as cursor:
        kept = read_kept(cursor)
    assert kept is not None
    monkeypatch.setattr(answers, "SEGMENTS_LIVE_LEGS_MAX", 0)
    document = await asked(client, node, "segments")
    assert document["height"] == kept.height
    counted = {item["segment"]: item["accounts"] for item in document["items"]}
    assert counted == {name: list(kept.segments).count(name) for name in counted}
    assert sum(counted.values()) == len(kept.accounts) > 0
    monkeypatch.undo()
    live = await asked(client, node, "segments")
    assert live["height"] > kept.height
    then, now = (
        {one["account"]: one["score"] for item in read["items"] for one in item["examples"]}
        for read in (document, live)
    )
    assert then.keys() & now.keys()
    assert all(then[account] == now[account] for account in then.keys() & now.keys())


async def test_a_market_of_the_past_is_looked_at_as_it_ended(
    node: ServedNode, client: Client, tmp_path: Path
) -> None:
    """Where nobody paid for a week all panels are of the last payment's block; a height has its own."""
    history = History(seed=9)
    history.grow(6, step_ms=DAY_MS // 3)
    history.grow(2, step_ms=8 * DAY_MS, transactions=0)
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    detect(made, history, until=8)
    payer = encode_account_id(next(iter(history.network.genesis.accounts)))
    async with serving_warehouse(node, made, tmp_path):
        for at, shown in (({}, 6), ({"at": "7"}, 7)):
            segments = await asked(client, node, "segments", **at)
            alive = {one["segment"] for one in segments["items"] if one["accounts"]} - {"quiet"}
            assert (segments["height"], bool(alive)) == (shown, shown == 6)
            risk = await asked(client, node, "risk", **at)
            assert risk["at_height"] == shown
            assert risk["market"]["height"] <= shown
            account = await asked(client, node, f"accounts/{payer}/risk", **at)
            assert (account["at_height"], account["at_time"]) == (shown, segments["time"])
    made.close()


async def test_a_score_of_then_is_the_score_of_then(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History, warned: str
) -> None:
    """With ?at= nothing shows that came later, and the score is the one written by then."""
    latest = await asked(client, node, f"accounts/{warned}/risk")
    for past in latest["history"]:
        then = await asked(client, node, f"accounts/{warned}/risk", at=str(past["height"]))
        assert {name: then[name] for name in past} == past
        assert then["at_height"] == past["height"]
        assert all(alert["height"] <= past["height"] for alert in then["alerts"])
        assert len(then["history"]) < len(latest["history"]) or past is latest["history"][0]
    assert latest["history"]


async def test_what_is_not_there_is_404(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """An account that nobody opened, and a block that is still to come; a bad id is 422."""
    headers = bearer(node.officer_token("regulator"))
    nobody = encode_account_id(bytes(20))
    response = await client.get(f"/v1/audit/accounts/{nobody}/risk", headers=headers)
    assert (await problem(response, 404))["code"] == "unknown_account"
    response = await client.get(f"/v1/audit/accounts/{nobody}/risk?at=999", headers=headers)
    assert (await problem(response, 404))["code"] == "unknown_height"
    response = await client.get("/v1/audit/accounts/sun1x/risk", headers=headers)
    await problem(response, 422)


async def test_members_and_the_market_have_scores(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Each with contributions that add up."""
    document = await asked(client, node, "risk")
    subjects = [document["market"], *document["members"]]
    assert subjects[0]["subject"] == "market"
    assert len(subjects) > 1
    for one in subjects:
        parts = math.fsum(part["contribution"] for part in one["contributions"])
        assert parts == pytest.approx(one["score"])


async def test_segments_hold_every_account_once(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Their accounts add up to all that are open; those with accounts say what is typical."""
    document = await asked(client, node, "segments")
    with warehouse.reading() as cursor:
        accounts = cursor.execute("SELECT count(*) FROM accounts").fetchall()[0][0]
    assert sum(item["accounts"] for item in document["items"]) == accounts
    for item in document["items"]:
        assert bool(item["medians"]) == (item["accounts"] > 0)
        assert len(item["examples"]) <= item["accounts"]
    assert any(item["at_risk"] for item in document["items"])
