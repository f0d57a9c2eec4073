"""What the commands on models do: list, show, train, promote, and decide about training again."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from auditor.asking import read_items
from auditor.stream import regulator_key
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, progress, table
from wallet.errors import ApiError, InvalidRequest
from wallet.files import write_private
from wallet.session import Json

MODELS: Final = "/v1/audit/models"
TRAININGS: Final = "/v1/audit/trainings"
PROPOSALS: Final = "/v1/audit/retrain-proposals"
POLL_SECONDS: Final = 1.0
"""Time between two questions how far a training is, seconds."""
_MODEL_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_PROPOSAL_ID: Final = re.compile(r"proposal-[0-9a-f]{16}", re.ASCII)


async def list_models(
    session: Session,
    *,
    series: str | None,
    method: str | None,
    state: str | None,
    limit: int,
    reader: str | None,
) -> None:
    """Show models, the newest first."""
    asked = {"series": series, "method": method, "state": state}
    items = await _items(session, MODELS, asked, limit, reader)
    rows = [
        (one["id"], f"{one['series']}/{one['version']}", one["method"], one["state"],
         "" if one["data"] is None else str(one["data"]["to_height"]),
         "yes" if one["attestations"] else "")
        for one in items
    ]  # fmt: skip
    heads = ("ID", "MODEL", "METHOD", "STATE", "TO HEIGHT", "ATTESTED")
    session.show({"items": items}, table(heads, rows))


async def show_model(
    session: Session, *, model: str, output: Path | None, reader: str | None
) -> None:
    """Show a model; write its card where that is asked for.

    Raises:
        ApiError: ``bad_answer``: the card is not the one that the node says it is.
    """
    found = await _ask(session, "GET", f"{MODELS}/{model_of(model)}", None, reader)
    card = str(found["card"]).encode()
    if hashlib.sha256(card).hexdigest() != found["card_hash"]:
        raise ApiError("bad_answer", "the card does not have its hash", status=200)
    if output is not None:
        try:
            write_private(output, card, replace=False)
        except FileExistsError:
            detail = f"{output} is there already"
            raise InvalidRequest("file_exists", detail, path=str(output)) from None
    session.show(found, _lines(found))


async def train_model(
    session: Session,
    *,
    series: str,
    method: str | None,
    seed: int,
    height: int | None,
    features: str | None,
    wait: bool,
    reader: str | None,
) -> None:
    """Ask for a training, and show it; with ``wait`` once it has ended.

    Raises:
        ApiError: with the training's own code, where it failed.
    """
    named = None if features is None else [part.strip() for part in features.split(",")]
    document = {"series": series, "method": method, "seed": seed, "height": height}
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        client = connection.client
        training = await client.ask("POST", MODELS, document=document | {"features": named})
        if wait:
            training = await _ended(client, training)
    session.show(training, [_training_line(training)])


async def promote_model(
    session: Session, *, model: str, state: str, reason: str, reader: str | None
) -> None:
    """Make a model champion, challenger or retired, and show it."""
    document = {"state": state, "reason": reason}
    path = f"{MODELS}/{model_of(model)}/promote"
    found = await _ask(session, "POST", path, document, reader)
    session.show(found, _lines(found))


async def list_trainings(session: Session, *, limit: int, reader: str | None) -> None:
    """Show trainings, the newest first."""
    items = await _items(session, TRAININGS, {}, limit, reader)
    session.show({"items": items}, [_training_line(one) for one in items])


async def list_proposals(
    session: Session, *, state: str | None, limit: int, reader: str | None
) -> None:
    """Show proposals to train again, the newest first."""
    items = await _items(session, PROPOSALS, {"state": state}, limit, reader)
    session.show({"items": items}, [line for one in items for line in _proposal_lines(one)])


async def decide_proposal(
    session: Session, *, proposal: str, decision: str, note: str, reader: str | None
) -> None:
    """Accept a proposal or dismiss it, and show it."""
    if not _PROPOSAL_ID.fullmatch(proposal):
        detail = f"{proposal[:80]!r} is no proposal's id: proposal- and 16 hexadecimal digits"
        raise InvalidRequest("bad_proposal", detail, proposal=proposal[:80])
    document = {"decision": decision, "note": note}
    found = await _ask(session, "POST", f"{PROPOSALS}/{proposal}", document, reader)
    session.show(found, _proposal_lines(found))


def model_of(text: str) -> str:
    """Return the model's id that a word is.

    Raises:
        InvalidRequest: ``bad_model``.
    """
    if not _MODEL_ID.fullmatch(text):
        detail = f"{text[:80]!r} is no model's id: 16 hexadecimal digits"
        raise InvalidRequest("bad_model", detail, model=text[:80])
    return text


async def _ended(client: NodeClient, training: Json) -> Json:
    """Return a training once it has ended; tell how far it is meanwhile."""
    told = ""
    while training["state"] in ("queued", "running"):
        line = training["progress"] or training["state"]
        if line != told:
            progress(line)
            told = line
        await asyncio.sleep(POLL_SECONDS)
        training = await client.ask("GET", f"{TRAININGS}/{training['id']}")
    if training["state"] == "failed":
        raise ApiError(training["code"], training["detail"], status=200)
    return training


async def _items(
    session: Session, path: str, asked: dict[str, str | None], limit: int, reader: str | None
) -> list[Json]:
    query = {name: value for name, value in asked.items() if value is not None}
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        found = read_items(connection.client, path, query, items_max=limit)
        return [item async for item in found]


async def _ask(
    session: Session, method: str, path: str, document: Json | None, reader: str | None
) -> Json:
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        return await connection.client.ask(method, path, document=document)


def _lines(model: Json) -> Iterator[str]:
    yield f"{model['id']} {model['series']}/{model['version']} {model['method']} {model['state']}"
    yield f"card hash {model['card_hash']}"
    yield f"manifest hash {model['manifest_hash']}"
    if (data := model["data"]) is not None:
        yield f"learned from blocks {data['from_height']} to {data['to_height']}"
    for one in model["attestations"]:
        yield f"{one['kind']} attested by {one['member']} at height {one['height']}: {one['txid']}"
    if (compared := model["compared"]) is not None:
        measures = ", ".join(f"{n} {v:.6g}" for n, v in compared["metrics"].items())
        yield f"the champion of its day, {compared['champion']}, on the same rows: {measures}"
    for step in model["history"]:
        by = "the process" if step["by"] is None else f"{step['by'][:18]}…"
        yield f"{step['time']} {step['state']} by {by}: {step['reason']}"
    yield ""
    yield from model["card"].splitlines()


def _training_line(training: Json) -> str:
    what = f"{training['id']} {training['series']} {training['method']} {training['state']}"
    ended = training["model"] or training["detail"] or training["progress"]
    return f"{what}: {ended}" if ended else what


def _proposal_lines(proposal: Json) -> Iterator[str]:
    about = f"{proposal['series']}, of model {proposal['model']} at block {proposal['height']}"
    yield f"{proposal['id']} {proposal['state']}: {about}"
    for reason in proposal["reasons"]:
        yield f"  {reason['text']}"
    if proposal["training"] is not None:
        yield f"  {proposal['training']}"
