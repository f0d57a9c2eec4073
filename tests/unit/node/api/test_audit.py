"""What a regulator reads beside the stream: search, supply, members, evidence."""

from __future__ import annotations

import pytest

from tests.factories import OPENING_BALANCE, USD
from tests.unit.node.api.served import Client, Json, ServedNode, bearer, problem


async def _get(node: ServedNode, client: Client, path: str) -> Json:
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(f"/v1/audit/{path}", headers=headers)
    assert response.status == 200, await response.text()
    document: Json = await response.json()
    return document


async def _heights(node: ServedNode, client: Client, query: str) -> list[int]:
    page = await _get(node, client, f"transactions?{query}")
    return [item["height"] for item in page["items"]]


@pytest.fixture
def busy(node: ServedNode) -> ServedNode:
    """Return the node with three more blocks: dollars, an issue, an empty one; all is final."""
    network = node.network
    dollars = network.transfer(network.leg("carol", "bob", 900, asset=USD, reference="rent"))
    issue = network.issue(network.entry("carol", 50))
    node.connect(dollars)
    node.connect(issue)
    node.connect()
    node.finalize(node.branches.child(node.head))
    return node


async def test_search_is_newest_first(busy: ServedNode, client: Client) -> None:
    """Without conditions all final transactions come, newest first, with their bodies."""
    page = await _get(busy, client, "transactions")
    assert [item["height"] for item in page["items"]] == [7, 6, 5, 4, 3, 2, 1]
    assert page["items"][1]["body"]["legs"][0]["reference"] == "rent"
    assert page["next_cursor"] is None


async def test_search_finds_final_transactions_unless_told(
    node: ServedNode, client: Client
) -> None:
    """Blocks that may yet be taken back are searched only on request."""
    assert await _heights(node, client, "") == [3, 2, 1]
    assert await _heights(node, client, "finality=head") == [5, 4, 3, 2, 1]


async def test_search_conditions(busy: ServedNode, client: Client) -> None:
    """Conditions hold together, and on one movement where they are about movements."""
    alice, carol = busy.account_text("alice"), busy.account_text("carol")
    assert await _heights(busy, client, "kind=issue") == [7]
    assert await _heights(busy, client, "asset=USD") == [6]
    assert await _heights(busy, client, "min_amount=50") == [7, 6]
    assert await _heights(busy, client, "min_amount=51&asset=CNY") == []
    assert await _heights(busy, client, f"account={carol}") == [7, 6]
    assert await _heights(busy, client, f"account={carol}&min_amount=51") == [6]
    assert await _heights(busy, client, f"account={alice}&kind=issue") == []
    since, until = "since=2026-01-01T00:00:02Z", "until=2026-01-01T08:00:04.5%2B08:00"
    assert await _heights(busy, client, f"{since}&{until}") == [4, 3, 2]
    assert await _heights(busy, client, f"account={alice}&{since}&{until}") == [4, 3, 2]
    assert await _heights(busy, client, "since=2027-01-01T00:00:00Z") == []


@pytest.mark.parametrize("condition", ["", "account"])
async def test_threat_66_searches_are_paged(
    busy: ServedNode, client: Client, condition: str
) -> None:
    """Pages of a search give each match once, over all blocks and over one account's history."""
    bob = busy.account_text("bob")
    query = f"account={bob}" if condition else "min_amount=1"
    found, cursor = [], ""
    while True:
        page = await _get(busy, client, f"transactions?{query}&limit=2{cursor}")
        found += [item["txid"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    whole = await _get(busy, client, f"transactions?{query}")
    assert found == [item["txid"] for item in whole["items"]]
    assert len(found) == len(set(found)) == (6 if condition else 7)


@pytest.mark.parametrize(
    "query",
    [
        "account=alice",
        "asset=cny",
        "kind=theft",
        "min_amount=1.5",
        "min_amount=-1",
        "min_amount=9223372036854775808",
        "min_amount=" + "9" * 4_096,
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "since=1795357932",
        "since=2026-01-01",
        "cursor=5",
    ],
)
async def test_threat_20_bad_conditions_are_refused(
    node: ServedNode, client: Client, query: str
) -> None:
    """A condition that means nothing is refused by name; a time needs its zone."""
    headers = bearer(node.officer_token("regulator"))
    response = await client.get(f"/v1/audit/transactions?{query}", headers=headers)
    document = await problem(response, 422)
    assert document["errors"][0]["pointer"] == f"/query/{query.partition('=')[0]}"


async def test_supply(busy: ServedNode, client: Client) -> None:
    """Supply counts what was issued, at the block that the answer names."""
    yuan, dollar = (await _get(busy, client, "supply"))["items"]
    assert (yuan["asset"], yuan["genesis_supply"]) == ("CNY", str(3 * OPENING_BALANCE))
    assert yuan["supply"] == str(3 * OPENING_BALANCE + 50)
    assert dollar["supply"] == dollar["genesis_supply"] == str(3 * OPENING_BALANCE)
    assert (await _get(busy, client, "supply?state=head"))["height"] == 8


async def test_threat_43_evidence_is_shown(node: ServedNode, client: Client) -> None:
    """Two votes for one height are listed with both targets and signatures."""
    assert (await _get(node, client, "evidence"))["items"] == []
    node.find_double_vote()
    page = await _get(node, client, "evidence")
    (found,) = page["items"]
    assert (found["offence"], found["height"]) == ("double_vote", 5)
    first, second = found["first"], found["second"]
    assert first["target"]["height"] == second["target"]["height"] == 1
    assert first["target"]["hash"] != second["target"]["hash"]
    assert page["next_cursor"] is None


async def test_members(node: ServedNode, client: Client) -> None:
    """The regulator sees the same register as everyone."""
    names = [member["member"] for member in (await _get(node, client, "members"))["items"]]
    assert names == ["bank1", "bank2", "bank3", "regulator"]
