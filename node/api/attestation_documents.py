"""The JSON documents of attestations: a document's hash, who attests it, and where that stands."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

DocumentKindName = Literal["model", "model_card", "dataset", "report", "document"]


@with_config(_DESCRIBED)
class AttestedDocument(TypedDict):
    """The document whose hash a transaction attests."""

    member: str
    """Who attests it."""
    kind: DocumentKindName
    """What the hash is of."""
    subject: str
    """What the document is about."""
    revision: int
    """Which of the documents about it, from 1; a later one supersedes those before."""
    sha256: str
    """SHA-256 of the document's bytes."""


@with_config(_DESCRIBED)
class AttestationDocument(TypedDict):
    """A document that a member attested, and the transaction that says so."""

    member: str
    """Who attests it."""
    kind: DocumentKindName
    """What the hash is of."""
    subject: str
    """What the document is about."""
    revision: int
    """Which of the documents about it, from 1; a later one supersedes those before."""
    sha256: str
    """SHA-256 of the document's bytes."""
    height: int
    """Block that holds the attestation."""
    txid: str
