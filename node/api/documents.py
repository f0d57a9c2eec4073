"""The JSON documents of the API: their fields, and what OpenAPI says of them.

They are typed dictionaries, built by ``node.api.views`` from what the chain holds. Hashes and keys
are lower-case hex, amounts are strings of smallest units, times RFC 3339 UTC in milliseconds.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, NotRequired, TypeVar

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from node.analytics.documents import AnalyticsStatusDocument
from node.api.transaction_documents import BodyDocument, KeySetDocument

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")
Item = TypeVar("Item")

FinalityName = Literal["unconfirmed", "justified", "final"]


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
