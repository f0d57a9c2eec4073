"""``POST /query``: free SQL."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from analytics.server import Route, Services


async def run_query(services: Services, request: web.Request) -> web.StreamResponse:
    """Answer a statement."""
    document = await request.json()
    body = await services.sql.run(document["sql"])
    return web.Response(body=body, content_type="application/json")


ROUTES: Final = (Route(method="POST", path="/query", handler=run_query),)
