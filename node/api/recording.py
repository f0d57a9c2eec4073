"""Requests under ``/v1/audit`` into the access log, before their answers leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from node.api.auth import Principal
from node.api.problems import problem_of, unavailable
from node.audit.access_log import TEXT_CHARACTERS_MAX, AccessLog
from node.errors import StoreFailed

AUDIT_PREFIX: Final = "/v1/audit/"
RETRY_SECONDS: Final = 10
"""When to try again what could not be recorded."""


async def recorded(
    log: AccessLog,
    request: web.Request,
    principal: Principal,
    answer: Callable[[], Awaitable[web.StreamResponse]],
    *,
    statement: Callable[[], str | None],
    is_stream: bool,
) -> web.StreamResponse:
    """Return the answer to a request once its record is on disk; a stream's first record before it.

    ``statement`` gives, once the answer is there, the SQL that it came from.

    Raises:
        Problem: the answer's own, or 503 ``access_log_failed``: who reads unseen gets nothing.
    """
    asked: dict[str, Any] = {
        "subject": principal.subject,
        "kid": principal.public_key.hex(),
        "method": request.method,
        "target": request.raw_path[:TEXT_CHARACTERS_MAX],
    }
    if is_stream:
        await _append(log, asked | {"event": "opened", "status": None, "bytes": None})
    event = "ended" if is_stream else "answered"

    def outcome(status: int | None, size: int | None) -> dict[str, Any]:
        sql = statement()
        kept = {} if sql is None else {"sql": sql[:TEXT_CHARACTERS_MAX]}
        return {**asked, "event": event, "status": status, "bytes": size, **kept}

    try:
        response = await answer()
    except Exception as error:
        problem = problem_of(error)
        status = 500 if problem is None else problem.status
        await _append(log, outcome(status, None))
        raise
    except asyncio.CancelledError:
        # Whoever asked has gone; the record is written all the same.
        await asyncio.shield(_append(log, outcome(None, None)))
        raise
    await _append(log, outcome(response.status, _size(response)))
    return response


def _size(response: web.StreamResponse) -> int | None:
    """Return how many bytes an answer's body has."""
    if isinstance(response, web.Response):
        return len(response.body) if isinstance(response.body, bytes | bytearray) else 0
    return response.body_length if response.prepared else None


async def _append(log: AccessLog, fields: dict[str, Any]) -> None:
    try:
        await log.append(fields)
    except StoreFailed as error:
        detail = "The access log takes no record, and nothing is read without one."
        raise unavailable(error.code, detail, retry_after_s=RETRY_SECONDS) from error
