"""The rule of attestations, and the keys under which the state keeps them (ADR 0031).

    d ‖ member id ‖ 0 ‖ document kind ‖ 0 ‖ subject ‖ 0 ‖ revision, 2 bytes big-endian

No part but the revision holds a zero byte, so the key has one reading, and the order of keys is the
order of member, kind, subject and revision. An entry is written once: that revision 3 is there and
revision 4 is not proves which document its member stands by.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.attestations import (
    Attest,
    Attestation,
    DocumentKind,
    revision_number,
    subject_text,
)
from ledger.errors import DecodeError, InvalidTransaction
from ledger.hashing import TxId
from ledger.identity import MemberId, enum_value, member_id
from ledger.state import ATTESTATION, StateKey, StateView

REVISION_BYTES = 2
_END = b"\x00"


class AttestationName(NamedTuple):
    """What the key of an attestation says."""

    member: MemberId
    """Who attests."""
    kind: DocumentKind
    """What the hash is of."""
    subject: str
    """What the document is about."""
    revision: int
    """Which of the documents about it."""


def attestation_key(name: AttestationName) -> StateKey:
    """Return the key of an attestation."""
    prefix = attestation_prefix(name.member, name.kind, name.subject)
    return StateKey(prefix + name.revision.to_bytes(REVISION_BYTES))


def attestation_prefix(
    member: MemberId | None = None, kind: DocumentKind | None = None, subject: str | None = None
) -> bytes:
    """Return what the keys begin with of all attestations of a member, kind and subject.

    A part counts only where those before it are given.
    """
    prefix = ATTESTATION
    for part in (member, kind, subject):
        if part is None:
            break
        prefix += part.encode() + _END
    return prefix


def attestation_name(key: bytes) -> AttestationName:
    """Return what a key says.

    Raises:
        DecodeError: it is no key of an attestation.
    """
    parts = key[len(ATTESTATION) : -REVISION_BYTES].split(_END)
    if key[: len(ATTESTATION)] != ATTESTATION or len(parts) != 4 or parts[3]:
        raise DecodeError("malformed", "no key of an attestation")
    try:
        member, kind, subject = (part.decode() for part in parts[:3])
    except UnicodeDecodeError:
        raise DecodeError("malformed", "no key of an attestation") from None
    return AttestationName(
        member=member_id(member),
        kind=enum_value(DocumentKind, kind, "document kind"),
        subject=subject_text(subject),
        revision=revision_number(int.from_bytes(key[-REVISION_BYTES:])),
    )


def attested_name(member: MemberId, effect: Attest) -> AttestationName:
    """Return what the key says of the attestation that an effect makes."""
    return AttestationName(member, effect.kind, effect.subject, effect.revision)


def apply_attestation(
    view: StateView, member: MemberId, effect: Attest, *, txid: TxId, height: int
) -> dict[StateKey, Attestation]:
    """Return what an attestation would write.

    Raises:
        InvalidTransaction: ``already_attested`` (this revision is there, or the one before has the
            same hash) or ``revision_gap`` (the one before is not there).
    """
    name = attested_name(member, effect)
    key = attestation_key(name)
    if view.get(key) is not None:
        raise _already_attested(name, "this revision is attested already")
    if effect.revision > 1:
        before: Attestation | None = view.get(
            attestation_key(name._replace(revision=effect.revision - 1))
        )
        if before is None:
            raise InvalidTransaction(
                "revision_gap",
                f"revision {effect.revision - 1} is not attested",
                member=member,
                subject=effect.subject,
                revision=effect.revision,
            )
        if before.sha256 == effect.sha256:
            raise _already_attested(name, "the revision before is of the same document")
    return {key: Attestation(sha256=effect.sha256, height=height, txid=txid)}


def _already_attested(name: AttestationName, detail: str) -> InvalidTransaction:
    return InvalidTransaction(
        "already_attested",
        detail,
        member=name.member,
        subject=name.subject,
        revision=name.revision,
    )
