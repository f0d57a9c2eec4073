"""``GET /status``: how far the process has come."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from analytics.progress import resident_bytes
from analytics.server import Route, Services, answer


async def show_status(services: Services, _: web.Request) -> web.StreamResponse:
    """Give both cursors and the memory that the process holds."""
    ingested, detected = services.progress.ingested, services.progress.detected
    return answer(
        {
            "height": ingested.height,
            "hash": ingested.hash,
            "detection_height": None if detected.height < 0 else detected.height,
            "memory_bytes": resident_bytes(),
        }
    )


ROUTES: Final = (Route(method="GET", path="/status", handler=show_status),)
