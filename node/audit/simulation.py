"""``POST /v1/audit/simulate`` and ``/v1/audit/cases/{case}/simulate``: freezes that were not."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from analytics.client import AnalyticsClient
from node.analytics.asking import analytics_of
from node.analytics.simulation_documents import (
    CaseSimulationBody,
    SimulationBody,
    SimulationDocument,
)
from node.api.bodies import read_body
from node.api.operations import Access, Call, Content, NoQuery, Operation, json_response, ok
from node.api.problems import invalid
from node.api.views import account_text
from node.audit.cases import CASE_BODY_BYTES_MAX, TAG, case_of


async def simulate_accounts(call: Call, _: NoQuery) -> web.Response:
    """Give what a freeze of accounts would have changed of the history."""
    client = analytics_of(call).client
    body = await read_body(call.request, SimulationBody, bytes_max=CASE_BODY_BYTES_MAX)
    asked = {"accounts": [account_text(account) for account in body.accounts]}
    return await _simulation(call, client, "/simulations", body, asked)


async def simulate_case(call: Call, _: NoQuery) -> web.Response:
    """Give what a freeze of a case's accounts would have changed of the history."""
    client, case_id = analytics_of(call).client, case_of(call)
    body = await read_body(call.request, CaseSimulationBody, bytes_max=CASE_BODY_BYTES_MAX)
    return await _simulation(call, client, f"/cases/{case_id}/simulation", body, {})


async def _simulation(
    call: Call,
    client: AnalyticsClient,
    path: str,
    body: SimulationBody | CaseSimulationBody,
    asked: dict[str, Any],
) -> web.Response:
    call.release_view()
    if body.height is not None and body.until is not None and body.until < body.height:
        message = "a replay ends at the freeze's block or above it"
        raise invalid("/until", message, code="conflicting_parameters")
    asked |= {"height": body.height, "until": body.until}
    return json_response(await client.post(path, asked))


OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/audit/simulate",
        name="simulate_freeze",
        summary="What a freeze would have changed, replayed on history",
        tag=TAG,
        access=Access.REGULATOR,
        handler=simulate_accounts,
        bodies=(Content(document=SimulationBody),),
        answers=ok(SimulationDocument),
        problems=(400, 404, 409, 413, 415, 503, 504),
    ),
    Operation(
        method="POST",
        path="/v1/audit/cases/{case}/simulate",
        name="simulate_case",
        summary="What the freezes that a case drafts would have changed, replayed on history",
        tag=TAG,
        access=Access.REGULATOR,
        handler=simulate_case,
        bodies=(Content(document=CaseSimulationBody),),
        answers=ok(SimulationDocument),
        problems=(400, 404, 409, 413, 415, 503, 504),
    ),
)
