"""``/models``, ``/trainings`` and ``/retrain-proposals``: what the node asks of the registry.

GET  /models                        a page, newest first; ``series``, ``method``, ``state``
POST /models                        {"series", "method", "seed", "height", "features", "by"}
GET  /models/{id}                   a version with its card and history
GET  /models/{id}/plots             the figures of its plots
POST /models/{id}/standing          {"state", "by", "reason"}
GET  /trainings, /trainings/{id}
GET  /retrain-proposals             a page, newest first; ``state``
POST /retrain-proposals/{id}        {"decision", "by", "note"}
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from aiohttp import web

from analytics.registry.limits import MODELS_PAGE_MAX
from analytics.registry.plots import plots_of
from analytics.registry.records import Order, Standing, Version
from analytics.registry.series import SERIES, check_series
from analytics.server import Route, Services, answer, integer

_FILTERS: Final = ("series", "method", "state")
_INSIDE: Final = ("reference",)
"""What a version's document leaves out: where features lay is for the watch."""

Json = dict[str, Any]


async def list_models(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of versions; the cursor is the number of the last one before it."""
    limit, before = _page(request)
    filters = {name: request.query[name] for name in _FILTERS if name in request.query}
    ask = partial(services.registry.versions, filters, limit=limit, before=before)
    versions, following = await asyncio.to_thread(ask)
    return _answer_page([version_document(one) for one in versions], following)


async def show_model(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a version with its card and history."""
    version = await asyncio.to_thread(services.registry.find, request.match_info["id"])
    return answer(await _whole(services, version))


async def show_plots(services: Services, request: web.Request) -> web.StreamResponse:
    """Give the figures of a version's plots; a rule has none."""
    version = await asyncio.to_thread(services.registry.find, request.match_info["id"])
    manifest = await asyncio.to_thread(services.registry.manifest, version)
    return answer({"id": version.id, "plots": [asdict(plot) for plot in plots_of(manifest)]})


async def ask_training(services: Services, request: web.Request) -> web.StreamResponse:
    """Keep a training that is asked for; it begins when those before it have ended."""
    asked: Json = await request.json()
    series, features = asked["series"], asked["features"]
    method = asked["method"] or (SERIES[series].methods[0] if series in SERIES else "")
    check_series(series, method)
    order = Order(
        series=series,
        method=method,
        seed=asked["seed"],
        height=asked["height"],
        features=None if features is None else tuple(features),
        by=asked["by"],
    )
    training = await asyncio.to_thread(services.registry.trainings.ask, order)
    services.trainer.wake()
    return answer(training)


async def stand_model(services: Services, request: web.Request) -> web.StreamResponse:
    """Make a version champion, challenger or retired."""
    asked: Json = await request.json()
    stand = partial(
        services.registry.stand,
        request.match_info["id"],
        Standing(asked["state"]),
        by=asked["by"],
        reason=asked["reason"],
    )
    return answer(await _whole(services, await asyncio.to_thread(stand)))


async def list_trainings(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of trainings."""
    limit, before = _page(request)
    ask = partial(services.registry.trainings.page, limit=limit, before=before)
    return _answer_page(*await asyncio.to_thread(ask))


async def show_training(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a training."""
    show = services.registry.trainings.show
    return answer(await asyncio.to_thread(show, request.match_info["id"]))


async def list_proposals(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a page of proposals to train again."""
    limit, before = _page(request)
    state = request.query.get("state")
    ask = partial(services.registry.proposals.page, state, limit=limit, before=before)
    return _answer_page(*await asyncio.to_thread(ask))


async def decide_proposal(services: Services, request: web.Request) -> web.StreamResponse:
    """Accept a proposal, which asks for a training, or dismiss it."""
    asked: Json = await request.json()
    proposals = services.registry.proposals
    decide = proposals.accept if asked["decision"] == "accepted" else proposals.dismiss
    decided = partial(decide, request.match_info["id"], by=asked["by"], note=asked["note"])
    document = await asyncio.to_thread(decided)
    services.trainer.wake()
    return answer(document)


def version_document(version: Version) -> Json:
    """Return a version as JSON values."""
    return {name: value for name, value in asdict(version).items() if name not in _INSIDE}


async def _whole(services: Services, version: Version) -> Json:
    card = await asyncio.to_thread(services.registry.card, version)
    history = await asyncio.to_thread(services.registry.history, version.id)
    return version_document(version) | {"card": card, "history": history}


def _page(request: web.Request) -> tuple[int, int | None]:
    limit = min(integer(request, "limit", minimum=1), MODELS_PAGE_MAX)
    return limit, integer(request, "cursor") if "cursor" in request.query else None


def _answer_page(items: list[Json], following: int | None) -> web.Response:
    next_cursor = None if following is None else str(following)
    return answer({"items": items, "next_cursor": next_cursor})


ROUTES: Final = (
    Route(method="GET", path="/models", handler=list_models),
    Route(method="POST", path="/models", handler=ask_training),
    Route(method="GET", path="/models/{id}", handler=show_model),
    Route(method="GET", path="/models/{id}/plots", handler=show_plots),
    Route(method="POST", path="/models/{id}/standing", handler=stand_model),
    Route(method="GET", path="/trainings", handler=list_trainings),
    Route(method="GET", path="/trainings/{id}", handler=show_training),
    Route(method="GET", path="/retrain-proposals", handler=list_proposals),
    Route(method="POST", path="/retrain-proposals/{id}", handler=decide_proposal),
)
