"""``/v1/audit/models`` and what belongs to it, over a registry: lists, promotion, attestations."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analytics.registry.records import RULES, Version
from analytics.registry.store import Registry
from analytics.server import Services
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.attestations import DocumentKind
from tests.factories import REGULATOR
from tests.unit.analytics.registry.folders import filled, new
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import serving_services

Json = dict[str, Any]
MODELS = "/v1/audit/models"


class Desk:
    """An officer at work: the API, the registry."""

    def __init__(self, node: ServedNode, client: Client, services: Services) -> None:
        self.node, self.client = node, client
        self.registry: Registry = services.registry
        self._headers = bearer(node.officer_token("regulator"))

    def enter(self, text: str, *, by: str | None = None, series: str = "groups") -> Version:
        """Enter a model whose card is a text."""
        with self.registry.new_folder() as folder:
            return self.registry.enter(filled(folder, text), new(series, by=by))

    async def get(self, path: str, status: int = 200) -> Json:
        """Return the document at a path, or the problem."""
        response = await self.client.get(path, headers=self._headers)
        if status != 200:
            return await problem(response, status)
        assert response.status == 200, await response.text()
        document: Json = await response.json()
        return document

    async def post(self, path: str, body: Json, status: int = 200) -> Json:
        """Send a body; return the document, or the problem."""
        response = await self.client.post(path, json=body, headers=self._headers)
        if status >= 400:
            return await problem(response, status)
        assert response.status == status, await response.text()
        document: Json = await response.json()
        return document


@pytest.fixture
async def desk(node: ServedNode, client: Client, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return an officer at a regulator's node."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), node.genesis)
    async with serving_services(node, made, tmp_path) as services:
        yield Desk(node, client, services)
    made.close()


async def test_models_are_listed_and_shown(desk: Desk) -> None:
    """Newest first, by filter and page; one of them with its card, whose bytes have the hash."""
    first, second = desk.enter("one"), desk.enter("two")
    with desk.registry.new_folder() as folder:
        desk.registry.enter(filled(folder, "a rule"), new("fan_in", method=RULES))
    page = await desk.get(f"{MODELS}?limit=1&series=groups")
    assert [one["id"] for one in page["items"]] == [second.id]
    page = await desk.get(f"{MODELS}?series=groups&cursor={page['next_cursor']}")
    assert ([one["id"] for one in page["items"]], page["next_cursor"]) == ([first.id], None)
    (rule,) = (await desk.get(f"{MODELS}?method=rules"))["items"]
    assert (rule["series"], rule["state"]) == ("fan_in", "champion")
    shown = await desk.get(f"{MODELS}/{first.id}")
    assert hashlib.sha256(shown["card"].encode()).hexdigest() == shown["card_hash"]
    assert [step["state"] for step in shown["history"]] == ["candidate"]
    assert (await desk.get(f"{MODELS}/{'0' * 16}", 404))["code"] == "unknown_model"
    assert (await desk.get(f"{MODELS}/groups", 422))["code"] == "invalid_field"
    damaged = desk.registry.folder(second) / "card.md"
    damaged.write_text("other")
    assert (await desk.get(f"{MODELS}/{second.id}", 409))["code"] == "model_damaged"


async def test_the_attested_hash_is_shown(desk: Desk) -> None:
    """What the regulator attests under the model's id, of these bytes; another hash is none."""
    version = desk.enter("one")
    manifest = (desk.registry.folder(version) / "model.json").read_bytes()
    for sequence, (kind, revision, content) in enumerate(
        (
            (DocumentKind.MODEL_CARD, 1, b"an earlier card"),
            (DocumentKind.MODEL_CARD, 2, b"one"),
            (DocumentKind.MODEL, 1, manifest),
        )
    ):
        transaction = desk.node.network.attest(
            content,
            kind=kind,
            subject=version.id,
            revision=revision,
            member=REGULATOR,
            sequence=sequence,
        )
        desk.node.connect(transaction)
    assert (await desk.get(f"{MODELS}/{version.id}"))["attestations"] == []
    desk.node.finalize(desk.node.connect())
    expected = [("model_card", 2, version.card_hash), ("model", 1, version.manifest_hash)]
    for document in (
        await desk.get(f"{MODELS}/{version.id}"),
        (await desk.get(MODELS))["items"][0],
    ):
        found = document["attestations"]
        told = [(one["kind"], one["revision"], one["sha256"]) for one in found]
        assert told == expected
        assert {one["member"] for one in found} == {"regulator"}
        assert found[0]["height"] == found[1]["height"] - 1


async def test_an_officer_promotes_and_goes_back(desk: Desk) -> None:
    """With the officer's key from the token; what the officer trained another must promote."""
    first, second = desk.enter("one"), desk.enter("two")
    for version in (first, second):
        await desk.post(f"{MODELS}/{version.id}/promote", {})
    shown = await desk.post(f"{MODELS}/{first.id}/promote", {"reason": "why"})
    officer = shown["history"][-1]["by"]
    assert (shown["history"][-1]["reason"], len(officer)) == ("why", 66)
    states = {one["id"]: one["state"] for one in (await desk.get(MODELS))["items"]}
    assert states == {first.id: "champion", second.id: "retired"}
    own = desk.enter("three", by=officer)
    path = f"{MODELS}/{own.id}/promote"
    assert (await desk.post(path, {}, 409))["code"] == "same_officer"
    assert (await desk.post(path, {"state": "challenger"}))["state"] == "challenger"
    assert (await desk.post(path, {"state": "candidate"}, 422))["code"] == "invalid_field"


async def test_trainings_are_asked_for_and_seen(desk: Desk) -> None:
    """They wait here, because nobody runs them; what does not go together is refused."""
    asked = {"series": "account-warnings", "seed": 3, "height": 0}
    training = await desk.post(MODELS, asked, 202)
    assert (training["method"], training["state"], training["ended"]) == (
        "random-forest",
        "queued",
        None,
    )
    path = f"/v1/audit/trainings/{training['id']}"
    assert await desk.get(path) == training
    assert (await desk.get("/v1/audit/trainings"))["items"] == [training]
    for body, code in (
        ({"series": "weather"}, "invalid_field"),
        ({"series": "account-groups", "method": "logistic"}, "conflicting_parameters"),
        ({"series": "account-groups", "seed": -1}, "invalid_field"),
        ({"series": "account-groups", "features": []}, "invalid_field"),
    ):
        assert (await desk.post(MODELS, body, 422))["code"] == code
    assert (await desk.get(path[:-1] + "g", 422))["code"] == "invalid_field"
    unknown = f"/v1/audit/trainings/training-{'0' * 16}"
    assert (await desk.get(unknown, 404))["code"] == "unknown_training"


async def test_proposals_are_decided(desk: Desk) -> None:
    """Accepted, it names the training that follows; once."""
    version = desk.enter("one")
    reasons = [{"kind": "feature_shift", "name": "payees", "value": 0.4, "text": "it shifted"}]
    desk.registry.proposals.open_one(version, height=7, reasons=reasons)
    proposals = "/v1/audit/retrain-proposals"
    (proposal,) = (await desk.get(f"{proposals}?state=open"))["items"]
    assert (proposal["reasons"], proposal["decided"]) == (reasons, None)
    path = f"{proposals}/{proposal['id']}"
    done = await desk.post(path, {"decision": "accepted", "note": "yes"})
    assert (done["state"], done["note"]) == ("accepted", "yes")
    training = await desk.get(f"/v1/audit/trainings/{done['training']}")
    assert training["proposal"] == proposal["id"]
    assert (await desk.post(path, {"decision": "dismissed"}, 409))["code"] == "proposal_decided"
    assert (await desk.get(f"{proposals}?state=open"))["items"] == []
    unknown = f"{proposals}/proposal-{'0' * 16}"
    answer = await desk.post(unknown, {"decision": "dismissed"}, 404)
    assert answer["code"] == "unknown_proposal"
