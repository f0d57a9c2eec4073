"""The JSON documents of transactions: submitted, answered, and as those see them who may."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from node.api.attestation_documents import AttestedDocument

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

HEX_PATTERN: Final = "^([0-9a-fA-F]{2})+$"
"""Bytes in hex, at least one."""

StatusName = Literal["pending", "included", "final", "expired", "rejected"]


@with_config(_DESCRIBED)
class KeySetDocument(TypedDict):
    """Keys of which ``threshold`` must sign."""

    keys: list[str]
    """Public keys with their scheme byte, hex."""
    threshold: int


@with_config(_DESCRIBED)
class LegDocument(TypedDict):
    """One movement of an asset."""

    debit: str | None
    """Account that pays; null where supply is created."""
    credit: str | None
    """Account that receives; null where supply is destroyed."""
    asset: str
    amount: str
    reference: str


@with_config(_DESCRIBED)
class ActorDocument(TypedDict):
    """Who acts, and which sequence number is used up."""

    account: str | None
    member: str | None
    lane: int
    sequence: int


@with_config(_DESCRIBED)
class OpenedAccountDocument(TypedDict):
    """The account that a transaction opens."""

    account: str
    member: str
    kind: str
    keys: KeySetDocument


@with_config(_DESCRIBED)
class MeasureDocument(TypedDict):
    """A measure that governance takes."""

    measure: Literal["freeze", "unfreeze"]
    account: str
    """Account that it is about."""
    reason: str
    case: str
    """The regulator's own reference; may be empty."""


@with_config(_DESCRIBED)
class SignatureDocument(TypedDict):
    """A public key with its signature."""

    public_key: str
    signature: str


@with_config(_DESCRIBED)
class BodyDocument(TypedDict):
    """What a transaction does, for those who may see it."""

    kind: Literal["transfer", "issue", "redeem", "open_account", "govern", "attest"]
    legs: list[LegDocument]
    """Movements in order; none for ``open_account``, ``govern`` and ``attest``."""
    opened: NotRequired[OpenedAccountDocument]
    """Only for ``open_account``."""
    policy: NotRequired[Literal["regulator"]]
    """Who decided; only for ``govern``."""
    measures: NotRequired[list[MeasureDocument]]
    """What was decided; only for ``govern``."""
    attested: NotRequired[AttestedDocument]
    """What was attested; only for ``attest``."""
    reference: str
    payload: str
    """Ciphertext for the counterparties, hex."""
    actors: list[ActorDocument]
    valid_from: int
    valid_until: int
    nonce: str
    signatures: list[SignatureDocument]


@with_config(_DESCRIBED)
class TransactionDocument(TypedDict):
    """A transaction and where it stands."""

    txid: str
    status: StatusName
    height: int | None
    """Block that holds it; null where none does."""
    block_hash: str | None
    index: int | None
    """Its place in the block, from 0."""
    time: str | None
    """Its block's time."""
    confirmations: int
    """Blocks from its own to the head, both counted; 0 where no block holds it."""
    code: NotRequired[str]
    """Why it was rejected or expired."""
    body: NotRequired[BodyDocument]
    """For a party, its member or a regulator."""


@with_config(_DESCRIBED)
class SubmittedDocument(TypedDict):
    """A signed transaction as JSON carries it."""

    transaction: Annotated[str, Field(pattern=HEX_PATTERN)]
    """Its bytes in hex."""


@with_config(_DESCRIBED)
class SubmissionDocument(TypedDict):
    """The answer to a submitted transaction."""

    txid: str
    status: StatusName


@with_config(_DESCRIBED)
class BatchResultDocument(TypedDict):
    """The answer to one transaction of a batch: a status, or why it was refused."""

    txid: str | None
    status: StatusName | None
    """Null where it was refused."""
    code: NotRequired[str]
    detail: NotRequired[str]


@with_config(_DESCRIBED)
class BatchDocument(TypedDict):
    """The answers to a batch, in its order."""

    results: list[BatchResultDocument]
