"""Measures as the API shows them: bodies, the account's status, history and search."""

from __future__ import annotations

from tests.unit.node.api.served import Client, ServedNode, bearer


async def test_a_frozen_account_says_so(node: ServedNode, client: Client) -> None:
    """At the head at once, at the final block when it is final; and active again afterwards."""
    path = f"/v1/accounts/{node.account_text('alice')}"
    headers = bearer(node.account_token("alice"))
    node.connect(node.network.freeze("alice"))
    at_head = await (await client.get(f"{path}?state=head", headers=headers)).json()
    assert at_head["status"] == "frozen"
    assert (await (await client.get(path, headers=headers)).json())["status"] == "active"
    node.finalize(node.branches.child(node.head))
    assert (await (await client.get(path, headers=headers)).json())["status"] == "frozen"
    node.connect(node.network.unfreeze("alice", sequence=1))
    at_head = await (await client.get(f"{path}?state=head", headers=headers)).json()
    assert at_head["status"] == "active"


async def test_a_measure_has_its_body(node: ServedNode, client: Client) -> None:
    """Policy, measure, account, reason and case; no legs; the regulator acts."""
    freeze = node.network.freeze("alice")
    node.connect(freeze)
    headers = bearer(node.officer_token("regulator"))
    shown = await (
        await client.get(f"/v1/transactions/{freeze.txid.hex()}", headers=headers)
    ).json()
    body = shown["body"]
    assert (body["kind"], body["policy"], body["legs"]) == ("govern", "regulator", [])
    assert body["measures"] == [
        {
            "measure": "freeze",
            "account": node.account_text("alice"),
            "reason": "suspicion",
            "case": "2026-1",
        }
    ]
    assert body["actors"] == [{"account": None, "member": "regulator", "lane": 0, "sequence": 0}]
    assert len(body["signatures"]) == 2


async def test_a_measure_stands_in_the_accounts_history(node: ServedNode, client: Client) -> None:
    """The account that it is about, and no other."""
    freeze = node.network.freeze("alice")
    node.connect(freeze)
    node.finalize(node.branches.child(node.head))
    for name, is_there in (("alice", True), ("bob", False)):
        path = f"/v1/accounts/{node.account_text(name)}/history"
        page = await (await client.get(path, headers=bearer(node.account_token(name)))).json()
        assert (freeze.txid.hex() in [item["txid"] for item in page["items"]]) is is_there


async def test_the_search_finds_measures_by_kind(node: ServedNode, client: Client) -> None:
    """By kind, alone and with the account."""
    freeze = node.network.freeze("alice")
    node.connect(freeze)
    node.finalize(node.branches.child(node.head))
    headers = bearer(node.officer_token("regulator"))
    for query, count in (
        ("kind=govern", 1),
        (f"kind=govern&account={node.account_text('alice')}", 1),
        (f"kind=govern&account={node.account_text('bob')}", 0),
    ):
        response = await client.get(f"/v1/audit/transactions?{query}", headers=headers)
        items = (await response.json())["items"]
        assert [item["txid"] for item in items] == [freeze.txid.hex()] * count


async def test_threat_63_a_measure_is_for_its_account_and_regulators(
    node: ServedNode, client: Client
) -> None:
    """The account, its member and regulators read the reason; nobody else does."""
    freeze = node.network.freeze("alice")
    node.connect(freeze)
    for token, may_see in (
        (node.account_token("alice"), True),
        (node.officer_token("bank1"), True),
        (node.officer_token("regulator"), True),
        (node.account_token("bob"), False),
        (node.officer_token("bank2"), False),
    ):
        response = await client.get(f"/v1/transactions/{freeze.txid.hex()}", headers=bearer(token))
        assert ("body" in await response.json()) is may_see
