"""``/v1/audit/models``, ``trainings`` and ``retrain-proposals``: which models speak, and who decided it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Final, cast

from aiohttp import web
from pydantic import Field

from ledger.attestations import Attestation, DocumentKind
from ledger.attesting import attestation_name, attestation_prefix
from ledger.identity import MemberId
from node.analytics.asking import analytics_of
from node.analytics.model_documents import (
    MODEL_PATTERN,
    PROPOSAL_PATTERN,
    TRAINING_PATTERN,
    DecisionBody,
    ModelDocument,
    ModelEntryDocument,
    NameText,
    PlotsDocument,
    PromotionBody,
    ProposalStateName,
    RetrainProposalDocument,
    StandingName,
    TrainingBody,
    TrainingDocument,
)
from node.api.bodies import read_body
from node.api.documents import Page
from node.api.operations import Access, Answer, Call, Content, NoQuery, Operation, json_response, ok
from node.api.queries import PageQuery, parse_number_cursor
from node.audit.cases import caller_key, named, told
from node.storage.view import At

TAG: Final = "audit"
MODEL_BODY_BYTES_MAX: Final = 64 * 1024
"""Largest body of a request about models, bytes."""
MODELS_BETWEEN_PAUSES: Final = 50
"""Models whose attestations are looked up before others are served."""
_ATTESTED: Final = (("card_hash", DocumentKind.MODEL_CARD), ("manifest_hash", DocumentKind.MODEL))
"""What of a model is attested, and as what."""


class ModelsQuery(PageQuery):
    """Which models; all conditions hold together."""

    series: Annotated[NameText | None, Field(description="The question, or a rule's name.")] = None
    method: Annotated[NameText | None, Field(description="`rules` for what nobody trained.")] = None
    state: Annotated[StandingName | None, Field(description="What it is to its series.")] = None


class ProposalsQuery(PageQuery):
    """Which proposals."""

    state: Annotated[ProposalStateName | None, Field(description="What became of it.")] = None


async def list_models(call: Call, query: ModelsQuery) -> web.Response:
    """Give versions of models, the newest first."""
    asked = _asked(query, "series", "method", "state")
    page = told(await analytics_of(call).client.get("/models", asked))
    for place, model in enumerate(page["items"], start=1):
        model["attestations"] = list(_attestations(call, model))
        if place % MODELS_BETWEEN_PAUSES == 0:
            await asyncio.sleep(0)
    return json_response(page)


async def train_model(call: Call, _: NoQuery) -> web.Response:
    """Ask for a training; it begins when those before it have ended."""
    client = analytics_of(call).client
    body = await read_body(call.request, TrainingBody, bytes_max=MODEL_BODY_BYTES_MAX)
    asked = body.model_dump() | {"by": caller_key(call)}
    return json_response(_training(await client.post("/models", asked)), status=202)


async def show_model(call: Call, _: NoQuery) -> web.Response:
    """Give a version with its card and history."""
    client, model_id = analytics_of(call).client, _model(call)
    return json_response(_whole(call, await client.get(f"/models/{model_id}")))


async def show_model_plots(call: Call, _: NoQuery) -> web.Response:
    """Give the figures of a version's plots."""
    client, model_id = analytics_of(call).client, _model(call)
    return json_response(await client.get(f"/models/{model_id}/plots"))


async def promote_model(call: Call, _: NoQuery) -> web.Response:
    """Make a version champion, challenger or retired; an earlier champion again is the way back."""
    client, model_id = analytics_of(call).client, _model(call)
    body = await read_body(call.request, PromotionBody, bytes_max=MODEL_BODY_BYTES_MAX)
    asked = body.model_dump() | {"by": caller_key(call)}
    return json_response(_whole(call, await client.post(f"/models/{model_id}/standing", asked)))


async def list_trainings(call: Call, query: PageQuery) -> web.Response:
    """Give trainings, the newest first."""
    page = await analytics_of(call).client.get("/trainings", _asked(query))
    return json_response(page | {"items": [_training(one) for one in page["items"]]})


async def show_training(call: Call, _: NoQuery) -> web.Response:
    """Give a training: how far it is, and what it made."""
    client = analytics_of(call).client
    training = named(call, "training", TRAINING_PATTERN, "the id of a training, training-…")
    return json_response(_training(await client.get(f"/trainings/{training}")))


async def list_proposals(call: Call, query: ProposalsQuery) -> web.Response:
    """Give proposals to train again, the newest first."""
    page = await analytics_of(call).client.get("/retrain-proposals", _asked(query, "state"))
    return json_response(page | {"items": [_proposal(one) for one in page["items"]]})


async def decide_proposal(call: Call, _: NoQuery) -> web.Response:
    """Accept a proposal, which asks for its training, or dismiss it."""
    client = analytics_of(call).client
    proposal = named(call, "proposal", PROPOSAL_PATTERN, "the id of a proposal, proposal-…")
    body = await read_body(call.request, DecisionBody, bytes_max=MODEL_BODY_BYTES_MAX)
    asked = body.model_dump() | {"by": caller_key(call)}
    return json_response(_proposal(await client.post(f"/retrain-proposals/{proposal}", asked)))


def _asked(query: PageQuery, *names: str) -> dict[str, str]:
    """Return a list's conditions as the analytics process takes them."""
    asked = {"limit": str(query.limit)}
    if (before := parse_number_cursor(query.cursor)) is not None:
        asked["cursor"] = str(before)
    values = {name: getattr(query, name) for name in names}
    return asked | {name: value for name, value in values.items() if value is not None}


def _model(call: Call) -> str:
    return named(call, "model", MODEL_PATTERN, "the id of a model, 16 hexadecimal digits")


def _whole(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = told(found)
    return document | {"attestations": list(_attestations(call, document))}


def _training(found: dict[str, Any]) -> dict[str, Any]:
    return _with_times(found, "asked_ms", "started_ms", "ended_ms")


def _proposal(found: dict[str, Any]) -> dict[str, Any]:
    return _with_times(found, "time_ms", "decided_ms")


def _with_times(found: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a document with its times as people read them; what has not come yet is null."""
    lacking = {name: None for name in names if found[name] is None}
    document: dict[str, Any] = told({n: v for n, v in found.items() if n not in lacking})
    return document | {name.removesuffix("_ms"): None for name in lacking}


def _attestations(call: Call, model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the final attestations of a model by the node's member and the caller's."""
    for member in sorted({call.backend.member, call.caller.member}):
        for name, kind in _ATTESTED:
            prefix = attestation_prefix(MemberId(member), kind, model["id"])
            for key, record in call.view.lasting_records(prefix, At.FINAL):
                attestation = cast("Attestation", record)
                if attestation.sha256.hex() == model[name]:
                    yield {
                        "kind": kind.value,
                        "member": member,
                        "revision": attestation_name(key).revision,
                        "sha256": model[name],
                        "height": attestation.height,
                        "txid": attestation.txid.hex(),
                    }


_BODY_PROBLEMS: Final = (400, 404, 409, 413, 415, 503)

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/models",
        name="list_models",
        summary="Models and rules that speak or could, the newest first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_models,
        query=ModelsQuery,
        answers=ok(Page[ModelEntryDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/models",
        name="train_model",
        summary="Train a model on the ledger's features",
        tag=TAG,
        access=Access.REGULATOR,
        handler=train_model,
        bodies=(Content(document=TrainingBody),),
        answers={
            202: Answer(
                description="It waits for its turn.", contents=(Content(document=TrainingDocument),)
            )
        },
        problems=(400, 404, 413, 415, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/models/{model}",
        name="get_model",
        summary="A model with its card, history and attestations",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_model,
        answers=ok(ModelDocument),
        problems=(404, 409, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/models/{model}/plots",
        name="get_model_plots",
        summary="The figures of a model's plots: calibration, importances, groups",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_model_plots,
        answers=ok(PlotsDocument),
        problems=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/models/{model}/promote",
        name="promote_model",
        summary="Make a model champion, challenger or retired",
        tag=TAG,
        access=Access.REGULATOR,
        handler=promote_model,
        bodies=(Content(document=PromotionBody),),
        answers=ok(ModelDocument),
        problems=_BODY_PROBLEMS,
    ),
    Operation(
        method="GET",
        path="/v1/audit/trainings",
        name="list_trainings",
        summary="Trainings, the newest first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_trainings,
        query=PageQuery,
        answers=ok(Page[TrainingDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/trainings/{training}",
        name="get_training",
        summary="How far a training is, and what it made",
        tag=TAG,
        access=Access.REGULATOR,
        handler=show_training,
        answers=ok(TrainingDocument),
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/retrain-proposals",
        name="list_retrain_proposals",
        summary="Proposals to train a model again, the newest first",
        tag=TAG,
        access=Access.REGULATOR,
        handler=list_proposals,
        query=ProposalsQuery,
        answers=ok(Page[RetrainProposalDocument]),
        problems=(404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/retrain-proposals/{proposal}",
        name="decide_retrain_proposal",
        summary="Accept a proposal to train again, or dismiss it",
        tag=TAG,
        access=Access.REGULATOR,
        handler=decide_proposal,
        bodies=(Content(document=DecisionBody),),
        answers=ok(RetrainProposalDocument),
        problems=_BODY_PROBLEMS,
    ),
)
