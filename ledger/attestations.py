"""Attestations as bytes: what a member attests, and the record that the state keeps of it.

    attest      = [document kind, subject, revision, SHA-256]
    attestation = [SHA-256, height, txid]

The rule is in ``ledger.attesting``, the reasons in ADR 0031.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.hashing import HASH_BYTES, TxId
from ledger.identity import enum_value

_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and halves of surrogate pairs, which have no UTF-8."""


class DocumentKind(StrEnum):
    """What a hash is of."""

    MODEL = "model"
    MODEL_CARD = "model_card"
    DATASET = "dataset"
    REPORT = "report"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attest:
    """Anchors the hash of a document that stays outside the chain."""

    kind: DocumentKind
    """What the hash is of."""
    subject: str
    """What the document is about, such as a model with its version: 1 to 128 bytes of UTF-8 without
    control characters, in clear on every node."""
    revision: int
    """Number of this document among those of the same member, kind and subject: 1 for the first,
    each later one supersedes the one before."""
    sha256: bytes
    """SHA-256 of the document's bytes, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What the state keeps of an attestation; its key has the member, kind, subject and revision."""

    sha256: bytes
    """SHA-256 of the document's bytes, 32 bytes."""
    height: int
    """Height of the block that attested it."""
    txid: TxId
    """Transaction that attested it."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the record."""
        return (self.sha256, self.height, self.txid)

    @classmethod
    def from_value(cls, value: codec.Value) -> Attestation:
        """Return the record of a decoded array."""
        sha256, height, txid = codec.fields(value, 3, "attestation")
        return cls(
            sha256=codec.fixed_bytes(sha256, HASH_BYTES, "SHA-256"),
            height=codec.uint(height, "height"),
            txid=TxId(codec.fixed_bytes(txid, HASH_BYTES, "txid")),
        )


def attest_value(effect: Attest) -> codec.Value:
    """Return the array that encodes an attesting effect."""
    return (effect.kind.value, effect.subject, effect.revision, effect.sha256)


def decode_attest(value: codec.Value) -> Attest:
    """Return the attesting effect of a decoded array.

    Raises:
        DecodeError: ``bad_choice``, ``bad_subject``, ``bad_revision``, or a field of the wrong type.
    """
    kind, subject, revision, sha256 = codec.fields(value, 4, "attestation")
    return Attest(
        kind=enum_value(DocumentKind, kind, "document kind"),
        subject=subject_text(subject),
        revision=revision_number(revision),
        sha256=codec.fixed_bytes(sha256, HASH_BYTES, "SHA-256"),
    )


def subject_text(value: codec.Value) -> str:
    """Return ``value`` if it may be the subject of an attestation.

    Raises:
        DecodeError: ``bad_text`` or ``bad_subject``.
    """
    if value == "" or (type(value) is str and _UNSHOWN.search(value)):
        raise DecodeError("bad_subject", "a subject is text without control characters")
    return codec.text(value, limits.SUBJECT_BYTES_MAX, "subject")


def revision_number(value: codec.Value) -> int:
    """Return ``value`` if it may be the revision of an attestation.

    Raises:
        DecodeError: ``bad_revision``.
    """
    if type(value) is not int or not 1 <= value <= limits.REVISIONS_MAX:
        raise DecodeError("bad_revision", f"a revision is 1 to {limits.REVISIONS_MAX}")
    return value
