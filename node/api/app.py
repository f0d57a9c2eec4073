"""The HTTP application: every operation behind the same checks, every refusal in the same shape."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from node.analytics import comparison
from node.analytics.asking import analytics_of
from node.api import accounts, attestations, chain, node_status, transactions
from node.api.auth import TokenAuthority
from node.api.backend import Backend
from node.api.docs_page import docs_routes
from node.api.json_text import write_json
from node.api.limits import RATED_CLIENTS_MAX, REQUESTS_BURST, REQUESTS_PER_SECOND
from node.api.openapi import openapi_document
from node.api.operations import JSON, Operation, Server
from node.api.problems import internal_problem, problem_of
from node.api.rate import RateLimiter
from node.audit import (
    accesses,
    aggregates,
    alerts,
    block_stream,
    case_export,
    cases,
    export,
    forecasts,
    free_sql,
    market,
    models,
    predict,
    registers,
    response,
    risk,
    search,
    simulation,
    supply,
)
from node.audit.events import RENDERED, STREAMS, RenderedEvents
from node.dashboard.page import dashboard_routes
from node.metrics import Metrics


def _where_analytics_run(*operations: Operation) -> tuple[Operation, ...]:
    """Return operations that a node without analytics answers 404 ``analytics_disabled``.

    To whoever may ask, and before the rest of the question is looked at (ADR 0021).
    """
    return tuple(
        replace(operation, guard=analytics_of, problems=(*operation.problems, 404))
        for operation in operations
    )


OPERATIONS: Final[tuple[Operation, ...]] = (
    *node_status.OPERATIONS,
    *transactions.OPERATIONS,
    *chain.OPERATIONS,
    *accounts.OPERATIONS,
    *attestations.OPERATIONS,
    block_stream.OPERATION,
    search.OPERATION,
    *registers.OPERATIONS,
    supply.OPERATION,
    *_where_analytics_run(
        *alerts.OPERATIONS,
        *market.OPERATIONS,
        *cases.OPERATIONS,
        case_export.OPERATION,
        response.OPERATION,
        *simulation.OPERATIONS,
        *aggregates.OPERATIONS,
        *risk.OPERATIONS,
        *comparison.OPERATIONS,
        forecasts.OPERATION,
        predict.OPERATION,
        *models.OPERATIONS,
        free_sql.OPERATION,
        accesses.OPERATION,
        export.OPERATION,
    ),
)

UNMATCHED: Final = "unmatched"
OTHER_METHOD: Final = "other"
"""What metrics call a path or a method that is not ours: a client's own words are no label."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("node.api")


def make_app(
    backend: Backend,
    *,
    clock_s: Callable[[], float] = time.time,
    monotonic_s: Callable[[], float] = time.monotonic,
    requests_per_second: float = REQUESTS_PER_SECOND,
    requests_burst: int = REQUESTS_BURST,
) -> web.Application:
    """Return the application that serves a node's HTTP API.

    Args:
        backend: the node.
        clock_s: wall clock, Unix seconds; tokens are judged by it.
        monotonic_s: clock that never jumps, seconds; rates and latencies are measured by it.
        requests_per_second: sustained rate of one client.
        requests_burst: requests that a client may make at once.
    """
    server = Server(
        backend=backend,
        authority=TokenAuthority(chain_id=backend.chain_id, member=backend.member, clock_s=clock_s),
        limiter=RateLimiter(
            per_second=requests_per_second,
            burst=requests_burst,
            clients_max=RATED_CLIENTS_MAX,
            clock_s=monotonic_s,
        ),
    )
    app = web.Application(middlewares=[_observing(backend.metrics, monotonic_s), _answering])
    app[STREAMS] = set()
    app[RENDERED] = RenderedEvents()
    app.on_shutdown.append(_end_streams)
    for operation in OPERATIONS:
        handler, route = server.serve(operation), _route_of(operation.path)
        app.router.add_route(operation.method, route, handler)
        if operation.method == hdrs.METH_GET and not operation.is_stream:
            app.router.add_route(hdrs.METH_HEAD, route, handler)  # RFC 9110, 9.3.2
    app.router.add_get("/openapi.json", _serve_openapi)
    app.router.add_routes(docs_routes())
    app.router.add_routes(dashboard_routes())
    return app


def _route_of(path: str) -> str:
    """Return the router's pattern of a path: a name at its end stands for no other path's word.

    ``/v1/transactions/{txid}`` is not ``/v1/transactions/batch``, which has methods of its own.
    """
    parent, _, last = path.rpartition("/")
    if not last.startswith("{"):
        return path
    words = [
        other.path.rpartition("/")[2]
        for other in OPERATIONS
        if other.path.rpartition("/")[0] == parent and other.path != path
    ]
    taken = "".join(f"(?!{re.escape(word)}$)" for word in sorted(set(words)))
    return f"{parent}/{{{last[1:-1]}:{taken}[^{{}}/]+}}" if taken else path


@cache
def _openapi_text() -> bytes:
    """Return ``/openapi.json``, made once; a node that nobody asks for it never makes it."""
    return write_json(openapi_document(OPERATIONS))


async def _serve_openapi(_request: web.Request) -> web.StreamResponse:
    # Pydantic reads the sources for the fields' descriptions: too long for the event loop.
    return web.Response(body=await asyncio.to_thread(_openapi_text), content_type=JSON)


def _observing(metrics: Metrics, monotonic_s: Callable[[], float]) -> Middleware:
    """Return the outermost middleware: it counts and times every request."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        started_s = monotonic_s()
        response = await handler(request)
        resource = request.match_info.route.resource
        metrics.observe_request(
            method=request.method if request.method in hdrs.METH_ALL else OTHER_METHOD,
            route=UNMATCHED if resource is None else resource.canonical,
            status=response.status,
            elapsed_s=monotonic_s() - started_s,
        )
        return response

    return observe


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal into a problem document, and what nobody foresaw into a 500."""
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - a fault in one request must not end the others
        problem = problem_of(error)
        if problem is None:
            route = request.match_info.route.resource
            _log.exception("request_failed", route=route.canonical if route else UNMATCHED)
            problem = internal_problem()
        response = problem.response()
    if not response.prepared:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    return response


async def _end_streams(app: web.Application) -> None:
    """End the open streams, so that the server stops without waiting for them."""
    open_streams: set[asyncio.Task[Any]] = app[STREAMS]
    streams = list(open_streams)
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
