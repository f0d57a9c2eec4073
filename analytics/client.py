"""How the node asks its analytics process: JSON over HTTP on the process's Unix socket.

    await client.connect(socket)                        when the process says that it is ready
    alerts = await client.get("/alerts", {"limit": "50"})
    async with client.stream("/export", {}) as chunks:
        async for chunk in chunks: …
    await client.disconnect()                           when it ended

Every call raises `RequestRefused` where the process refuses, with its status and code, and
`Unavailable` where there is no process, or it ends before it has answered. Leaving a call, by
cancellation too, closes its connection, which ends the query on the other side.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from analytics.errors import RequestRefused, Unavailable

_ORIGIN: Final = "http://analytics"
"""Host part of every address; the socket decides where requests go."""
CONNECTIONS_MAX: Final = 64
"""Requests of the node that may be under way; others wait for their turn."""


class AnalyticsClient:
    """The node's side of the socket; it outlives the processes that it asks."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def connect(self, socket: str) -> None:
        """Ask the process at a socket from now on."""
        await self.disconnect()
        connector = aiohttp.UnixConnector(path=socket, limit=CONNECTIONS_MAX)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def disconnect(self) -> None:
        """Ask nobody: the process is gone."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the document at a path.

        Raises:
            RequestRefused, Unavailable: see the module.
        """
        async with self._request("GET", path, query, None) as response:
            return await response.json()

    async def post(self, path: str, document: object) -> Any:
        """Return the document with which the process answers one that is sent.

        Raises:
            RequestRefused, Unavailable: see the module.
        """
        async with self._request("POST", path, None, document) as response:
            return await response.json()

    async def post_for_bytes(self, path: str, document: object) -> bytes:
        """Return an answer as it came, for who only hands it on.

        Raises:
            RequestRefused, Unavailable: see the module.
        """
        async with self._request("POST", path, None, document) as response:
            return await response.read()

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Hold an answer open and give its bytes as they come.

        Raises:
            RequestRefused, Unavailable: see the module.
        """
        async with self._request("GET", path, query, None) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def download(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Hold an answer open, with its headers, for who hands it on.

        Raises:
            RequestRefused, Unavailable: see the module.
        """
        async with self._request("GET", path, query, None) as response:
            yield response

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, document: object
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = self._session
        if session is None:
            raise Unavailable("the analytics process is starting")
        try:
            async with session.request(
                method, _ORIGIN + path, params=query, json=document
            ) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                yield response
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not session.closed:
                raise
            raise Unavailable("the analytics process ended before it answered") from error


async def _refusal(response: aiohttp.ClientResponse) -> RequestRefused:
    if response.content_type != "application/json":
        return RequestRefused(response.status, "unknown_path", "the process knows no such path")
    document = await response.json()
    return RequestRefused(
        response.status, document["code"], document["detail"], **document["fields"]
    )
