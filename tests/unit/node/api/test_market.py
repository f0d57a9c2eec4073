"""``/v1/audit/accounts``, ``flows`` and ``reports`` over a real warehouse, beside the chain itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics.alerts import Alert, Reason, Severity, alert_id
from analytics.market import reports
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from ledger.kinds import Leg, Transfer
from ledger.state import account_key, balance_key
from node.api.views import format_time
from tests.histories import DAY_MS, History
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import add_alert, serving_warehouse

Json = dict[str, Any]


@pytest.fixture(scope="module")
def history() -> History:
    """Return blocks over some days."""
    history = History(seed=3)
    history.grow(20, step_ms=DAY_MS // 4)
    return history


@pytest.fixture
async def warehouse(node: ServedNode, history: History, tmp_path: Path) -> AsyncIterator[Warehouse]:
    """Return the warehouse that the node's analytics read: the history and one alert."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    warned = encode_account_id(history.holders["alice"].id)
    alert = Alert(
        id=alert_id("fan_in", warned, 3, None),
        typology="fan_in",
        severity=Severity.HIGH,
        account=warned,
        score=0.5,
        reasons=(Reason(feature="payers", value=9, contribution=0.5, text="9 payers"),),
        transactions=("00" * 32,),
        height=3,
        time_ms=history.blocks[2].header.time_ms,
        model="fan_in/1",
    )
    add_alert(made, alert)
    async with serving_warehouse(node, made, tmp_path):
        yield made
    made.close()


async def got(client: Client, node: ServedNode, path: str, **query: str) -> Json:
    """Return what the audit API gives a regulator."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(f"/v1/audit/{path}", params=query, headers=headers)
    assert response.status == 200, await response.text()
    document: Json = await response.json()
    return document


async def all_of(client: Client, node: ServedNode, path: str, **query: str) -> list[Json]:
    """Return the items of all pages of a list."""
    items: list[Json] = []
    page = await got(client, node, path, **query)
    while True:
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        page = await got(client, node, path, **query, cursor=page["next_cursor"])


def legs(history: History) -> Iterator[tuple[int, Leg]]:
    """Yield the legs of all transfers of a history, each with its block's time."""
    for block in history.blocks:
        for transaction in block.transactions:
            if isinstance(transaction.body.effect, Transfer):
                for leg in transaction.body.effect.legs:
                    yield block.header.time_ms, leg


async def test_accounts_are_those_of_the_state(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History
) -> None:
    """Page by page every account comes once, in order, with status and balances of the state."""
    items = await all_of(client, node, "accounts", limit="4")
    state = history.states[-1]
    expected = {encode_account_id(one.id): one.id for one in history.holders.values()}
    assert [item["account"] for item in items] == sorted(expected)
    for item in items:
        account = expected[item["account"]]
        assert item["status"] == state[account_key(account)].status
        held = {
            code: str(state[balance_key(account, code)])
            for code in history.network.genesis.assets
            if state.get(balance_key(account, code))
        }
        assert {one["asset"]: one["amount"] for one in item["balances"]} == held
        if item["last_height"]:
            at_ms = history.blocks[item["last_height"] - 1].header.time_ms
            assert item["last_time"] == f"{format_time(at_ms)}"


async def test_accounts_are_filtered(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History
) -> None:
    """By member, kind, status, how the id begins, and whether somebody was warned of them."""
    everyone = await all_of(client, node, "accounts")
    for name in ("member", "kind", "status"):
        for value in {item[name] for item in everyone}:
            found = await all_of(client, node, "accounts", **{name: value})
            assert found == [item for item in everyone if item[name] == value]
    prefix = everyone[0]["account"][:7]
    found = await all_of(client, node, "accounts", text=prefix)
    assert found == [item for item in everyone if item["account"].startswith(prefix)]
    alice = encode_account_id(history.holders["alice"].id)
    (warned,) = await all_of(client, node, "accounts", has_alerts="true")
    assert (warned["account"], warned["alerts"]) == (alice, 1)
    calm = await all_of(client, node, "accounts", has_alerts="false")
    assert len(calm) == len(everyone) - 1


@pytest.mark.parametrize("level", ["member", "account"])
async def test_flows_are_the_sums_of_the_legs(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History, level: str
) -> None:
    """What the blocks say, summed by hand, comes page by page, the largest first."""
    member_of = {one.id: one.member for one in history.holders.values()}
    sums: Counter[tuple[Any, ...]] = Counter()
    counts: Counter[tuple[Any, ...]] = Counter()
    for _, leg in legs(history):
        sides = (leg.debit, leg.credit)
        accounts = [encode_account_id(one) if level == "account" else None for one in sides]
        key = (*(member_of[one] for one in sides), *accounts, leg.asset)
        sums[key] += leg.amount
        counts[key] += 1
    items = await all_of(client, node, "flows", level=level, limit="3")
    names = ("debit_member", "credit_member", "debit", "credit", "asset")
    keys = [tuple(item[name] for name in names) for item in items]
    assert {key: int(item["amount"]) for key, item in zip(keys, items, strict=True)} == sums
    assert {key: item["legs"] for key, item in zip(keys, items, strict=True)} == counts
    assert len(keys) == len(sums)
    amounts = [int(item["amount"]) for item in items]
    assert amounts == sorted(amounts, reverse=True)


async def test_flows_lead_from_two_members_to_their_accounts(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History
) -> None:
    """The accounts' flows between two members add up to the members' own."""
    pair = {"member": "bank1", "counterparty": "bank2", "asset": "CNY"}
    members = await all_of(client, node, "flows", **pair)
    accounts = await all_of(client, node, "flows", level="account", **pair)
    assert {(m["debit_member"], m["credit_member"]) for m in members} == {
        ("bank1", "bank2"),
        ("bank2", "bank1"),
    }
    for item in members:
        of_pair = [one for one in accounts if one["debit_member"] == item["debit_member"]]
        assert sum(int(one["amount"]) for one in of_pair) == int(item["amount"])
    alice = encode_account_id(history.holders["alice"].id)
    own = await all_of(client, node, "flows", level="account", account=alice)
    assert own
    assert all(alice in (one["debit"], one["credit"]) for one in own)


async def test_flows_of_a_period_are_those_of_its_blocks(
    node: ServedNode, client: Client, warehouse: Warehouse, history: History
) -> None:
    """Both ends count."""
    since, until = (history.blocks[at].header.time_ms for at in (4, 9))
    query = {"since": format_time(since), "until": format_time(until)}
    items = await all_of(client, node, "flows", **query)
    within = [leg for time_ms, leg in legs(history) if since <= time_ms <= until]
    assert sum(item["legs"] for item in items) == len(within)
    assert sum(int(item["amount"]) for item in items) == sum(leg.amount for leg in within)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts", {"cursor": "sun1"}),
        ("accounts", {"text": "%"}),
        ("accounts", {"member": "'; DROP TABLE legs; --"}),
        ("accounts", {"kind": "nonsense"}),
        ("flows", {"cursor": "7"}),
        ("flows", {"cursor": "7:8:9"}),
        ("flows", {"counterparty": "bank1"}),
        ("flows", {"level": "market"}),
        ("reports/members", {"since": "yesterday"}),
    ],
)
async def test_wrong_queries_name_the_field(
    node: ServedNode, client: Client, warehouse: Warehouse, path: str, query: dict[str, str]
) -> None:
    """422 with a pointer to what is wrong."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(f"/v1/audit/{path}", params=query, headers=headers)
    refused = await problem(response, 422)
    assert refused["errors"][0]["pointer"] == f"/query/{next(iter(query))}"


async def test_the_report_of_days_holds_every_leg(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Its rows add up to the table of legs, genesis apart."""
    report = await got(client, node, "reports/daily-activity")
    assert (report["report"], report["height"], report["truncated"]) == (
        "daily-activity", 20, False,
    )  # fmt: skip
    with warehouse.reading() as cursor:
        query = "SELECT count(*), sum(amount) FROM legs WHERE txid IS NOT NULL"
        ((count, amount),) = cursor.execute(query).fetchall()
    assert sum(row["legs"] for row in report["rows"]) == count
    assert sum(int(row["amount"]) for row in report["rows"]) == amount
    days = [row["day"] for row in report["rows"]]
    assert days == sorted(days)
    assert len(set(days)) == 6


async def test_the_report_of_members_balances(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """What members hold is the supply, and every member is there, with the alerts of its own."""
    rows = (await got(client, node, "reports/members"))["rows"]
    with warehouse.reading() as cursor:
        query = (
            "SELECT asset, sum(CASE WHEN debit IS NULL THEN amount WHEN credit IS NULL"
            " THEN -amount ELSE 0 END) FROM legs GROUP BY asset"
        )
        supply = dict(cursor.execute(query).fetchall())
        names = {row[0] for row in cursor.execute("SELECT member FROM members").fetchall()}
    assert {row["member"] for row in rows} == names
    for asset, amount in supply.items():
        assert sum(int(row["balance"]) for row in rows if row["asset"] == asset) == amount
    assert {row["member"]: row["alerts"] for row in rows} == {
        name: int(name == "bank1") for name in names
    }


async def test_an_account_that_held_nothing_gives_its_member_no_row_without_asset(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """A member has a row an asset; only one whose accounts never held anything has one without."""
    opened = encode_account_id(bytes(20))
    with warehouse.writing() as cursor:
        cursor.execute(
            "INSERT INTO internal.accounts SELECT max(key) + 1, ?, ?, member, 'user', 'active', 1, "
            "max(opened_time), NULL, NULL FROM internal.accounts GROUP BY member",
            [bytes(20), opened],
        )
    rows = (await got(client, node, "reports/members"))["rows"]
    holding = {row["member"] for row in rows if row["asset"] is not None}
    assert holding
    assert holding.isdisjoint(row["member"] for row in rows if row["asset"] is None)


async def test_the_reports_of_typologies_and_concentration(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Alerts are counted; shares are of what is held at the end of the period."""
    (row,) = (await got(client, node, "reports/typologies"))["rows"]
    assert row == {
        "typology": "fan_in", "severity": "high", "alerts": 1, "accounts": 1,
        "score_mean": 0.5, "score_max": 0.5,
    }  # fmt: skip
    rows = (await got(client, node, "reports/concentration"))["rows"]
    assert {(row["level"], row["asset"]) for row in rows} == {
        (level, asset) for level in ("account", "member") for asset in ("CNY", "USD")
    }
    for row in rows:
        assert 1 / row["holders"] <= row["herfindahl"] <= row["largest_share"] <= 1
        assert row["largest_share"] <= row["top10_share"] <= 1
        assert row["holders"] > 10 or row["top10_share"] == 1
    before = await got(client, node, "reports/concentration", until="2020-01-01T00:00:00Z")
    assert before["rows"] == []


async def test_a_long_report_says_where_it_was_cut(
    node: ServedNode, client: Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more rows than a report has, and the answer says so."""
    monkeypatch.setattr(reports, "REPORT_ROWS_MAX", 3)
    report = await got(client, node, "reports/daily-activity")
    assert (len(report["rows"]), report["truncated"]) == (3, True)


async def test_unknown_reports_are_refused(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """404 where there is no such report, 422 where it is no name at all."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get("/v1/audit/reports/weather", headers=headers)
    assert (await problem(response, 404))["code"] == "unknown_report"
    response = await client.get("/v1/audit/reports/We%20ather", headers=headers)
    assert (await problem(response, 422))["errors"][0]["pointer"] == "/path/report"
