"""What the commands on cases do: open, note, move, show, export, and answer an alert."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from auditor.asking import read_items
from auditor.stream import regulator_key
from ledger.addresses import encode_account_id
from ledger.proposal_document import format_proposal, parse_proposal
from wallet.connection import connect
from wallet.console import Session, table
from wallet.errors import ApiError, InvalidRequest
from wallet.files import sync_directory, temporary_beside, write_private
from wallet.keystore import Keystore
from wallet.naming import account_of
from wallet.session import Json

CASES: Final = "/v1/audit/cases"
EXPORT_BYTES_MAX: Final = 4 * 1024 * 1024 * 1024
"""Largest export that is taken, bytes."""
_ALERT_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CASE_ID: Final = re.compile(r"case-[0-9a-f]{16}", re.ASCII)


async def list_cases(
    session: Session,
    *,
    state: str | None,
    account: str | None,
    alert: str | None,
    limit: int,
    reader: str | None,
) -> None:
    """Show cases, the newest first."""
    keystore = session.keystore()
    query = {name: text for name, text in (("state", state), ("alert", alert)) if text is not None}
    if account is not None:
        query["account"] = encode_account_id(account_of(keystore, account))
    key = regulator_key(keystore, reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        found = read_items(connection.client, CASES, query, items_max=limit)
        items = [item async for item in found]
    rows = [(one["id"], one["state"], one["changed_time"], one["title"]) for one in items]
    session.show({"items": items}, table(("ID", "STATE", "CHANGED", "TITLE"), rows))


async def show_case(session: Session, *, case: str, reader: str | None) -> None:
    """Show a case."""
    await _tell(session, "GET", f"{CASES}/{case_of(case)}", None, reader)


async def open_case(
    session: Session, *, alerts: tuple[str, ...], title: str | None, reader: str | None
) -> None:
    """Open a case from alerts."""
    document = {"alerts": [alert_of(alert) for alert in alerts], "title": title}
    await _tell(session, "POST", CASES, document, reader)


async def add_note(session: Session, *, case: str, text: str, reader: str | None) -> None:
    """Add a note to a case."""
    await _tell(session, "POST", f"{CASES}/{case_of(case)}/notes", {"text": text}, reader)


async def move_case(
    session: Session, *, case: str, state: str, officer: str | None, reader: str | None
) -> None:
    """Move a case to a state, or hand it on."""
    key = None if officer is None else session.keystore().entry(officer).public_key.hex()
    document = {"state": state, "officer": key}
    await _tell(session, "POST", f"{CASES}/{case_of(case)}/state", document, reader)


async def export_case(session: Session, *, case: str, output: Path, reader: str | None) -> None:
    """Write a case's export to a new file, for its owner alone."""
    _require_new(output)
    path = f"{CASES}/{case_of(case)}/export"
    key = regulator_key(session.keystore(), reader)
    temporary = temporary_beside(output)
    temporary.touch(mode=0o600)
    try:
        async with connect(session.profile(), key, url=session.node) as connection:
            size = 0
            with temporary.open("wb") as file:
                async with connection.client.stream(path, {}) as chunks:
                    async for chunk in chunks:
                        size += len(chunk)
                        if size > EXPORT_BYTES_MAX:
                            detail = f"the export is larger than {EXPORT_BYTES_MAX} bytes"
                            raise ApiError("bad_answer", detail, status=200)
                        file.write(chunk)
        temporary.replace(output)
        sync_directory(output.parent)
    finally:
        temporary.unlink(missing_ok=True)
    document = {"case": case, "file": str(output), "bytes": size}
    session.show(document, [f"{case} with its evidence is in {output}"])


async def respond(session: Session, *, alert: str, output: Path, reader: str | None) -> None:
    """Have the measure drafted that answers an alert, and write it as a proposal's file."""
    _require_new(output)
    profile = session.profile()
    key = regulator_key(session.keystore(), reader)
    async with connect(profile, key, url=session.node) as connection:
        path = f"/v1/audit/alerts/{alert_of(alert)}/response"
        answer = await connection.client.ask("POST", path)
    proposal = parse_proposal(json.dumps(answer["proposal"]))
    if proposal.body.genesis_hash != profile.genesis_hash or proposal.signatures:
        raise ApiError("bad_answer", "the proposal is no draft for this chain", status=200)
    write_private(output, format_proposal(proposal).encode(), replace=False)
    case = answer["case"]["id"]
    document = {"case": case, "file": str(output), "txid": proposal.txid.hex()}
    lines = [
        f"{case} is {answer['case']['state']}; the draft is in {output}",
        f"next: sunlit govern sign {output} --as {key.entry.name}",
    ]
    session.show(document, lines)


def alert_of(text: str) -> str:
    """Return the alert id that a word is.

    Raises:
        InvalidRequest: ``bad_alert``.
    """
    if not _ALERT_ID.fullmatch(text):
        detail = f"{text[:80]!r} is no alert id: 32 hexadecimal digits"
        raise InvalidRequest("bad_alert", detail, alert=text[:80])
    return text


def case_of(text: str) -> str:
    """Return the case id that a word is.

    Raises:
        InvalidRequest: ``bad_case``.
    """
    if not _CASE_ID.fullmatch(text):
        detail = f"{text[:80]!r} is no case id: case- and 16 hexadecimal digits"
        raise InvalidRequest("bad_case", detail, case=text[:80])
    return text


def _require_new(path: Path) -> None:
    if path.exists():
        raise InvalidRequest("file_exists", f"{path} is there already", path=str(path))


async def _tell(
    session: Session, method: str, path: str, document: Json | None, reader: str | None
) -> None:
    """Ask something of a case and show it as it is then."""
    keystore = session.keystore()
    key = regulator_key(keystore, reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        case = await connection.client.ask(method, path, document=document)
    session.show(case, _lines(case, keystore))


def _lines(case: Json, keystore: Keystore) -> Iterator[str]:
    names = {entry.public_key.hex(): entry.name for entry in keystore.entries()}

    def named(officer: str | None) -> str:
        return "the chain" if officer is None else names.get(officer, f"{officer[:18]}…")

    yield f"{case['id']} {case['state']}: {case['title']}"
    yield f"officer {named(case['officer'])}, opened {case['opened_time']}"
    for alert in case["alerts"]:
        yield f"alert {alert['id']} {alert['severity']} {alert['typology']} {alert['score']:.2f}"
    yield f"{len(case['transactions'])} transactions"
    for measure in case["measures"]:
        where = f"at height {measure['height']} in {measure['txid']}"
        yield f"{measure['measure']} of {measure['account']} {where}"
    for effect in case["effects"]:
        held = ", ".join(f"{one['amount']} {one['asset']}" for one in effect["balances"])
        since = effect["frozen_since"]
        frozen = "" if since is None else f" since height {since['height']}"
        yield f"{effect['account']} is {effect['status']}{frozen}, holding {held or 'nothing'}"
    for step in case["history"]:
        yield f"{step['time']} {step['state']} by {named(step['by'])}"
    for note in case["notes"]:
        yield f"{note['time']} {named(note['officer'])}: {note['text']}"
