"""The client of the node's API: errors, retries, pages, and what it never sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.wallet.fake_node import FakeNode
from wallet import session as session_module
from wallet.client import NodeClient
from wallet.errors import ApiError, InvalidRequest, NodeUnreachable
from wallet.session import (
    ATTEMPTS_MAX,
    PAUSE_S,
    PAUSE_S_MAX,
    is_private_channel,
    pause_before_retry_s,
)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the client's pauses in place of making them."""
    made: list[float] = []

    def record(attempt: int, error: ApiError | NodeUnreachable | None = None) -> float:
        made.append(pause_before_retry_s(attempt, error))
        return 0.0

    monkeypatch.setattr(session_module, "pause_before_retry_s", record)
    return made


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[NodeClient]:
    """Run an application on a free loopback port; give a client of it."""
    server = TestServer(app, host="127.0.0.1")
    async with server, NodeClient(str(server.make_url(""))) as client:
        yield client


async def test_a_problem_becomes_a_typed_error(node: FakeNode) -> None:
    """The problem's code, status and detail are the error's (RFC 9457)."""
    async with NodeClient(node.url) as client:
        with pytest.raises(ApiError) as caught:
            await client.transaction("00" * 32)
    assert (caught.value.code, caught.value.status) == ("unknown_transaction", 404)


async def test_wrong_fields_are_told() -> None:
    """The faults of a problem stand in the error's one line; a bare status has a code too."""

    async def refuse(request: web.Request) -> web.Response:
        fault = {"pointer": "/query/limit", "message": "too large"}
        return web.json_response({"title": "Bad", "errors": [fault]}, status=422)

    async def repeat(request: web.Request) -> web.Response:
        document = {"detail": "/path/txid: no hex", "errors": [{"message": "no hex"}]}
        return web.json_response(document, status=422)

    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>")

    app = web.Application()
    app.add_routes([web.get("/v1/status", refuse), web.get("/healthz", fail)])
    app.add_routes([web.get("/v1/transactions/zz", repeat)])
    async with serve(app) as client:
        with pytest.raises(ApiError, match="Bad; /query/limit: too large"):
            await client.status()
        with pytest.raises(ApiError, match=r"/path/txid: no hex$"):
            await client.transaction("zz")
        with pytest.raises(ApiError, match="http_502"):
            await client.health()


async def test_busy_nodes_are_asked_again(node: FakeNode, pauses: list[float]) -> None:
    """429 and 503 are retried, after the pause that Retry-After asks for."""
    node.refuse("GET", 503, "busy")
    node.refuse("GET", 429, "rate_limited", **{"Retry-After": "3"})
    node.refuse("GET", 429, "rate_limited", **{"Retry-After": "86400"})
    async with NodeClient(node.url) as client:
        assert (await client.status())["member"] == "bank1"
    assert len(pauses) == 3
    assert pauses[0] <= PAUSE_S
    assert pauses[1:] == [3.0, PAUSE_S_MAX]


async def test_attempts_are_bounded(node: FakeNode, pauses: list[float]) -> None:
    """A node that stays busy, or away, ends in the last error."""
    for _ in range(ATTEMPTS_MAX):
        node.refuse("GET", 503, "busy")
    async with NodeClient(node.url) as client:
        with pytest.raises(ApiError, match="busy"):
            await client.status()
        await node.server.close()
        with pytest.raises(NodeUnreachable):
            await client.status()
    assert len(pauses) == 2 * (ATTEMPTS_MAX - 1)


async def test_a_refusal_is_not_repeated(node: FakeNode, pauses: list[float]) -> None:
    """What a node refuses it refuses once."""
    node.refuse("GET", 403, "forbidden")
    async with NodeClient(node.url) as client:
        with pytest.raises(ApiError, match="forbidden"):
            await client.status()
    assert (len(node.requests), pauses) == (1, [])


async def test_lists_are_read_to_their_end(node: FakeNode) -> None:
    """Pages are followed by their cursors."""
    async with NodeClient(node.url) as client:
        assert [entry["asset"] for entry in await client.assets()] == ["CNY", "USD"]


async def test_redirects_are_not_followed() -> None:
    """A token never goes to where a node points."""

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:9/v1/status")

    app = web.Application()
    app.add_routes([web.get("/v1/status", redirect)])
    async with serve(app) as client:
        with pytest.raises(ApiError, match="http_302"):
            await client.status()


@pytest.mark.parametrize("body", ["", "[]", "{", "3"])
async def test_an_answer_of_another_shape_is_a_typed_error(body: str) -> None:
    """What is no JSON object is a bad answer."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/v1/status", answer)])
    async with serve(app) as client:
        with pytest.raises(ApiError, match="bad_answer"):
            await client.status()


async def test_a_huge_answer_is_cut_off(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """No node can fill the client's memory."""
    monkeypatch.setattr(session_module, "ANSWER_BYTES_MAX", 10)
    async with NodeClient(node.url) as client:
        with pytest.raises(ApiError, match="larger than 10 bytes"):
            await client.status()


async def test_batches_need_an_answer_for_each(node: FakeNode) -> None:
    """Results and transactions are matched by place, so their number must be the same."""
    async with NodeClient(node.url) as client:
        assert (await client.submit_batch([b"x"]))[0]["code"] == "busy"
        with pytest.raises(ApiError, match="bad_answer"):
            await client.submit_batch([b"x", b"y"])


@pytest.mark.parametrize(
    ("url", "is_private"),
    [
        ("http://127.0.0.1:8101", True),
        ("http://[::1]:8101", True),
        ("http://localhost:8101", True),
        ("https://bank1.example", True),
        ("http://bank1.example", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.evil.example", False),
    ],
)
def test_plain_http_is_for_this_machine_threat_64(url: str, is_private: bool) -> None:
    """A token is sent over TLS or loopback, where nobody can pick it up."""
    assert is_private_channel(url) is is_private


@pytest.mark.parametrize(
    "url", ["", "bank1", "ftp://x", "http://", "http://h:0", "http://h:x", "http://[", "http://h/p"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """A node is a scheme, a host and perhaps a port."""
    with pytest.raises(InvalidRequest, match="bad_url"):
        NodeClient(url)


def test_pauses_grow_and_are_bounded() -> None:
    """Each pause is at most twice the one before, jittered by half, and never over the limit."""
    for attempt in range(1, 20):
        pause_s = pause_before_retry_s(attempt)
        longest = min(PAUSE_S * 2 ** (attempt - 1), PAUSE_S_MAX)
        assert longest / 2 <= pause_s <= longest
