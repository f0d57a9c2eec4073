"""Whether the node lives, serves, and what it says of itself: open to everyone."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from aiohttp import web

from node.api.documents import HealthDocument, StatusDocument
from node.api.operations import Access, Answer, Call, Content, NoQuery, Operation, json_response, ok
from node.api.problems import read_only, unavailable
from node.api.views import status_document
from node.metrics import CONTENT_TYPE

TAG: Final = "node"
VERSION: Final = version("sunlit")


async def health(_call: Call, _: NoQuery) -> web.Response:
    """Say that the process answers."""
    return json_response(HealthDocument(status="ok"))


async def readiness(call: Call, _: NoQuery) -> web.Response:
    """Say whether the node serves."""
    if call.backend.is_read_only():
        raise read_only()
    if not call.backend.is_ready():
        raise unavailable("not_ready", "The node is starting or stopping.")
    return json_response(HealthDocument(status="ok"))


async def metrics(call: Call, _: NoQuery) -> web.Response:
    """Give all metrics in Prometheus' text format."""
    call.backend.metrics.observe_status(call.backend.status())
    if call.backend.analytics is not None:
        call.backend.analytics.observe()
    return web.Response(body=call.backend.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


async def status(call: Call, _: NoQuery) -> web.Response:
    """Say which chain this is, where its head and its last final block are, and how it fares."""
    backend = call.backend
    document = status_document(
        backend.status(),
        chain_id=backend.chain_id,
        genesis_hash=call.genesis_hash,
        member=backend.member,
        version=VERSION,
    )
    if backend.analytics is not None:
        document["analytics"] = {
            "state": backend.analytics.state.value,
            "height": backend.analytics.height,
            "detection_height": backend.analytics.detection_height,
        }
    return json_response(document)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/healthz",
        name="get_health",
        summary="Whether the process answers",
        tag=TAG,
        access=Access.PROBE,
        handler=health,
        answers=ok(HealthDocument),
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="get_readiness",
        summary="Whether the node serves",
        tag=TAG,
        access=Access.PROBE,
        handler=readiness,
        answers=ok(HealthDocument),
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/metrics",
        name="get_metrics",
        summary="Metrics for Prometheus",
        tag=TAG,
        access=Access.PROBE,
        handler=metrics,
        answers={
            200: Answer(
                description="Prometheus' text format 0.0.4.",
                contents=(Content(media_type="text/plain", document=str),),
            )
        },
    ),
    Operation(
        method="GET",
        path="/v1/status",
        name="get_status",
        summary="Chain, head, last final block, finality, peers, mempool",
        tag=TAG,
        access=Access.OPEN,
        handler=status,
        answers=ok(StatusDocument),
    ),
)
