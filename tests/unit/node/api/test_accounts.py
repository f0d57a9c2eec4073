"""Accounts, for those whose they are."""

from __future__ import annotations

from ledger.addresses import encode_account_id
from ledger.errors import InvalidProof
from ledger.transactions import opened_account_id
from tests.factories import OPENING_BALANCE, key_set, make_signer
from tests.unit.node.api.served import Client, Json, ServedNode, bearer, problem


async def _get(node: ServedNode, client: Client, path: str) -> Json:
    response = await client.get(path, headers=bearer(node.officer_token("regulator")))
    assert response.status == 200, await response.text()
    document: Json = await response.json()
    return document


async def test_accounts_at_the_final_block_and_at_the_head(
    node: ServedNode, client: Client
) -> None:
    """Balances and sequences are those of the block that the answer names."""
    path = f"/v1/accounts/{node.account_text('alice')}"
    final, head = await _get(node, client, path), await _get(node, client, f"{path}?state=head")
    assert (final["height"], final["block_hash"]) == (3, node.final.hash.hex())
    assert (head["height"], head["block_hash"]) == (5, node.head.hash.hex())
    for account, payments in ((final, 3), (head, 5)):
        balance = str(OPENING_BALANCE - payments)
        assert account["balances"][0] == {
            "asset": "CNY",
            "posted": balance,
            "held": "0",
            "available": balance,
        }
        assert account["next_sequences"]["0"] == payments
        assert len(account["next_sequences"]) == 16
    assert (final["member"], final["kind"], final["status"]) == ("bank1", "user", "active")
    assert final["limits"] == {}


async def test_histories_are_newest_first_and_paged(node: ServedNode, client: Client) -> None:
    """Pages of a history give each of its transactions once, with body."""
    heights, cursor = [], ""
    while True:
        path = f"/v1/accounts/{node.account_text('bob')}/history?limit=2{cursor}"
        page = await _get(node, client, path)
        heights += [item["height"] for item in page["items"]]
        assert all(item["body"]["kind"] == "transfer" for item in page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert heights == [5, 4, 3, 2, 1]


async def test_threat_68_forged_cursors_are_refused(node: ServedNode, client: Client) -> None:
    """A cursor that no page gave in form gives 422."""
    path = f"/v1/accounts/{node.account_text('bob')}/history"
    headers = bearer(node.account_token("bob"))
    for cursor in ("x", "1", "1:", ":1", "1:4294967296", "-1:0", "1:2:3", "9" * 300):
        await problem(await client.get(f"{path}?cursor={cursor}", headers=headers), 422)


async def test_unknown_and_mistyped_accounts(node: ServedNode, client: Client) -> None:
    """404 for an id that was never opened, 422 with the reason for a mistyped one."""
    headers = bearer(node.officer_token("bank1"))
    unknown = encode_account_id(bytes(20))
    response = await client.get(f"/v1/accounts/{unknown}", headers=headers)
    assert (await problem(response, 404))["code"] == "unknown_account"
    mistyped = node.account_text("alice")[:-1] + "q"
    response = await client.get(f"/v1/accounts/{mistyped}", headers=headers)
    assert (await problem(response, 422))["code"] == "address_checksum"


async def test_accounts_that_are_not_final_yet(node: ServedNode, client: Client) -> None:
    """An account opened above the last final block is there at the head alone."""
    opening = node.network.open_account(key_set([make_signer("dora")]))
    node.connect(opening)
    path = f"/v1/accounts/{encode_account_id(opened_account_id(opening.txid))}"
    headers = bearer(node.officer_token("bank1"))
    response = await client.get(path, headers=headers)
    assert (await problem(response, 404))["code"] == "account_not_final"
    assert (await client.get(f"{path}?state=head", headers=headers)).status == 200


async def test_account_proofs(node: ServedNode, client: Client) -> None:
    """The node's proof is passed on; while finality is not there yet, 409 says so."""
    path = f"/v1/accounts/{node.account_text('alice')}/proof"
    headers = bearer(node.account_token("alice"))
    response = await client.get(path, headers=headers)
    assert (await response.json())["account"] == node.account_text("alice")
    node.proof_refusal = InvalidProof("not_final_yet", "nothing is final")
    assert (await problem(await client.get(path, headers=headers), 409))["code"] == "not_final_yet"
