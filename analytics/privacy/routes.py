"""``/aggregates``: what the node asks about releases.

    GET  /aggregates   a page of releases, newest first
    POST /aggregates   {"measure", "by", "epsilon", …, "officer"} releases one, or refuses

The node has checked the shape and the ranges of what is asked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from aiohttp import web

from analytics.privacy.bounding import Bounded, read_bounded
from analytics.privacy.limits import RELEASES_PAGE_MAX
from analytics.privacy.mechanism import NAME, Drawn, draw, require_library
from analytics.server import Route, Services, answer, integer

Json = dict[str, Any]


async def release_aggregate(services: Services, request: web.Request) -> web.StreamResponse:
    """Give sums with noise, and what they cost; what was given is kept."""
    asked: Json = await request.json()
    await asyncio.to_thread(require_library)
    bounded = await services.queries.run(partial(read_bounded, asked=asked))
    question, releases = bounded.question, services.releases
    drawing = partial(_drawn, bounded, releases.budget)
    releasing = partial(
        releases.release,
        question.year,
        officer=asked["officer"],
        draw=drawing,
        content=partial(_content, bounded),
    )
    return answer(await asyncio.to_thread(releasing))


async def list_releases(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of releases; the cursor is the number of the last one before it."""
    limit = min(integer(request, "limit", minimum=1), RELEASES_PAGE_MAX)
    before = integer(request, "cursor") if "cursor" in request.query else None
    list_them = partial(services.releases.list_releases, limit=limit, before=before)
    items, following = await asyncio.to_thread(list_them)
    next_cursor = None if following is None else str(following)
    return answer({"items": items, "next_cursor": next_cursor})


def _drawn(bounded: Bounded, budget: float, spent: float) -> Drawn:
    question = bounded.question
    return draw(
        bounded.values,
        sensitivity=question.sensitivity,
        epsilon=question.epsilon,
        spent=spent,
        budget=budget,
    )


def _content(bounded: Bounded, drawn: Drawn) -> Json:
    """Return what is told, none of it from the sums without noise."""
    question = bounded.question
    return {
        "measure": question.measure,
        "by": question.by,
        "asset": question.asset,
        "since_ms": question.since_ms,
        "until_ms": question.until_ms,
        "height": bounded.height,
        "rows": [
            {"key": key, "value": str(value)}
            for key, value in zip(bounded.keys, drawn.values, strict=True)
        ],
        "accuracy_95": str(drawn.accuracy),
        "bounds": {
            "contribution_max": str(question.contribution_max),
            "groups_max": question.groups_max,
            "sensitivity": str(question.sensitivity),
        },
        "mechanism": {"name": NAME, "scale": drawn.scale, "unit": "account_year"},
    }


ROUTES: Final = (
    Route(method="GET", path="/aggregates", handler=list_releases),
    Route(method="POST", path="/aggregates", handler=release_aggregate),
)
