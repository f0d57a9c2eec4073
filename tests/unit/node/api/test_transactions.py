"""Submitting transactions, and asking where they stand."""

from __future__ import annotations

from io import BytesIO

import pytest

from consensus.bundle import verify_bundle
from ledger import codec, limits
from ledger.keys import verify
from ledger.transactions import SignedTransaction
from node.core.effects import (
    LogTransactions,
    Retirement,
    RetireTransactions,
    SubmissionOutcome,
    TransactionStatus,
)
from tests.factories import CNY, key_set, make_signer
from tests.unit.node.api.served import Client, Json, ServedNode, bearer, problem

MSGPACK = {"Content-Type": "application/msgpack"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def payment(node: ServedNode) -> SignedTransaction:
    """Return a signed payment that no block holds yet."""
    return node.branches.payment(node.head, "alice", "bob", 7)


async def _shown(client: Client, txid: bytes, token: str | None = None) -> Json:
    response = await client.get(f"/v1/transactions/{txid.hex()}", headers=bearer(token))
    assert response.status == 200
    document: Json = await response.json()
    return document


async def test_a_new_transaction_is_pending(
    node: ServedNode, client: Client, payment: SignedTransaction
) -> None:
    """202 says that the signed bytes are durable; MessagePack and JSON carry the same bytes."""
    expected = {"txid": payment.txid.hex(), "status": "pending"}
    response = await client.post("/v1/transactions", data=payment.raw, headers=MSGPACK)
    assert (response.status, await response.json()) == (202, expected)
    response = await client.post("/v1/transactions", json={"transaction": payment.raw.hex()})
    assert (response.status, await response.json()) == (202, expected)
    assert node.submitted == [payment.raw, payment.raw]


async def test_threat_17_a_known_transaction_gives_its_status(
    node: ServedNode, client: Client, payment: SignedTransaction
) -> None:
    """The same bytes again give 200 and where they stand."""
    outcome = SubmissionOutcome(txid=payment.txid, status=TransactionStatus.FINAL)
    node.answer = lambda _: outcome
    response = await client.post("/v1/transactions", data=payment.raw, headers=MSGPACK)
    assert response.status == 200
    assert await response.json() == {"txid": payment.txid.hex(), "status": "final"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("sequence_conflict", 409),
        ("insufficient_funds", 422),
        ("sequence_gap", 422),
        ("account_mempool_full", 429),
        ("mempool_full", 503),
    ],
)
async def test_threat_28_refusals_say_what_the_sender_can_do(
    node: ServedNode, client: Client, payment: SignedTransaction, code: str, status: int
) -> None:
    """A refused transaction's code decides the status; those worth another try say when."""
    outcome = SubmissionOutcome(txid=payment.txid, status=None, code=code, detail="no")
    node.answer = lambda _: outcome
    response = await client.post("/v1/transactions", data=payment.raw, headers=MSGPACK)
    assert (await problem(response, status))["code"] == code


async def test_a_busy_node_says_when_to_come_back(
    node: ServedNode, client: Client, payment: SignedTransaction
) -> None:
    """An engine with a full inbox takes nothing and gives 503."""
    node.is_busy = True
    response = await client.post("/v1/transactions", data=payment.raw, headers=MSGPACK)
    assert (await problem(response, 503))["code"] == "busy"
    assert response.headers["Retry-After"] == "3"


@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/transactions/batch"])
async def test_threat_54_a_node_without_room_refuses_and_says_when_to_come_back(
    node: ServedNode, client: Client, payment: SignedTransaction, path: str
) -> None:
    """Nothing is taken and nothing promised; what can be read can be read."""
    node.has_room = False
    body = codec.encode([payment.raw]) if path.endswith("batch") else payment.raw
    response = await client.post(path, data=body, headers=MSGPACK)
    assert (await problem(response, 503))["code"] == "read_only"
    assert int(response.headers["Retry-After"]) > 0
    assert not node.submitted
    assert (await client.get("/v1/status")).status == 200


async def test_threat_1_bytes_that_are_no_transaction(client: Client) -> None:
    """Malformed bytes give 400 with the decoder's code."""
    response = await client.post("/v1/transactions", data=b"\xc1", headers=MSGPACK)
    await problem(response, 400)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"transaction": NaN}', 400, None),
        (b'{"transaction": "00", "transaction": "01"}', 400, None),
        (b"[" * 100_000, 400, None),
        (b"\xff", 400, None),
        (b"{", 400, None),
        (b"[]", 422, ""),
        (b"{}", 422, "/transaction"),
        (b'{"transaction": 1}', 422, "/transaction"),
        (b'{"transaction": "zz"}', 422, "/transaction"),
        (b'{"transaction": "00", "memo": 1}', 422, "/memo"),
    ],
)
async def test_threat_6_json_is_strict(
    client: Client, body: bytes, status: int, pointer: str | None
) -> None:
    """NaN, a key twice, deep nesting and unknown or wrong members are refused by their place."""
    response = await client.post("/v1/transactions", data=body, headers=JSON)
    document = await problem(response, status)
    assert [fault["pointer"] for fault in document["errors"]] == (
        [] if pointer is None else [pointer]
    )


async def test_bodies_of_other_types_are_refused(client: Client) -> None:
    """415 names the two types that are taken."""
    for path in ("/v1/transactions", "/v1/transactions/batch"):
        response = await client.post(path, data=b"x", headers={"Content-Type": "text/plain"})
        assert (await problem(response, 415))["code"] == "unsupported_media_type"


async def test_threat_3_large_bodies_are_refused(node: ServedNode, client: Client) -> None:
    """A body over its limit gives 413, and the engine never sees it."""
    body = BytesIO(bytes(limits.TRANSACTION_BYTES_MAX + 1))
    response = await client.post("/v1/transactions", data=body, headers=MSGPACK)
    assert (await problem(response, 413))["code"] == "body_too_large"
    assert node.submitted == []


async def test_a_batch_has_one_result_each(
    node: ServedNode, client: Client, payment: SignedTransaction
) -> None:
    """A refused transaction of a batch stops no other."""
    body = codec.encode((payment.raw, b"\xc1"))
    response = await client.post("/v1/transactions/batch", data=body, headers=MSGPACK)
    good, bad = (await response.json())["results"]
    assert good == {"txid": payment.txid.hex(), "status": "pending"}
    assert (bad["txid"], bad["status"]) == (None, None)
    assert bad["code"]


@pytest.mark.parametrize("value", [(), (1,), b"", ("text",)])
async def test_malformed_batches(client: Client, value: codec.Value) -> None:
    """A batch is an array of one or more byte strings."""
    body = codec.encode(value)
    response = await client.post("/v1/transactions/batch", data=body, headers=MSGPACK)
    has_elements = type(value) is tuple and len(value) > 0
    found = await problem(response, 422 if has_elements else 400)
    assert [fault["pointer"] for fault in found["errors"]] == ["/0"] * has_elements


@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/transactions/batch"])
async def test_bytes_that_are_no_messagepack(client: Client, path: str) -> None:
    """One transaction or several: what cannot be decoded is 400, and the code says why."""
    response = await client.post(path, data=b"\xc1", headers=MSGPACK)
    assert (await problem(response, 400))["code"] == "malformed"


@pytest.mark.parametrize("text", ["", "0", "zz", "0a 0b", "0a\n"])
async def test_a_transaction_that_is_not_hex(client: Client, text: str) -> None:
    """Hex is pairs of hexadecimal digits and nothing between them."""
    response = await client.post("/v1/transactions", json={"transaction": text})
    found = await problem(response, 422)
    assert [fault["pointer"] for fault in found["errors"]] == ["/transaction"]


async def test_batch_is_no_txid(client: Client) -> None:
    """A path with methods of its own does not answer as another's parameter."""
    response = await client.get("/v1/transactions/batch")
    assert (await problem(response, 405))["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "POST"


async def test_statuses_follow_the_chain(node: ServedNode, client: Client) -> None:
    """A transaction is included, then final, and counts its confirmations."""
    regulator = node.officer_token("regulator")
    final, included = (node.head.ancestry()[height].block.transactions[0] for height in (1, 5))
    shown = await _shown(client, final.txid, regulator)
    assert (shown["status"], shown["height"], shown["confirmations"]) == ("final", 1, 5)
    assert (shown["index"], shown["time"]) == (0, "2026-01-01T00:00:01.000Z")
    shown = await _shown(client, included.txid, regulator)
    assert (shown["status"], shown["height"], shown["confirmations"]) == ("included", 5, 1)


async def test_pending_and_retired_transactions(
    node: ServedNode, client: Client, payment: SignedTransaction
) -> None:
    """What waits is pending; what left the mempool without a block says why."""
    node.store.apply([LogTransactions(transactions=(payment,))])
    shown = await _shown(client, payment.txid, node.account_token("bob"))
    assert (shown["status"], shown["height"]) == ("pending", None)
    assert shown["body"]["legs"][0]["amount"] == "7"
    retirement = Retirement(
        txid=payment.txid, status=TransactionStatus.REJECTED, code="sequence_conflict"
    )
    node.store.apply([RetireTransactions(retired=(retirement,))])
    shown = await _shown(client, payment.txid, node.account_token("bob"))
    assert (shown["status"], shown["code"]) == ("rejected", "sequence_conflict")
    assert "body" not in shown


async def test_unknown_and_malformed_txids(client: Client) -> None:
    """404 for a txid that the node does not know, 422 for what is no txid."""
    response = await client.get(f"/v1/transactions/{'00' * 32}")
    assert (await problem(response, 404))["code"] == "unknown_transaction"
    for text in ("00", "ZZ" * 32, "AA" * 32, "%00" * 64, "..%2f..%2fetc%2fpasswd"):
        await problem(await client.get(f"/v1/transactions/{text}"), 422)


async def test_threat_63_bodies_are_for_parties(node: ServedNode, client: Client) -> None:
    """Everyone sees where a transaction stands; what it does only parties, members, regulators."""
    txid = node.head.ancestry()[1].block.transactions[0].txid
    for token in (
        node.account_token("alice"),
        node.account_token("bob"),
        node.officer_token("bank1"),
        node.officer_token("bank2"),
        node.officer_token("regulator"),
    ):
        assert "body" in await _shown(client, txid, token)
    for stranger in (None, node.account_token("carol"), node.officer_token("bank3")):
        assert "body" not in await _shown(client, txid, stranger)


async def test_bodies_show_every_kind(node: ServedNode, client: Client) -> None:
    """Issues have no debit, redemptions no credit, openings name the account that they open."""
    network = node.network
    issue = network.issue(network.entry("bob", 5), valid_until=2_000)
    redeem = network.redeem(network.entry("bob", 2), sequence=1)
    opening = network.open_account(key_set([make_signer("dora")]), sequence=2)
    node.connect(issue, redeem, opening)
    token, bob = node.officer_token("regulator"), node.account_text("bob")
    body = (await _shown(client, issue.txid, token))["body"]
    assert body["kind"] == "issue"
    assert body["legs"] == [
        {"debit": None, "credit": bob, "asset": CNY, "amount": "5", "reference": ""}
    ]
    body = (await _shown(client, redeem.txid, token))["body"]
    assert (body["legs"][0]["debit"], body["legs"][0]["credit"]) == (bob, None)
    assert body["actors"][-1] == {"account": None, "member": "bank1", "lane": 0, "sequence": 1}
    body = (await _shown(client, opening.txid, token))["body"]
    assert body["legs"] == []
    assert body["opened"]["member"] == "bank1"
    opened = await client.get(
        f"/v1/accounts/{body['opened']['account']}?state=head", headers=bearer(token)
    )
    assert (await opened.json())["keys"] == body["opened"]["keys"]


async def test_threat_29_text_is_shown_escaped(node: ServedNode, client: Client) -> None:
    """Control characters and look-alikes in a reference arrive as JSON escapes, byte for byte."""
    network, text = node.network, "\x1b[2Jpay\u202e\n\u0430"
    transfer = network.transfer(
        network.leg("alice", "bob", 1), sequence=5, reference=text, nonce=bytes(16)
    )
    node.connect(transfer)
    response = await client.get(
        f"/v1/transactions/{transfer.txid.hex()}", headers=bearer(node.account_token("bob"))
    )
    raw = await response.read()
    assert raw.isascii()
    assert b"\\u001b[2Jpay\\u202e\\n\\u0430" in raw
    assert (await response.json())["body"]["reference"] == text


async def test_proofs_verify_offline(node: ServedNode, client: Client) -> None:
    """The evidence bundle of a final transaction convinces a verifier that has only the genesis."""
    transaction = node.head.ancestry()[2].block.transactions[0]
    path = f"/v1/transactions/{transaction.txid.hex()}/proof"
    response = await client.get(path, headers=bearer(node.account_token("bob")))
    proved = verify_bundle(await response.json(), genesis=node.genesis, verify=verify)
    assert proved.transaction.txid == transaction.txid  # type: ignore[union-attr]


async def test_proofs_wait_for_finality(node: ServedNode, client: Client) -> None:
    """A transaction that is not final yet has no proof: 409, and 404 where it is unknown."""
    transaction = node.head.block.transactions[0]
    headers = bearer(node.account_token("bob"))
    path = f"/v1/transactions/{transaction.txid.hex()}/proof"
    assert (await problem(await client.get(path, headers=headers), 409))["code"] == "not_final"
    path = f"/v1/transactions/{'00' * 32}/proof"
    await problem(await client.get(path, headers=headers), 404)
