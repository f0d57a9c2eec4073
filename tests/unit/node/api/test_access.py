"""Every operation against every kind of token: the right answer, and never a fault of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Final

import pytest

from ledger import codec
from ledger.addresses import encode_account_id
from ledger.transactions import opened_account_id
from node.api.app import OPERATIONS
from node.api.operations import Access
from node.api.problems import CHALLENGE
from tests.factories import key_set, make_signer
from tests.unit.node.api.played import (
    ALERT_ID,
    ANALYTICS_ANSWERS,
    CASE_ID,
    MODEL_ID,
    NOW_S,
    PROPOSAL_ID,
    TRAINING_ID,
)
from tests.unit.node.api.served import LIFE_S, Client, ServedNode, bearer, problem

Mint = Callable[[ServedNode], str]


def _unsigned(node: ServedNode) -> str:
    """Return claims that nobody signed, with ``alg: none``."""
    header = {"alg": "none", "typ": "JWT", "kid": _officer_key(node).hex()}
    parts = [_encoded(json.dumps(part).encode()) for part in (header, node.claims(node.member))]
    return (b".".join(parts) + b".").decode()


def _mac_by_public_key(node: ServedNode) -> str:
    """Return the classic confusion: HS256 with the public key, which everyone knows, as secret."""
    header = {"alg": "HS256", "typ": "JWT", "kid": _officer_key(node).hex()}
    parts = [_encoded(json.dumps(part).encode()) for part in (header, node.claims(node.member))]
    message = b".".join(parts)
    mac = hmac.new(_officer_key(node), message, hashlib.sha256).digest()
    return (message + b"." + _encoded(mac)).decode()


def _officer_key(node: ServedNode) -> bytes:
    return node.network.officers[node.member][0].public_key


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _tampered(node: ServedNode) -> str:
    """Return another subject's claims under a good token's signature."""
    header, _, signature = node.officer_token("bank1").split(".")
    claims = _encoded(json.dumps(node.claims("regulator")).encode()).decode()
    return ".".join((header, claims, signature))


BAD_TOKENS: Final[dict[str, tuple[Mint, str]]] = {
    "garbage": (lambda _: "garbage", "token_malformed"),
    "huge": (lambda _: "a" * 5_000, "token_malformed"),
    "unsigned": (_unsigned, "token_algorithm"),
    "mac_by_public_key": (_mac_by_public_key, "token_algorithm"),
    "tampered": (_tampered, "token_signature"),
    "expired": (
        lambda n: n.officer_token("regulator", iat=NOW_S - 60, exp=NOW_S),
        "token_expired",
    ),
    "without_end": (lambda n: n.officer_token("regulator", exp=None), "token_claims"),
    "without_start": (lambda n: n.officer_token("regulator", iat=None), "token_claims"),
    "without_id": (lambda n: n.officer_token("regulator", jti=None), "token_claims"),
    "fractional_end": (lambda n: n.officer_token("regulator", exp=NOW_S + 0.5), "token_claims"),
    "too_long": (lambda n: n.officer_token("regulator", exp=NOW_S + 901), "token_life"),
    "future": (
        lambda n: n.officer_token("regulator", iat=NOW_S + 60, exp=NOW_S + 90),
        "token_not_yet_valid",
    ),
    "other_node": (lambda n: n.officer_token("regulator", aud="test/bank2"), "token_audience"),
    "any_node": (lambda n: n.officer_token("regulator", aud="*"), "token_audience"),
    "many_nodes": (
        lambda n: n.officer_token("regulator", aud=["test/bank1", "test/bank2"]),
        "token_claims",
    ),
    "other_chain": (lambda n: n.officer_token("regulator", aud="main/bank1"), "token_audience"),
    "other_issuer": (lambda n: n.officer_token("regulator", iss="bank1"), "token_claims"),
    "foreign_key": (lambda n: n.token("regulator", make_signer("mallory")), "token_key_unknown"),
    "sealing_key": (
        lambda n: n.token("regulator", make_signer("regulator sealing")),
        "token_key_unknown",
    ),
    "another_accounts_key": (
        lambda n: n.token(n.account_text("alice"), make_signer("bob")),
        "token_key_unknown",
    ),
    "unknown_member": (lambda n: n.token("nobody", make_signer("alice")), "token_key_unknown"),
    "mistyped_account": (
        lambda n: n.token(n.account_text("alice")[:-1] + "q", make_signer("alice")),
        "token_key_unknown",
    ),
    "without_key": (
        lambda n: n.officer_token("regulator", headers={"kid": ""}),
        "token_key_malformed",
    ),
    "key_in_capitals": (
        lambda n: n.officer_token(
            "regulator", headers={"kid": make_signer("regulator maker").public_key.hex().upper()}
        ),
        "token_key_malformed",
    ),
}

GOOD_TOKENS: Final[dict[str, Mint]] = {
    "party": lambda n: n.account_token("alice"),
    "payee": lambda n: n.account_token("bob"),
    "partys_member": lambda n: n.officer_token("bank1"),
    "stranger": lambda n: n.account_token("carol"),
    "strangers_member": lambda n: n.officer_token("bank3"),
    "regulator": lambda n: n.officer_token("regulator"),
}

ALL = set(GOOD_TOKENS)
ALICES = {"party", "partys_member", "regulator"}
PARTIES = ALICES | {"payee"}
REGULATORS = {"regulator"}

PATHS: Final[dict[str, tuple[str, set[str]]]] = {
    "get_health": ("/healthz", ALL),
    "get_readiness": ("/readyz", ALL),
    "get_metrics": ("/metrics", ALL),
    "get_status": ("/v1/status", ALL),
    "submit_transaction": ("/v1/transactions", ALL),
    "submit_batch": ("/v1/transactions/batch", ALL),
    "get_transaction": ("/v1/transactions/{txid}", ALL),
    "prove_transaction": ("/v1/transactions/{txid}/proof", PARTIES),
    "list_blocks": ("/v1/blocks", ALL),
    "get_block": ("/v1/blocks/1", ALL),
    "list_members": ("/v1/members", ALL),
    "list_assets": ("/v1/assets", ALL),
    "list_attestations": ("/v1/attestations", ALL),
    "get_account": ("/v1/accounts/{alice}", ALICES),
    "list_account_history": ("/v1/accounts/{alice}/history", ALICES),
    "prove_account": ("/v1/accounts/{alice}/proof", ALICES),
    "stream_blocks": ("/v1/audit/blocks", REGULATORS),
    "search_transactions": ("/v1/audit/transactions", REGULATORS),
    "list_supply": ("/v1/audit/supply", REGULATORS),
    "audit_members": ("/v1/audit/members", REGULATORS),
    "list_evidence": ("/v1/audit/evidence", REGULATORS),
    "list_audit_accounts": ("/v1/audit/accounts", REGULATORS),
    "list_flows": ("/v1/audit/flows", REGULATORS),
    "get_account_risk": ("/v1/audit/accounts/{alice}/risk", REGULATORS),
    "get_risk": ("/v1/audit/risk", REGULATORS),
    "list_segments": ("/v1/audit/segments", REGULATORS),
    "list_alerts": ("/v1/audit/alerts", REGULATORS),
    "get_alert": (f"/v1/audit/alerts/{ALERT_ID}", REGULATORS),
    "list_aggregates": ("/v1/audit/aggregates", REGULATORS),
    "release_aggregate": ("/v1/audit/aggregates", REGULATORS),
    "list_cases": ("/v1/audit/cases", REGULATORS),
    "open_case": ("/v1/audit/cases", REGULATORS),
    "get_case": (f"/v1/audit/cases/{CASE_ID}", REGULATORS),
    "add_case_note": (f"/v1/audit/cases/{CASE_ID}/notes", REGULATORS),
    "move_case": (f"/v1/audit/cases/{CASE_ID}/state", REGULATORS),
    "export_case": (f"/v1/audit/cases/{CASE_ID}/export", REGULATORS),
    "draft_response": (f"/v1/audit/alerts/{ALERT_ID}/response", REGULATORS),
    "simulate_freeze": ("/v1/audit/simulate", REGULATORS),
    "simulate_case": (f"/v1/audit/cases/{CASE_ID}/simulate", REGULATORS),
    "get_forecast": ("/v1/audit/forecasts", REGULATORS),
    "predict": ("/v1/audit/predict", REGULATORS),
    "list_models": ("/v1/audit/models", REGULATORS),
    "train_model": ("/v1/audit/models", REGULATORS),
    "get_model": (f"/v1/audit/models/{MODEL_ID}", REGULATORS),
    "get_model_plots": (f"/v1/audit/models/{MODEL_ID}/plots", REGULATORS),
    "promote_model": (f"/v1/audit/models/{MODEL_ID}/promote", REGULATORS),
    "list_trainings": ("/v1/audit/trainings", REGULATORS),
    "get_training": (f"/v1/audit/trainings/{TRAINING_ID}", REGULATORS),
    "list_retrain_proposals": ("/v1/audit/retrain-proposals", REGULATORS),
    "decide_retrain_proposal": (f"/v1/audit/retrain-proposals/{PROPOSAL_ID}", REGULATORS),
    "get_report": ("/v1/audit/reports/typologies", REGULATORS),
    "export_table": ("/v1/audit/export", REGULATORS),
    "list_accesses": ("/v1/audit/access-log", REGULATORS),
    "run_query": ("/v1/audit/query", REGULATORS),
    "compare_blocks": ("/v1/audit/warehouse/blocks", REGULATORS),
    "compare_state": ("/v1/audit/warehouse/state", REGULATORS),
}
"""A path of each operation, and whose tokens open it."""

JSON_BODIES: Final = {
    "run_query": b'{"sql":"SELECT 1"}',
    "release_aggregate": b'{"measure":"accounts","epsilon":0.1}',
    "open_case": f'{{"alerts":["{ALERT_ID}"]}}'.encode(),
    "add_case_note": b'{"text":"looked at"}',
    "simulate_freeze": f'{{"accounts":["{encode_account_id(bytes(20))}"],"height":1}}'.encode(),
    "simulate_case": b"{}",
    "predict": b'{"model":"account-groups","rows":[{}]}',
    "train_model": b'{"series":"account-outliers"}',
    "promote_model": b"{}",
    "decide_retrain_proposal": b'{"decision":"dismissed"}',
    "move_case": b'{"state":"in_review"}',
}
"""Bodies of those that take JSON."""


async def _status_of(node: ServedNode, client: Client, name: str, token: str | None) -> int:
    """Call an operation, as well as it can be called, and check what a refusal looks like."""
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    node.run_analytics(ANALYTICS_ANSWERS)
    transaction = node.head.ancestry()[1].block.transactions[0]
    path = PATHS[name][0].format(txid=transaction.txid.hex(), alice=node.account_text("alice"))
    body = {"get": None, "post": transaction.raw}[operation.method.lower()]
    if name == "submit_batch":
        body = codec.encode((transaction.raw,))
    media_type = "application/msgpack"
    if name in JSON_BODIES:
        body, media_type = JSON_BODIES[name], "application/json"
    headers = bearer(token) | ({"Content-Type": media_type} if body else {})
    async with client.request(operation.method, path, data=body, headers=headers) as response:
        if response.status >= 400:
            await problem(response, response.status)
        else:
            await response.read()
        return response.status


def test_the_table_names_every_operation() -> None:
    """No operation is left out of the tests below."""
    assert set(PATHS) == {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("name", PATHS)
async def test_without_a_token_only_open_operations_answer(
    node: ServedNode, client: Client, name: str
) -> None:
    """Without a token: 200 (or 202) where everyone may ask, else 401."""
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    is_open = operation.access in (Access.OPEN, Access.PROBE)
    status = await _status_of(node, client, name, None)
    assert status in ((200, 202) if is_open else (401,))


@pytest.mark.parametrize("name", PATHS)
async def test_threat_62_no_operation_takes_a_bad_token(
    node: ServedNode, client: Client, name: str
) -> None:
    """A token that does not hold gives 401, also where none is needed; probes do not look at it."""
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    expected = 200 if operation.access is Access.PROBE else 401
    for mint, _ in BAD_TOKENS.values():
        assert await _status_of(node, client, name, mint(node)) == expected


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_threat_62_bad_tokens_are_refused_by_code(
    node: ServedNode, client: Client, kind: str
) -> None:
    """Each fault of a token has its own stable code and the challenge of RFC 6750."""
    mint, code = BAD_TOKENS[kind]
    response = await client.get("/v1/audit/supply", headers=bearer(mint(node)))
    assert (await problem(response, 401))["code"] == code
    assert response.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'


@pytest.mark.parametrize("name", PATHS)
async def test_threat_63_operations_open_to_those_they_are_for(
    node: ServedNode, client: Client, name: str
) -> None:
    """A good token opens what is its holder's, its member's or a regulator's, else gives 403."""
    for kind, mint in GOOD_TOKENS.items():
        status = await _status_of(node, client, name, mint(node))
        assert status in ((200, 201, 202) if kind in PATHS[name][1] else (403,)), kind


async def test_threat_62_headers_that_are_no_bearer_token(client: Client) -> None:
    """Another scheme, an empty token and two headers are refused, not ignored."""
    for headers in (
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    ):
        response = await client.get("/v1/status", headers=headers)
        assert (await problem(response, 401))["code"] == "token_malformed"


async def test_threat_62_a_missing_token_is_asked_for(client: Client) -> None:
    """The challenge of a request without a token names no error (RFC 6750 section 3)."""
    response = await client.get("/v1/audit/supply")
    assert (await problem(response, 401))["code"] == "token_missing"
    assert response.headers["WWW-Authenticate"] == CHALLENGE


async def test_threat_64_a_token_ends_with_its_life(node: ServedNode, client: Client) -> None:
    """The same token is good until its last second and refused from then on."""
    headers = bearer(node.officer_token("regulator"))
    node.now_s += LIFE_S - 1
    assert (await client.get("/v1/audit/supply", headers=headers)).status == 200
    node.now_s += 1
    response = await client.get("/v1/audit/supply", headers=headers)
    assert (await problem(response, 401))["code"] == "token_expired"


async def test_threat_64_a_key_that_leaves_the_state_ends_its_tokens(
    node: ServedNode, client: Client
) -> None:
    """Keys are looked up at the head for every request: what the chain takes back holds no more."""
    before = node.head
    opening = node.network.open_account(key_set([make_signer("dora")]))
    node.connect(opening)
    subject = encode_account_id(opened_account_id(opening.txid))
    headers = bearer(node.token(subject, make_signer("dora")))
    path = f"/v1/accounts/{subject}?state=head"
    assert (await client.get(path, headers=headers)).status == 200
    node.move_to(node.branches.grow(before, 2)[-1])
    response = await client.get(path, headers=headers)
    assert (await problem(response, 401))["code"] == "token_key_unknown"


async def test_refusals_come_in_order(node: ServedNode, client: Client) -> None:
    """401 before 403 before 404 before 422, so that a stranger learns nothing from the later ones."""
    path = f"/v1/accounts/{node.account_text('alice')}?state=nonsense"
    assert (await client.get(path)).status == 401
    stranger = bearer(node.account_token("carol"))
    assert (await client.get(path, headers=stranger)).status == 403
    owner = bearer(node.account_token("alice"))
    assert (await client.get(path, headers=owner)).status == 422
    audit = "/v1/audit/transactions?min_amount=-1"
    assert (await client.get(audit, headers=owner)).status == 403
    regulator = bearer(node.officer_token("regulator"))
    assert (await client.get(audit, headers=regulator)).status == 422
