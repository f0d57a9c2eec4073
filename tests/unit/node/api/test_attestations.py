"""Attestations as the API shows them: bodies, the list with its conditions, and who may read."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest

from ledger.attestations import DocumentKind
from node.api import attestations
from tests.unit.node.api.served import Client, ServedNode, bearer

PATH = "/v1/attestations"


async def listed(
    node: ServedNode, client: Client, query: Mapping[str, str], *, status: int = 200
) -> Mapping[str, Any]:
    """Return the answer to a query of an officer of bank2, who attested nothing."""
    headers = bearer(node.officer_token("bank2"))
    response = await client.get(PATH, params=query, headers=headers)
    assert response.status == status
    answer: Mapping[str, Any] = await response.json()
    return answer


async def test_an_attestation_has_its_body(node: ServedNode, client: Client) -> None:
    """Member, kind, subject, revision, hash and reference; no legs; the member acts."""
    attestation = node.network.attest(reference="committee 7")
    node.connect(attestation)
    headers = bearer(node.officer_token("bank2"))
    path = f"/v1/transactions/{attestation.txid.hex()}"
    body = (await (await client.get(path, headers=headers)).json())["body"]
    assert (body["kind"], body["legs"], body["reference"]) == ("attest", [], "committee 7")
    assert body["attested"] == {
        "member": "bank1",
        "kind": "model_card",
        "subject": "scoring 1.0",
        "revision": 1,
        "sha256": sha256(b"card").hexdigest(),
    }
    assert body["actors"] == [{"account": None, "member": "bank1", "lane": 0, "sequence": 0}]


async def test_an_attestation_is_listed_at_the_head_and_once_final(
    node: ServedNode, client: Client
) -> None:
    """The finalized state has it when its block is final, with block and transaction."""
    attestation = node.network.attest()
    node.connect(attestation)
    height = node.head.height
    assert (await listed(node, client, {}))["items"] == []
    (item,) = (await listed(node, client, {"state": "head"}))["items"]
    node.finalize(node.branches.child(node.head))
    page = await listed(node, client, {})
    assert page["items"] == [item]
    assert page["next_cursor"] is None
    assert (item["height"], item["txid"]) == (height, attestation.txid.hex())
    assert (item["member"], item["kind"], item["revision"]) == ("bank1", "model_card", 1)


async def test_attestations_are_found_by_every_condition(node: ServedNode, client: Client) -> None:
    """By member, kind, subject and hash, alone and together; all revisions are there."""
    attest = node.network.attest
    node.connect(
        attest(b"one"),
        attest(b"two", revision=2, sequence=1),
        attest(b"one", kind=DocumentKind.MODEL, sequence=2),
        attest(b"three", subject="scoring 1.0 beta", sequence=3),
        attest(b"one", member="bank2"),
    )
    one = sha256(b"one").hexdigest()
    for query, count in (
        ({}, 5),
        ({"member": "bank1"}, 4),
        ({"member": "bank3"}, 0),
        ({"kind": "model"}, 1),
        ({"subject": "scoring 1.0"}, 4),
        ({"member": "bank1", "kind": "model_card", "subject": "scoring 1.0"}, 2),
        ({"member": "bank1", "subject": "scoring 1.0"}, 3),
        ({"sha256": one}, 3),
        ({"sha256": one, "member": "bank2"}, 1),
        ({"sha256": "00" * 32}, 0),
    ):
        page = await listed(node, client, {"state": "head", **query})
        assert len(page["items"]) == count, query


async def test_a_list_goes_on_where_it_ended(
    node: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comes once, a page at a time, also where a request reads fewer than it looks for."""
    attest = node.network.attest
    contents = (b"one", b"two", b"one", b"three", b"one")
    node.connect(
        *(attest(c, revision=at + 1, sequence=at) for at, c in enumerate(contents)),
        attest(member="bank2"),
    )

    async def revisions(**query: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        page: Mapping[str, Any] = {"next_cursor": None}
        for _ in range(10):
            page = await listed(node, client, {"state": "head", **query})
            found += [(item["member"], item["revision"]) for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]
        raise AssertionError("a list that does not end")

    everything = [*(("bank1", n) for n in range(1, 6)), ("bank2", 1)]
    assert await revisions(limit="2") == everything
    monkeypatch.setattr(attestations, "ATTESTATIONS_SCANNED_MAX", 2)
    assert await revisions() == everything
    one = sha256(b"one").hexdigest()
    assert await revisions(sha256=one) == [("bank1", n) for n in (1, 3, 5)]


async def test_a_cursor_of_another_list_is_refused_or_skips(
    node: ServedNode, client: Client
) -> None:
    """What no list gave is refused; one of a wider list only says where to go on."""
    node.connect(node.network.attest(), node.network.attest(member="bank2"))
    for cursor in ("", "zz", "00", "64" * 30, "6d62616e6b31"):
        answer = await listed(node, client, {"cursor": cursor}, status=422)
        assert answer["code"] == "bad_cursor"
    first = await listed(node, client, {"state": "head", "limit": "1"})
    narrow = {"state": "head", "cursor": first["next_cursor"]}
    assert len((await listed(node, client, {"member": "bank2", **narrow}))["items"]) == 1
    assert (await listed(node, client, {"member": "bank1", **narrow}))["items"] == []
    capital = first["next_cursor"].upper()
    assert (await listed(node, client, {"cursor": capital}, status=422))["code"] == "bad_cursor"


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "card"},
        {"member": "BANK"},
        {"sha256": "00"},
        {"sha256": "AB" * 32},
        {"subject": ""},
        {"subject": "a" * 129},
        {"cursor": "0" * 401},
        {"limit": "0"},
    ],
)
async def test_conditions_have_their_forms(
    node: ServedNode, client: Client, query: dict[str, str]
) -> None:
    """A condition that nothing could meet is refused, with a pointer to it."""
    answer = await listed(node, client, query, status=422)
    assert answer["errors"][0]["pointer"] == f"/query/{next(iter(query))}"


async def test_threat_63_attestations_are_for_whoever_the_chain_knows(
    node: ServedNode, client: Client
) -> None:
    """Without a token neither list nor body; with anybody's, both."""
    attestation = node.network.attest()
    node.connect(attestation)
    path = f"/v1/transactions/{attestation.txid.hex()}"
    assert (await client.get(PATH)).status == 401
    assert "body" not in await (await client.get(path)).json()
    for token in (node.account_token("carol"), node.officer_token("bank3")):
        headers = bearer(token)
        assert (await client.get(PATH, headers=headers)).status == 200
        assert "body" in await (await client.get(path, headers=headers)).json()
