"""The process's HTTP server on a Unix socket, and how a part of the analytics adds what it answers.

A part declares its routes in a table of its own, which ``analytics.routes`` lists:

    async def show_supply(services: Services, request: web.Request) -> web.StreamResponse:
        rows = await services.queries.run(read_supply)      # a function of a DuckDB cursor
        return answer({"items": rows})

    ROUTES = (Route(method="GET", path="/supply", handler=show_supply),)

The node is the only client (`analytics.client`). It has checked the caller's token and the shape of
what was asked; these answers are therefore plain JSON documents, and a refusal is

    {"code": "unknown_alert", "detail": "no such alert", "fields": {"id": "…"}}

under its HTTP status: a handler raises `RequestRefused`, and the client raises it again in the node,
where it becomes a problem document with the same status and code. Whatever else a handler raises is
a fault of ours: status 500, code ``analytics_failed``, the rest in the log.

A client that goes away cancels its handler, and with it the query that the handler waits for.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.errors import AnalyticsError, RequestRefused
from analytics.privacy.releases import Releases
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.registry.store import Registry
from analytics.registry.trainer import Trainer
from analytics.response.store import Cases
from analytics.sandbox.runner import SqlRunner
from analytics.serving.serving import Serving
from analytics.warehouse.store import Warehouse

REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest body that the node may send, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers work with."""

    warehouse: Warehouse
    """The warehouse, for commits; reads go through the queries."""
    queries: Queries
    """Where reads run."""
    progress: Progress
    """How far the stages have come."""
    cases: Cases
    """The regulator's cases."""
    registry: Registry
    """The regulator's models."""
    trainer: Trainer
    """Who trains them."""
    releases: Releases
    """Aggregates that were published, and the budget of what they tell."""
    sql: SqlRunner
    """Where free SQL runs."""
    serving: Serving
    """Where forecasts and predictions are made."""


Handler = Callable[[Services, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method on a path."""

    method: str
    """GET or POST."""
    path: str
    """With ``{names}`` in braces."""
    handler: Handler
    """What answers."""


def make_app(services: Services, routes: Iterable[Route]) -> web.Application:
    """Return the application that answers the node."""
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    for route in routes:
        app.router.add_route(route.method, route.path, _serve(services, route.handler))
    return app


def answer(document: Any, *, status: int = 200) -> web.Response:
    """Return a JSON document."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def integer(request: web.Request, name: str, *, minimum: int = 0) -> int:
    """Return a whole number of the query string.

    Raises:
        RequestRefused: ``invalid_field`` (422): it is missing, no number, or below the minimum.
    """
    text = request.query.get(name, "")
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        detail = f"{name} is a whole number of at least {minimum}"
        raise RequestRefused(422, "invalid_field", detail, pointer=f"/query/{name}")
    return int(text)


def _serve(
    services: Services, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(services, request)
        except RequestRefused as error:
            return _refusal(error.status, error)
        except AnalyticsError as error:
            return _refusal(500, error)
        except duckdb.InterruptException:
            return _refusal(503, AnalyticsError("query_interrupted", "the query was interrupted"))
        except web.HTTPException as error:
            return _refusal(error.status, AnalyticsError("unknown_path", error.reason))
        except Exception:  # noqa: BLE001 - a fault in one request must not end the process
            traceback.print_exc(file=sys.stderr)
            return _refusal(500, AnalyticsError("analytics_failed", "the node's log says why"))

    return serve


def _refusal(status: int, error: AnalyticsError) -> web.Response:
    fields = {name: str(value) for name, value in error.fields.items()}
    return answer({"code": error.code, "detail": error.detail, "fields": fields}, status=status)
