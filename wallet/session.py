"""A session with one node over HTTP: connection, token, retries, pages, problems (RFC 9457).

Every request may be repeated safely: reads change nothing, and a node knows a signed transaction by
its bytes. So connection faults, 429 and 503 are retried with growing pauses until the attempts
are spent; what the node refused is raised as `ApiError` at once.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from wallet.errors import ApiError, InvalidRequest, NodeUnreachable
from wallet.tokens import TokenSource
from wallet.trust import trusting_context

Json = dict[str, Any]

CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 30.0
STREAM_SILENCE_S: Final = 45.0
"""A stream that says nothing this long is dead: nodes comment every 15 s."""

ATTEMPTS_MAX: Final = 5
PAUSE_S: Final = 0.2
"""Pause after the first failed attempt, seconds; it doubles after each."""
PAUSE_DOUBLINGS_MAX: Final = 16
"""How often the pause doubles at most, so that it stays a number however long a node is away."""
PAUSE_S_MAX: Final = 10.0
"""Longest pause that the client makes, even when ``Retry-After`` asks for more, seconds."""

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest answer that is read, bytes: an evidence bundle with a large genesis document."""

PAGE_ITEMS_MAX: Final = 1_000
MSGPACK: Final = "application/msgpack"

_RETRIED_STATUSES: Final = frozenset({429, 503})
_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost."})


class NodeSession:
    """Requests to one node, within ``async with``.

    Args:
        url: the node's base URL.
        certificate: the one that an https node must show, DER; None: the system's authorities
            decide.
        tokens: who speaks; see `authenticate`.

    Raises:
        InvalidRequest: ``bad_url``.
    """

    def __init__(
        self, url: str, *, certificate: bytes | None = None, tokens: TokenSource | None = None
    ) -> None:
        self.url = _checked_url(url)
        self._certificate = certificate
        self._tokens: TokenSource | None = None
        self._session: aiohttp.ClientSession | None = None
        if tokens is not None:
            self.authenticate(tokens)

    async def __aenter__(self) -> Self:
        trust = True if self._certificate is None else trusting_context(self._certificate)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            headers={"User-Agent": "sunlit-wallet"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def authenticate(self, tokens: TokenSource) -> None:
        """Send these tokens from now on.

        Raises:
            InvalidRequest: ``plain_http``: a token would cross a network in clear.
        """
        if not is_private_channel(self.url):
            detail = f"{self.url} is plain HTTP and not this machine: a token would be readable"
            raise InvalidRequest("plain_http", detail, url=self.url)
        self._tokens = tokens

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
    ) -> Json:
        """Return the JSON object that an endpoint answers, which is sent another or nothing."""
        body = None if document is None else json.dumps(document).encode()
        return await self._json(method, path, query=query, body=body, media_type="application/json")

    @asynccontextmanager
    async def download(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Hold a large answer open; one attempt, without a limit on the whole time.

        Raises:
            ApiError: the node refused.
            NodeUnreachable: no connection, or it broke.
        """
        time_limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=STREAM_SILENCE_S
        )
        async with self._answer(
            "GET", path, query=query, headers={"Accept": "*/*"}, time_limits=time_limits
        ) as answer:
            yield answer

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer that may go on for ever; give its bytes as they come.

        Raises:
            ApiError: the node refused.
            NodeUnreachable: no connection, or it broke.
        """
        time_limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=STREAM_SILENCE_S
        )
        async with self._answer(
            "GET", path, query=query, headers=headers, time_limits=time_limits
        ) as answer:
            yield _until_silent(answer.content.iter_any())

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[Json, None]:
        """Yield the items of all pages of a list."""
        query = {"limit": str(PAGE_ITEMS_MAX), **query}
        while True:
            page = await self._json("GET", path, query=query)
            items = page.get("items")
            if not isinstance(items, list):
                raise bad_answer(f"{path} is no list")
            for item in items:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return
            query = {**query, "cursor": str(cursor)}

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        media_type: str = MSGPACK,
    ) -> Json:
        headers = {"Content-Type": media_type} if body is not None else None
        document = parse_json(
            await self._call(method, path, query=query, body=body, headers=headers)
        )
        if not isinstance(document, dict):
            raise bad_answer(f"{path} is no JSON object")
        return document

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the answer's body, trying again where that may help."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                async with self._answer(
                    method, path, query=query, body=body, headers=headers
                ) as answer:
                    return await _limited_body(answer)
            except (ApiError, NodeUnreachable) as error:
                if attempt == ATTEMPTS_MAX or not _is_passing(error):
                    raise
                await asyncio.sleep(pause_before_retry_s(attempt, error))
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        time_limits: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; give the answer if it is a success."""
        if self._session is None:
            raise RuntimeError("a session is used inside `async with`")
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", MSGPACK)
        if self._tokens is not None:
            sent["Authorization"] = f"Bearer {self._tokens.current().text}"
        try:
            async with self._session.request(
                method,
                self.url + path,
                params=query,
                data=body,
                headers=sent,
                timeout=time_limits or self._session.timeout,
                allow_redirects=False,  # a redirect would carry the token to another host
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise _problem(answer, await _limited_body(answer))
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            detail = f"no answer from {self.url}: {reason}"
            raise NodeUnreachable("node_unreachable", detail, url=self.url) from None


async def _until_silent(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield what comes. aiohttp's own limit on silence ends with a connection that sent nonsense."""
    while True:
        async with asyncio.timeout(STREAM_SILENCE_S):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_base = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_base = is_base and (parts.port is None or parts.port > 0) and parts.path in ("", "/")
    except ValueError:  # a port or an IPv6 address that is none
        is_base = False
    if not is_base:
        detail = f"{url!r} is no node's URL: http:// or https://, a host, perhaps a port"
        raise InvalidRequest("bad_url", detail, url=url)
    return url.rstrip("/")


def is_private_channel(url: str) -> bool:
    """Tell whether nobody on a network can read what is sent: TLS, or this machine's loopback."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


def pause_before_retry_s(attempt: int, error: ApiError | NodeUnreachable | None = None) -> float:
    """Return how long to wait after the nth failed attempt, seconds.

    ``Retry-After`` is obeyed up to `PAUSE_S_MAX`; else the pause doubles, and is jittered so that
    clients which failed together do not return together.
    """
    asked = error.fields.get("retry_after_s") if error is not None else None
    if isinstance(asked, int):
        return float(min(asked, PAUSE_S_MAX))
    longest = min(PAUSE_S * float(1 << min(attempt - 1, PAUSE_DOUBLINGS_MAX)), PAUSE_S_MAX)
    return longest * (0.5 + secrets.randbelow(1_000) / 2_000)


def _is_passing(error: ApiError | NodeUnreachable) -> bool:
    return isinstance(error, NodeUnreachable) or error.status in _RETRIED_STATUSES


async def _limited_body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise bad_answer(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _problem(answer: aiohttp.ClientResponse, body: bytes) -> ApiError:
    """Return the error of a problem document (RFC 9457), or of a bare status without one."""
    code, detail = f"http_{answer.status}", answer.reason or "refused"
    fields: Json = {}
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        code = str(document.get("code", code))
        detail = str(document.get("detail") or document.get("title") or detail)
        for fault in document.get("errors") or ():
            message = str(fault.get("message", "")) if isinstance(fault, dict) else ""
            if message not in detail:  # one wrong field is often in the detail already
                detail += f"; {fault.get('pointer', '')}: {message}"
    retry_after = answer.headers.get("Retry-After", "")
    if retry_after.isascii() and retry_after.isdecimal():
        fields["retry_after_s"] = int(retry_after)
    return ApiError(code, detail, status=answer.status, **fields)


def parse_json(body: bytes) -> Any:
    """Return what an answer's body says.

    Raises:
        ApiError: ``bad_answer``: it is not JSON.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise bad_answer("the answer is not JSON") from None


def bad_answer(why: str) -> ApiError:
    """Return the error of a node whose answer makes no sense."""
    return ApiError("bad_answer", why, status=200)
