"""Refusals have one shape, whatever refuses; faults of ours tell nothing of the inside."""

from __future__ import annotations

import pytest

from node.api.limits import JSON_BODY_BYTES_MAX
from tests.unit.node.api.served import Client, ServedNode, bearer, problem, serving


async def test_unknown_paths_and_methods(client: Client) -> None:
    """404 and 405 of the framework are problem documents too; 405 names what is allowed."""
    assert (await problem(await client.get("/v2/status"), 404))["code"] == "unknown_path"
    response = await client.delete("/v1/status")
    assert (await problem(response, 405))["code"] == "method_not_allowed"
    assert "GET" in response.headers["Allow"]
    await problem(await client.request("PROPFIND", "/v1/status"), 405)


async def test_head_is_get_without_the_body(client: Client) -> None:
    """Probes that ask for headers only get those of the answer; the endless stream has no HEAD."""
    response = await client.head("/healthz")
    assert (response.status, await response.read()) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0
    assert (await client.head("/v1/accounts/sun1")).status == 401
    assert (await client.head("/v1/audit/blocks")).status == 405


async def test_threat_70_paths_lead_nowhere_else(client: Client) -> None:
    """Dots and encoded slashes reach no file: the page's files are a fixed list."""
    for path in ("/docs/../../etc/passwd", "/docs/%2e%2e%2fopenapi.json", "/docs/swagger-ui.js"):
        await problem(await client.get(path), 404)


async def test_a_fault_of_ours_shows_no_trace(
    node: ServedNode, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody foresaw gives a 500 without a word of it; the log has it all."""

    def fail(_: bytes) -> None:
        raise RuntimeError("the inside")

    node.answer = fail  # type: ignore[assignment]
    response = await client.post(
        "/v1/transactions", data=b"x", headers={"Content-Type": "application/msgpack"}
    )
    assert (await problem(response, 500))["code"] == "internal_error"
    assert "inside" not in await response.text()
    assert "request_failed" in capsys.readouterr().out


async def test_answers_are_not_cached_or_sniffed(client: Client) -> None:
    """Every answer says so, refusals included."""
    for path in ("/v1/status", "/v1/nothing"):
        response = await client.get(path)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_client_that_asks_too_often(node: ServedNode) -> None:
    """429 with Retry-After from the request after the burst; probes and others go on."""
    now_s = 100.0
    async with serving(
        node, requests_per_second=2, requests_burst=3, monotonic_s=lambda: now_s
    ) as client:
        for _ in range(3):
            assert (await client.get("/v1/status")).status == 200
        response = await client.get("/v1/status")
        assert (await problem(response, 429))["code"] == "too_many_requests"
        assert (await client.get("/healthz")).status == 200
        headers = {"Authorization": f"Bearer {node.account_token('alice')}"}
        assert (await client.get("/v1/status", headers=headers)).status == 200
        now_s += 0.5
        assert (await client.get("/v1/status")).status == 200
        assert (await client.get("/v1/status")).status == 429


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le", "latin-1"])
async def test_json_is_utf_8(client: Client, encoding: str) -> None:
    """RFC 8259, section 8.1: no other encoding, no byte order mark, nothing guessed."""
    response = await client.post(
        "/v1/transactions",
        data='{"transaction":"00","é":0}'.encode(encoding),
        headers={"Content-Type": "application/json"},
    )
    assert (await problem(response, 400))["code"] == "malformed_json"


async def test_threat_62_a_token_has_one_spelling(node: ServedNode, client: Client) -> None:
    """Padding, and characters that base64url does not have, are refused (RFC 7515, section 2)."""
    token = node.officer_token("regulator")
    for spelling in (f"{token}==", token.replace(".", ".!", 1), f"{token[:-1]}*{token[-1]}"):
        response = await client.get("/v1/status", headers=bearer(spelling))
        assert (await problem(response, 401))["code"] == "token_malformed", spelling


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/audit/query"])
async def test_a_body_that_is_not_what_its_headers_say(
    node: ServedNode, client: Client, encoding: str, path: str
) -> None:
    """Bytes that do not unpack are their sender's fault, and fill no log with ours."""
    node.run_analytics({})
    response = await client.post(
        path,
        data=b"not packed",
        headers={"Content-Type": "application/json", "Content-Encoding": encoding}
        | bearer(node.officer_token("regulator")),
    )
    assert (await problem(response, 400))["code"] == "malformed_http"


async def test_a_body_that_is_announced_too_large(client: Client) -> None:
    """A JSON body over its limit is refused while it is read."""

    async def pieces() -> object:
        for _ in range(JSON_BODY_BYTES_MAX // 65_536 + 2):
            yield bytes(65_536)

    response = await client.post(
        "/v1/transactions", data=pieces(), headers={"Content-Type": "application/json"}
    )
    await problem(response, 413)
