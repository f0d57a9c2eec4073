"""Every endpoint of a running node against every kind of token, as its own document describes them.

The endpoints, who may call them (``x-sunlit-access``) and what they may answer come from
``/openapi.json``: what is added to the API is covered without a word here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import jwt
import pytest

from ledger.addresses import encode_account_id
from tests.functional.devnet import HANG_S, Devnet

NODE: Final = "bank1"
PROBE, OPEN, TOKEN, REGULATOR = ACCESSES = ("probe", "open", "token", "regulator")

Json = dict[str, Any]
Mint = Callable[["Tokens"], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method on a path, from the document."""

    method: str
    path: str
    operation: Json

    @property
    def access(self) -> str:
        """Who may call it, by name."""
        return str(self.operation["x-sunlit-access"])


class Tokens:
    """Tokens for one node, good and bad, signed by keys of the network."""

    def __init__(self, net: Devnet) -> None:
        self._net = net
        self.audience = f"{net.description['chain_id']}/{NODE}"

    def good(self, reader: str) -> str:
        """Return what `sunlit wallet token` gives."""
        return self._net.headers(reader, NODE)["Authorization"].removeprefix("Bearer ")

    def made(self, *, by: str = "regulator", kid: str | None = None, **changed: Any) -> str:
        """Return a regulator's token with changed claims; one that is None is left out."""
        key = self._net.keystore.signing_key(by)
        claims = {name: value for name, value in self._claims(changed).items() if value is not None}
        headers = {"kid": kid or key.entry.public_key.hex()}
        return jwt.encode(claims, key.private_key, algorithm="EdDSA", headers=headers)

    def unsigned(self) -> str:
        """Return good claims under ``alg: none``."""
        return self._signed_by("none", lambda _: b"")

    def mac_by_public_key(self) -> str:
        """Return good claims under HS256, with the key that everyone knows for a secret."""
        key = self._net.keystore.entry("regulator").public_key
        return self._signed_by("HS256", lambda text: hmac.digest(key, text, hashlib.sha256))

    def _claims(self, changed: Json) -> Json:
        now_s = int(time.time())
        return {
            "iss": "regulator",
            "sub": "regulator",
            "aud": self.audience,
            "iat": now_s,
            "exp": now_s + 600,
            "jti": "1",
        } | {name: now_s + value if name in _TIMES and value else value
             for name, value in changed.items()}  # fmt: skip

    def _signed_by(self, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
        key = self._net.keystore.entry("regulator").public_key
        header = {"alg": algorithm, "typ": "JWT", "kid": key.hex()}
        text = b".".join(_base64(json.dumps(part).encode()) for part in (header, self._claims({})))
        return (text + b"." + _base64(sign(text))).decode()


_TIMES: Final = ("iat", "exp", "nbf")
"""Claims that are given as seconds from now."""

BAD: Final[dict[str, tuple[Mint, str]]] = {
    "garbage": (lambda _: "garbage", "token_malformed"),
    "expired": (lambda t: t.made(iat=-60, exp=-1), "token_expired"),
    "without_end": (lambda t: t.made(exp=None), "token_claims"),
    "too_long": (lambda t: t.made(exp=15 * 60 + 5), "token_life"),
    "wrong_audience": (lambda t: t.made(aud="nobody"), "token_audience"),
    "other_node": (lambda t: t.made(aud=t.audience.replace(NODE, "bank2")), "token_audience"),
    "any_node": (lambda t: t.made(aud="*"), "token_audience"),
    "alg_none": (lambda t: t.unsigned(), "token_algorithm"),
    "alg_hs256": (lambda t: t.mac_by_public_key(), "token_algorithm"),
    "unknown_kid": (lambda t: t.made(kid="01" + "ab" * 32), "token_signature"),
    "foreign_key": (lambda t: t.made(by="alice"), "token_key_unknown"),
}
"""Tokens that hold nowhere, and the code of the refusal."""

GOOD: Final[dict[str, Mint]] = {
    "none": lambda _: None,
    "account": lambda t: t.good("alice"),
    "stranger": lambda t: t.good("carol"),
    "member": lambda t: t.good("bank1-officer"),
    "other_member": lambda t: t.good("bank2-officer"),
    "regulator": lambda t: t.good("regulator"),
}
"""Tokens that hold, and none."""

SHARED = {"/v1/attestations"}
"""What anyone with a token of the chain may see: what members stand by is for all of them (ADR 0031)."""
ALLOWED: Final = {
    PROBE: set(GOOD),
    OPEN: set(GOOD),
    TOKEN: {"account", "member", "regulator"},
    REGULATOR: {"regulator"},
}
"""Whose token opens what, where it is alice's, who is bank1's."""


@pytest.fixture(scope="module")
def values(net: Devnet) -> Json:
    """Return what stands for the names in paths: alice's account, and a payment of hers to herself."""
    account = encode_account_id(net.account("alice"))
    words = ("--from", "alice", "--to", "treasury", "1.00", "CNY", "--wait", "final", "--json")
    ended = net.sunlit("wallet", "send", *words)
    assert ended.status == 0, ended.stderr
    return {"account": account, "txid": ended.document["txid"], "block": "head"}


@pytest.fixture
async def http(net: Devnet) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the node."""
    timeout = aiohttp.ClientTimeout(total=HANG_S)
    async with aiohttp.ClientSession(net.node(NODE)["api"], timeout=timeout) as http:
        yield http


@pytest.fixture
async def endpoints(http: aiohttp.ClientSession) -> list[Endpoint]:
    """Return all endpoints of the node's document."""
    async with http.get("/openapi.json") as answer:
        document = await answer.json()
    return [
        Endpoint(method=method.upper(), path=path, operation=operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


async def _answer(
    http: aiohttp.ClientSession, endpoint: Endpoint, values: Json, token: str | None
) -> tuple[int, Json]:
    """Return status and problem of a call without a body; what it answers is in the document."""
    path = endpoint.path.format_map(_Known(values))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    called = f"{endpoint.method} {path}"
    async with http.request(endpoint.method, path, headers=headers) as answer:
        assert str(answer.status) in endpoint.operation["responses"], f"{called}: {answer.status}"
        assert answer.status < 500 or answer.status == 503, called
        assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401), called
        if answer.status < 400:
            return answer.status, {}  # a stream's answer begins with its headers; the rest is left
        problem: Json = await answer.json(content_type="application/problem+json")
        assert problem["status"] == answer.status, called
        return answer.status, problem


class _Known(dict[str, str]):
    """Names in paths; one that is not known here stands for nothing that exists."""

    def __missing__(self, name: str) -> str:
        return "0"


def test_security_agrees_with_access(endpoints: list[Endpoint]) -> None:
    """The standard's own word for it, ``security``, says the same as ours."""
    assert {endpoint.access for endpoint in endpoints} == set(ACCESSES)
    token: Json = {"token": []}
    expected = {PROBE: [], OPEN: [{}, token], TOKEN: [token], REGULATOR: [token]}
    for endpoint in endpoints:
        assert endpoint.operation["security"] == expected[endpoint.access], endpoint.path
        is_audit = endpoint.path.startswith("/v1/audit/")
        assert is_audit == (endpoint.access == REGULATOR), endpoint.path


@pytest.mark.parametrize("kind", BAD)
async def test_threat_62_a_bad_token_opens_nothing(
    net: Devnet, http: aiohttp.ClientSession, endpoints: list[Endpoint], values: Json, kind: str
) -> None:
    """401 with its code everywhere, before anything else is looked at; probes do not look at it."""
    mint, code = BAD[kind]
    for endpoint in endpoints:
        status, problem = await _answer(http, endpoint, values, mint(Tokens(net)))
        if endpoint.access == PROBE:
            assert status in (200, 503), endpoint.path  # a busy node may not be ready
        else:
            assert (status, problem.get("code")) == (401, code), endpoint.path


@pytest.mark.parametrize("kind", GOOD)
async def test_threat_63_tokens_open_what_is_theirs(
    net: Devnet, http: aiohttp.ClientSession, endpoints: list[Endpoint], values: Json, kind: str
) -> None:
    """Without one 401, for others 403; whose it is gets an answer, if only to what it lacks."""
    for endpoint in endpoints:
        token = GOOD[kind](Tokens(net))
        status, problem = await _answer(http, endpoint, values, token)
        called = f"{endpoint.method} {endpoint.path}: {problem.get('detail')}"
        is_shared = token is not None and endpoint.path in SHARED
        if is_shared or kind in ALLOWED[endpoint.access]:
            assert status not in (401, 403), called
        else:
            assert status == (401 if token is None else 403), called


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
