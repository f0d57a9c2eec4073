"""The JSON documents of the API: their fields, and what OpenAPI says of them.

They are typed dictionaries, built by ``node.api.views`` from what the chain holds. Hashes and keys
are lower-case hex, amounts are strings of smallest units, times RFC 3339 UTC in milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, NotRequired, TypeVar

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from node.analytics.documents import AnalyticsStatusDocument
from node.api.attestation_documents import AttestedDocument

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")
Item = TypeVar("Item")

HEX_PATTERN: Final = "^([0-9a-fA-F]{2})+$"
"""Bytes in hex, at least one."""

FinalityName = Literal["unconfirmed", "justified", "final"]
StatusName = Literal["pending", "included", "final", "expired", "rejected"]


@with_config(_DESCRIBED)
class CheckpointDocument(TypedDict):
    """A block of the chain, named."""

    height: int
    hash: str


@with_config(_DESCRIBED)
class HeadDocument(TypedDict):
    """The best chain's last block."""

    height: int
    hash: str
    time: str


@with_config(_DESCRIBED)
class MempoolDocument(TypedDict):
    """What waits for a block."""

    transactions: int
    bytes: int


@with_config(_DESCRIBED)
class StatusDocument(TypedDict):
    """What a node says of itself."""

    chain_id: str
    genesis_hash: str
    member: str
    """Whose node this is; tokens for it have the audience ``<chain_id>/<member>``."""
    version: str
    head: HeadDocument
    justified: CheckpointDocument
    finalized: CheckpointDocument
    finality: Literal["live", "stalled"]
    """``stalled`` when the head is more than 10 blocks past the last final one."""
    peers: int
    """Members with an established session."""
    head_safe: bool
    """Whether so many sealers are connected that one of them must be honest; if not, head is what
    possibly faulty members say."""
    syncing: bool
    voting: bool
    """Whether this node's sealing key votes for finality."""
    mempool: MempoolDocument
    analytics: NotRequired[AnalyticsStatusDocument]
    """Only where the node runs the embedded analytics."""


@with_config(_DESCRIBED)
class HealthDocument(TypedDict):
    """Whether the process lives, or serves."""

    status: Literal["ok"]


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


@with_config(_DESCRIBED)
class BlockDocument(TypedDict):
    """A block as everyone may see it."""

    height: int
    hash: str
    parent: str
    """Hash of the block before; in block 0 the hash of the genesis document."""
    time: str
    sealer: str
    bits: str
    """Proof-of-work target, compact form, 4 bytes in hex."""
    state_root: str
    tx_root: str
    finality: FinalityName
    transactions: list[str]
    """Txids in order."""


@with_config(_DESCRIBED)
class BlockTransactionDocument(TypedDict):
    """A transaction inside its block."""

    txid: str
    index: int
    body: BodyDocument


@with_config(_DESCRIBED)
class AuditBlockDocument(TypedDict):
    """A block with everything in it, for regulators."""

    height: int
    hash: str
    parent: str
    time: str
    sealer: str
    bits: str
    state_root: str
    tx_root: str
    finality: FinalityName
    header: str
    """The header's exact bytes, whose double SHA-256 is the hash."""
    seal: str
    """The sealer's signature."""
    transactions: list[BlockTransactionDocument]
    genesis: NotRequired[dict[str, Any]]
    """In block 0, the genesis document: members, assets, accounts and their first balances."""


@with_config(_DESCRIBED)
class AuditBlockLineDocument(AuditBlockDocument):
    """A line of the stream that is a block."""

    event: Literal["block"]
    id: str
    """Cursor after this block, ``height:hash``."""


@with_config(_DESCRIBED)
class AuditEventDocument(TypedDict):
    """A line of the stream that is no block: what was taken back, or where the stream begins anew."""

    event: Literal["retract", "reset"]
    id: str
    """Cursor after this event, ``height:hash``."""
    height: int
    hash: str


@with_config(_DESCRIBED)
class MemberDocument(TypedDict):
    """An institution on the chain."""

    member: str
    legal_name: str
    lei: str
    roles: list[str]
    sealing_key: str
    certificate: str
    """Its TLS certificate, DER in base64."""
    officers: KeySetDocument
    next_sequences: dict[str, int]
    """Next sequence number by lane; a member has lane 0."""


@with_config(_DESCRIBED)
class AssetDocument(TypedDict):
    """A money or security on the chain."""

    asset: str
    name: str
    decimals: int
    issuer: str


@with_config(_DESCRIBED)
class BalanceDocument(TypedDict):
    """What an account holds of an asset."""

    asset: str
    posted: str
    held: str
    """Reserved by holds."""
    available: str


@with_config(_DESCRIBED)
class AccountDocument(TypedDict):
    """An account at one block."""

    account: str
    member: str
    kind: str
    status: str
    keys: KeySetDocument
    opened_height: int
    next_sequences: dict[str, int]
    """Next sequence number by lane, all 16."""
    balances: list[BalanceDocument]
    limits: dict[str, str]
    """Limits that consensus enforces on the account."""
    height: int
    block_hash: str


@with_config(_DESCRIBED)
class VoteDocument(TypedDict):
    """A finality vote with its signature."""

    source: CheckpointDocument
    target: CheckpointDocument
    set_id: int
    signature: str


@with_config(_DESCRIBED)
class EvidenceDocument(TypedDict):
    """Two votes of one member that no honest node releases."""

    offence: Literal["double_vote", "surround_vote"]
    member: str
    height: int
    """Height of the head when it was found."""
    first: VoteDocument
    second: VoteDocument


@with_config(_DESCRIBED)
class Page(TypedDict, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next_cursor: str | None
    """What to give as ``cursor`` for the next part; null at the end."""


@with_config(_DESCRIBED)
class StatePage(TypedDict, Generic[Item]):
    """A part of a list that was read from the state at one block."""

    items: list[Item]
    next_cursor: str | None
    """What to give as ``cursor`` for the next part; null at the end."""
    height: int
    block_hash: str


@with_config(_DESCRIBED)
class FaultDocument(TypedDict):
    """One wrong field."""

    pointer: str
    """JSON Pointer (RFC 6901) into the body, or ``/query/<name>``, ``/path/<name>``."""
    message: str


@with_config(_DESCRIBED)
class ProblemDocument(TypedDict):
    """A refusal (RFC 9457)."""

    type: str
    status: int
    code: str
    """Stable name of the reason."""
    title: str
    detail: str
    errors: list[FaultDocument]
