"""Cases over the API: from alerts to the draft, the measure on the chain, and the export."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from analytics.alerts import Alert, Reason, Severity, alert_id
from analytics.progress import Progress
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from consensus.bundle import VerifiedTransaction
from ledger.limits import REASON_BYTES_MAX
from ledger.proposal_document import parse_proposal
from ledger.proposals import add_signature, complete
from ledger.transactions import Signature
from node.audit.response import reason_of
from tests.factories import REGULATOR
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import add_alert, serving_warehouse
from wallet.evidence import check_bundle

Json = dict[str, Any]
CASES = "/v1/audit/cases"


class Desk:
    """An officer at work: the API, the warehouse, the alerts."""

    def __init__(
        self, node: ServedNode, client: Client, warehouse: Warehouse, progress: Progress
    ) -> None:
        self.node, self.client, self.warehouse = node, client, warehouse
        self._progress = progress
        self._headers = bearer(node.officer_token("regulator"))

    def follow(self) -> None:
        """Take the final blocks that the warehouse lacks."""
        last = self.node.view().final.height
        lacking = range(self.warehouse.ingested.height + 1, last + 1)
        blocks = {one.height: one.block for one in self.node.head.ancestry()}
        self.warehouse.append([blocks[height] for height in lacking])
        self._progress.ingest(self.warehouse.ingested)

    def warn(self, account: str | None, *, height: int = 1) -> str:
        """Add an alert that rests on a block's payment, and return its id."""
        block = self.node.head.ancestry()[height].block
        txid = block.transactions[0].txid.hex()
        alert = Alert(
            id=alert_id("fan_in", account, height, txid),
            typology="fan_in",
            severity=Severity.HIGH,
            account=account,
            score=0.5,
            reasons=(Reason(feature="payers", value=9, contribution=0.5, text="9 payers"),),
            transactions=(txid,),
            height=height,
            time_ms=block.header.time_ms,
            model="fan_in/1",
        )
        add_alert(self.warehouse, alert)
        return alert.id

    async def get(self, path: str, status: int = 200) -> Json:
        """Return what is answered, a problem where the status is one."""
        response = await self.client.get(path, headers=self._headers)
        return await self._answer(response, status)

    async def post(self, path: str, document: Json | None = None, status: int = 200) -> Json:
        """Return what is answered to a document."""
        response = await self.client.post(path, json=document, headers=self._headers)
        return await self._answer(response, status)

    async def archive(self, case_id: str) -> zipfile.ZipFile:
        """Return a case's export."""
        url = f"{CASES}/{case_id}/export"
        response = await self.client.get(url, headers=self._headers)
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "application/zip"
        return zipfile.ZipFile(io.BytesIO(await response.read()))

    async def _answer(self, response: Any, status: int) -> Json:
        if status >= 400:
            return await problem(response, status)
        assert response.status == status, await response.text()
        document: Json = await response.json()
        return document


@pytest.fixture
async def desk(node: ServedNode, client: Client, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return the desk over the node's own final blocks."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), node.genesis)
    async with serving_warehouse(node, made, tmp_path) as progress:
        desk = Desk(node, client, made, progress)
        desk.follow()
        yield desk
    made.close()


async def test_an_alert_becomes_a_measure_with_its_effect(desk: Desk) -> None:
    """Drafted once, signed by two officers, applied: the case says so and shows what it did."""
    node = desk.node
    alice = node.account_text("alice")
    alert = desk.warn(alice)
    answer = await desk.post(f"/v1/audit/alerts/{alert}/response")
    case = answer["case"]
    assert (case["state"], case["accounts"]) == ("measure_proposed", [alice])
    assert await desk.post(f"/v1/audit/alerts/{alert}/response") == answer
    proposal = parse_proposal(json.dumps(answer["proposal"]))
    (freeze,) = proposal.effect.measures
    assert (freeze.case, freeze.reason) == (case["id"], "fan_in: 9 payers")
    assert proposal.signatures == ()
    for signer in node.network.officers[REGULATOR][:2]:
        signature = Signature(signer.public_key, signer.sign(proposal.message))
        proposal = add_signature(proposal, signature)
    applied = node.connect(complete(proposal))
    node.finalize(node.connect(node.network.issue(node.network.entry("bob", 5))))
    desk.follow()
    shown = await desk.get(f"{CASES}/{case['id']}")
    assert shown["state"] == "measure_applied"
    assert [step["by"] is None for step in shown["history"]] == [False, False, True]
    (measure,) = shown["measures"]
    txid = proposal.txid.hex()
    assert (measure["txid"], measure["height"]) == (txid, applied.height)
    (effect,) = shown["effects"]
    assert effect["status"] == "frozen"
    assert effect["frozen_since"]["txid"] == txid
    assert {one["asset"] for one in effect["balances"]} == {"CNY", "USD"}
    assert txid in shown["transactions"]
    with await desk.archive(case["id"]) as archive:
        names = {"case.json", *(f"evidence/{one}.json" for one in shown["transactions"])}
        assert set(archive.namelist()) == names
        assert json.loads(archive.read("case.json")) == shown
        for one in shown["transactions"]:
            bundle = json.loads(archive.read(f"evidence/{one}.json"))
            anchor = node.genesis.header().hash
            proved = check_bundle(bundle, genesis=node.genesis, anchor=anchor)
            assert isinstance(proved, VerifiedTransaction)
            assert proved.transaction.txid.hex() == one


async def test_cases_are_opened_noted_moved_and_found(desk: Desk) -> None:
    """From two alerts, by hand; opening the same again finds it."""
    alerts = [desk.warn(desk.node.account_text(name)) for name in ("alice", "bob")]
    document = {"alerts": alerts, "title": "two at once"}
    case = await desk.post(CASES, document, 201)
    assert (case["state"], case["title"]) == ("open", "two at once")
    assert [alert["id"] for alert in case["alerts"]] == alerts
    assert (await desk.post(CASES, document))["id"] == case["id"]
    path = f"{CASES}/{case['id']}"
    noted = await desk.post(f"{path}/notes", {"text": "called bank1"})
    assert [note["text"] for note in noted["notes"]] == ["called bank1"]
    assert noted["notes"][0]["officer"] == case["officer"]
    moved = await desk.post(f"{path}/state", {"state": "in_review"})
    assert moved["state"] == "in_review"
    page = await desk.get(f"{CASES}?state=in_review&alert={alerts[1]}")
    assert [item["id"] for item in page["items"]] == [case["id"]]
    assert (await desk.get(f"{CASES}?state=open"))["items"] == []
    other = desk.node.network.officers[REGULATOR][1].public_key.hex()
    handed = await desk.post(f"{path}/state", {"state": "in_review", "officer": other})
    assert handed["officer"] == other


async def test_refusals_say_why(desk: Desk) -> None:
    """Each by status and code, and nothing is kept of what was refused."""
    alice = desk.node.account_text("alice")
    alert, market = desk.warn(alice), desk.warn(None)
    unknown = "00" * 16
    for path, document, status, code in (
        (f"/v1/audit/alerts/{unknown}/response", None, 404, "unknown_alert"),
        (f"/v1/audit/alerts/{market}/response", None, 409, "alert_without_account"),
        (CASES, {"alerts": [unknown]}, 404, "unknown_alert"),
        (CASES, {"alerts": []}, 422, "invalid_field"),
        (CASES, {"alerts": [alert], "officer": "02" * 33}, 422, "not_an_officer"),
        (CASES, {"alerts": [alert], "surplus": 1}, 422, "invalid_field"),
        (f"{CASES}/case-{'0' * 16}/notes", {"text": "a"}, 404, "unknown_case"),
        (f"{CASES}/case-{'0' * 16}/state", {"state": "closed"}, 404, "unknown_case"),
        (f"{CASES}/nonsense/notes", {"text": "a"}, 422, "invalid_field"),
        ("/v1/audit/alerts/nonsense/response", None, 422, "invalid_field"),
    ):
        assert (await desk.post(path, document, status))["code"] == code, path
    assert (await desk.get(CASES))["items"] == []
    case = await desk.post(CASES, {"alerts": [alert]}, 201)
    path = f"{CASES}/{case['id']}"
    refused = await desk.post(f"{path}/state", {"state": "measure_applied"}, 409)
    assert refused["code"] == "case_transition"
    refused = await desk.post(f"{path}/notes", {"text": "a" * 4_001}, 422)
    assert refused["errors"][0]["pointer"] == "/text"
    refused = await desk.post(CASES, {"alerts": [alert, desk.warn(alice, height=2)]}, 409)
    assert refused["code"] == "alert_in_case"


def test_long_reasons_are_cut_to_what_a_measure_may_say() -> None:
    """At most 280 bytes, between characters, and it can be seen."""
    text = "电汇" * 200
    reason = reason_of({"typology": "velocity", "reasons": [{"text": text}]})
    assert len(reason.encode()) <= REASON_BYTES_MAX
    assert reason.startswith("velocity: 电汇")
    assert reason.endswith("…")
