"""Blocks, members and assets, which are open to everyone."""

from __future__ import annotations

import pytest

from tests.unit.node.api.served import Client, Json, ServedNode, problem


async def _get(client: Client, path: str) -> Json:
    response = await client.get(path)
    assert response.status == 200, await response.text()
    document: Json = await response.json()
    return document


async def test_status(node: ServedNode, client: Client) -> None:
    """The status names the chain, its head, its last final block and how the node fares."""
    status = await _get(client, "/v1/status")
    assert status["chain_id"] == "test"
    assert status["genesis_hash"] == node.network.genesis_hash.hex()
    assert status["member"] == "bank1"
    assert status["head"] == {
        "height": 5,
        "hash": node.head.hash.hex(),
        "time": "2026-01-01T00:00:05.000Z",
    }
    assert status["finalized"] == {"height": 3, "hash": node.final.hash.hex()}
    assert (status["finality"], status["peers"], status["syncing"]) == ("live", 2, False)
    assert status["mempool"] == {"transactions": 0, "bytes": 0}


async def test_threat_47_a_stalled_finality_shows(node: ServedNode, client: Client) -> None:
    """A head more than 10 blocks past the last final one is told as stalled."""
    node.grow(10)
    assert (await _get(client, "/v1/status"))["finality"] == "stalled"


async def test_readiness(node: ServedNode, client: Client) -> None:
    """A node that does not serve yet is healthy but not ready."""
    node.ready = False
    assert (await client.get("/healthz")).status == 200
    await problem(await client.get("/readyz"), 503)


async def test_threat_54_a_node_without_room_is_not_ready_and_says_why(
    node: ServedNode, client: Client
) -> None:
    """It lives, and reads; who sends it payments should send them elsewhere."""
    node.has_room = False
    assert (await client.get("/healthz")).status == 200
    assert (await problem(await client.get("/readyz"), 503))["code"] == "read_only"


async def test_blocks_have_many_names(node: ServedNode, client: Client) -> None:
    """A block is found by height, hash, ``head`` and ``finalized``, and names its transactions."""
    block = await _get(client, "/v1/blocks/head")
    assert block == await _get(client, "/v1/blocks/5")
    assert block == await _get(client, f"/v1/blocks/{node.head.hash.hex()}")
    assert block["transactions"] == [node.head.block.transactions[0].txid.hex()]
    assert (block["finality"], block["bits"]) == ("unconfirmed", "207fffff")
    final = await _get(client, "/v1/blocks/finalized")
    assert (final["height"], final["finality"]) == (3, "final")
    genesis = await _get(client, "/v1/blocks/0")
    assert (genesis["hash"], genesis["transactions"]) == (node.network.genesis_hash.hex(), [])


async def test_blocks_off_the_best_chain_are_unknown(node: ServedNode, client: Client) -> None:
    """404 for heights above the head, unknown hashes and stale blocks; 422 for what names none."""
    stale = node.head
    fork = node.branches.grow(node.head.ancestry()[4], 2)[-1]
    node.move_to(fork)
    for name in ("7", "99999999999999999999", "ab" * 32, stale.hash.hex()):
        await problem(await client.get(f"/v1/blocks/{name}"), 404)
    for name in ("-1", "1.5", "tip", "AB" * 32, "0x1"):
        await problem(await client.get(f"/v1/blocks/{name}"), 422)


async def test_ranges_are_inclusive(client: Client) -> None:
    """``from`` and ``to`` are both in the answer, and a range above the head is empty."""
    page = await _get(client, "/v1/blocks?from=1&to=3")
    assert [block["height"] for block in page["items"]] == [1, 2, 3]
    assert page["next_cursor"] is None
    assert (await _get(client, "/v1/blocks?from=6"))["items"] == []
    assert (await _get(client, "/v1/blocks?from=3&to=1"))["items"] == []


async def test_threat_66_lists_are_paged(client: Client) -> None:
    """Pages of one after another give every block once."""
    heights, cursor = [], ""
    while True:
        page = await _get(client, f"/v1/blocks?limit=2{cursor}")
        heights += [block["height"] for block in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert heights == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=1e3",
        "limit=+1",
        "limit=1_0",
        "from=-1",
        "from=9007199254740992",
        "to=",
        "from=1&from=2",
        "unknown=1",
        "cursor=x",
        "cursor=01",
    ],
)
async def test_threat_68_bad_queries_are_refused(client: Client, query: str) -> None:
    """Limits, heights and cursors are plain numbers in range; nothing unknown is ignored."""
    document = await problem(await client.get(f"/v1/blocks?{query}"), 422)
    assert document["errors"][0]["pointer"] == f"/query/{query.partition('=')[0]}"


async def test_members_and_assets(node: ServedNode, client: Client) -> None:
    """The registers give ids, keys, roles and sequences, page by page."""
    page = await _get(client, "/v1/members?limit=3&state=head")
    assert [member["member"] for member in page["items"]] == ["bank1", "bank2", "bank3"]
    assert (page["next_cursor"], page["height"]) == ("bank3", 5)
    page = await _get(client, f"/v1/members?limit=3&cursor={page['next_cursor']}")
    assert [member["member"] for member in page["items"]] == ["regulator"]
    assert page["items"][0]["roles"] == ["governor", "regulator", "sealer"]
    assert page["items"][0]["next_sequences"] == {"0": 0}
    assert page["next_cursor"] is None
    await problem(await client.get("/v1/members?cursor=nobody"), 422)
    assets = await _get(client, "/v1/assets")
    assert assets["items"][0] == {"asset": "CNY", "name": "Yuan", "decimals": 2, "issuer": "bank1"}
    assert (assets["height"], assets["block_hash"]) == (3, node.final.hash.hex())
