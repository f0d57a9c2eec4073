"""What the attesting commands do: hash a document, find its revision, send, look attestations up.

The document never leaves this machine: its hash does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.attestations import Attest, DocumentKind, subject_text
from ledger.attesting import attested_name
from ledger.identity import MemberId
from wallet.connection import Connection, connect
from wallet.console import Session, progress, table
from wallet.documents import file_hash
from wallet.errors import ApiError, InvalidRequest, OutboxError
from wallet.keystore import KeyRole, Keystore
from wallet.naming import officer_keys
from wallet.outbox import Outbox
from wallet.payments import prepare_draft, send_prepared
from wallet.sending import Draft

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COLUMNS: Final = ("member", "kind", "subject", "revision", "height", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is attested: a document, by its file or its hash."""

    file: Path | None
    """The document; None where its hash is given."""
    sha256: str | None
    """Its SHA-256 in hexadecimal; None where the file is given."""
    kind: DocumentKind
    """What it is."""
    subject: str
    """What it is about."""

    def digest(self) -> str:
        """Return the SHA-256 of the document in lower-case hexadecimal.

        Raises:
            InvalidRequest: ``bad_sha256`` or ``document_unreadable``.
        """
        return file_hash(self.file) if self.file is not None else _checked_hash(self.sha256 or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The newest attestation of a member, kind and subject at the head."""

    revision: int
    """Its revision; 0 where there is none."""
    sha256: str
    """Its hash; empty where there is none."""
    txid: str
    """Its transaction; empty where there is none."""


async def attest_document(
    session: Session,
    statement: Statement,
    *,
    officers: Sequence[str],
    reference: str,
    supersede: bool,
    wait: str,
    timeout_s: float,
) -> None:
    """Attest a document by its hash and show where the transaction is.

    What the newest revision says already is not sent again: its transaction is shown.

    Raises:
        InvalidRequest: ``superseding``: the subject has another document, and ``--supersede`` is not
            given; ``bad_sha256`` or ``document_unreadable``.
        DecodeError: the subject breaks a limit of the ledger.
        OutboxError: ``already_sent``: an attestation of the same revision is under way.
    """
    digest, subject = statement.digest(), subject_text(statement.subject)
    keystore = session.keystore()
    signers = officer_keys(keystore, officers, keystore.entry(officers[0]).member)
    member = signers[0].entry.member
    async with connect(session.profile(), signers[0], url=session.node) as connection:
        current = await _current(connection, member, statement.kind, subject)
        if current.sha256 == digest:
            await _show_sent(session, connection, current)
            return
        if current.revision and not supersede:
            detail = f"{subject} has revision {current.revision}; --supersede attests the next"
            raise InvalidRequest("superseding", detail, subject=subject, sha256=current.sha256)
        effect = Attest(
            kind=statement.kind,
            subject=subject,
            revision=current.revision + 1,
            sha256=bytes.fromhex(digest),
        )
        _require_not_sent(session, member, effect)
        draft = Draft(effect=effect, actors=(member,), signers=signers, reference=reference)
        sender, transaction = await prepare_draft(session, connection, draft)
        receipt = await send_prepared(sender, transaction, wait=wait, timeout_s=timeout_s)
    document = {**receipt.to_json(), "sha256": digest, "revision": effect.revision}
    session.show(document, [receipt.line, f"{digest} is revision {effect.revision} of {subject}"])


async def list_attestations(
    session: Session, *, document: Path | None, reader: str | None, limit: int, **asked: str | None
) -> None:
    """Show attestations by member, kind, subject, hash or document."""
    if document is not None:
        asked["sha256"] = file_hash(document)
    elif asked["sha256"] is not None:
        asked["sha256"] = _checked_hash(asked["sha256"])
    query = {name: value for name, value in asked.items() if value is not None}
    key = session.keystore().signing_key(reader or _any_reader(session.keystore()))
    async with connect(session.profile(), key, url=session.node) as connection:
        items = await connection.client.attestations(query, items_max=limit)
    rows = [_row(item) for item in items]
    session.show({"items": items}, table([name.upper() for name in _COLUMNS], rows))


def _checked_hash(text: str) -> str:
    digest = text.lower()
    if not _SHA256.fullmatch(digest):
        detail = f"{text[:80]!r} is no SHA-256: 64 hexadecimal digits"
        raise InvalidRequest("bad_sha256", detail, text=text[:80])
    return digest


async def _current(
    connection: Connection, member: MemberId, kind: DocumentKind, subject: str
) -> Current:
    query = {"member": member, "kind": kind.value, "subject": subject, "state": "head"}
    items = await connection.client.attestations(query)
    if not items:
        return Current(revision=0, sha256="", txid="")
    try:
        newest = max(items, key=lambda item: int(item["revision"]))
        return Current(
            revision=int(newest["revision"]),
            sha256=str(newest["sha256"]),
            txid=str(newest["txid"]),
        )
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "a malformed attestation", status=200) from None


async def _show_sent(session: Session, connection: Connection, current: Current) -> None:
    """Show where the transaction of an attestation is that was made before."""
    progress(f"revision {current.revision} says so already; nothing is sent")
    found = await connection.client.transaction(current.txid)
    status, height = found.get("status"), found.get("height")
    document = {
        "txid": current.txid,
        "status": status,
        "height": height,
        "sha256": current.sha256,
        "revision": current.revision,
    }
    session.show(document, [f"{current.txid} {status} at height {height}"])


def _require_not_sent(session: Session, member: MemberId, effect: Attest) -> None:
    """Refuse a second attestation of a revision of which one is under way.

    Raises:
        OutboxError: ``already_sent``.
    """
    name = attested_name(member, effect)
    for transaction in Outbox(session.home).transactions():
        kept, actor = transaction.body.effect, transaction.body.actors[0].id
        if (
            isinstance(kept, Attest)
            and isinstance(actor, str)
            and attested_name(actor, kept) == name
        ):
            txid = transaction.txid.hex()
            detail = f"revision {effect.revision} is under way; `sunlit wallet resend {txid}`"
            raise OutboxError("already_sent", detail, txid=txid)


def _any_reader(keystore: Keystore) -> str:
    """Return a key of this home: attestations are for whoever has a token."""
    for entry in keystore.entries():
        if entry.role is KeyRole.OFFICER or entry.account is not None:
            return entry.name
    raise InvalidRequest("no_key", "this home has no key that could read attestations")


def _row(item: Mapping[str, object]) -> tuple[str, ...]:
    try:
        return tuple(str(item[name]) for name in _COLUMNS)
    except KeyError:
        raise ApiError("bad_answer", "a malformed attestation", status=200) from None
