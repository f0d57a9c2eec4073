"""What the engine wishes done.

The shell runs the effects of one call in their order: all writes are durable before anything is
published, and that before anything is sent, and all of it before the next call.

    writes     StoreBlock, CommitChain, StoreCertificate, StoreFinality, StoreVotes,
               StoreEvidence, LogTransactions, RetireTransactions, RecordVote, StopVoting
    publishes  Reply, PublishStatus, Note
    sends      Send, VerifySignatures, StartMining, StopMining, Disconnect
    ends       Halt
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from consensus.evidence import Evidence
from consensus.tree import BlockNode
from consensus.votes import Certificate, Checkpoint, SignedVote
from ledger.blocks import Block
from ledger.hashing import BlockHash, TxId
from ledger.identity import MemberId
from ledger.state import Delta, Record, StateKey
from ledger.transactions import SignedTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBlock:
    """Keep a block whose body matches its header and whose signatures hold; not yet connected."""

    block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """What a move of the head writes, gathered block by block; None removes an entry."""

    records: dict[StateKey, Record | None] = field(default_factory=dict)
    """Records by key."""
    encoded: dict[bytes, bytes | None] = field(default_factory=dict)
    """Their canonical bytes, made once for the state root and the store."""

    def add(
        self, records: Mapping[StateKey, Record | None], encoded: Mapping[bytes, bytes | None]
    ) -> None:
        """Take in what another block writes, or the undoing of one."""
        self.records.update(records)
        self.encoded.update(encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedBlock:
    """A block that joined the best chain, with the change of state that it made."""

    block: Block
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitChain:
    """Move the best chain, atomically: take the disconnected blocks off, put the connected on."""

    disconnected: tuple[Block, ...]
    """Highest first."""
    connected: tuple[ConnectedBlock, ...]
    """Lowest first."""
    state: StateChange
    """Net change of the state."""
    head: Checkpoint
    """The new head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCertificate:
    """Keep the certificate of a justified block."""

    certificate: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFinality:
    """Everything up to ``root`` is final: it roots the block tree from now on."""

    root: BlockNode
    """The last final block, on the best chain."""
    certificate: Certificate
    """Its link to its child, which made it final."""
    finalized: tuple[BlockHash, ...]
    """Hashes of the newly final blocks, lowest first; ``root`` is the last."""
    dropped: tuple[BlockHash, ...]
    """Blocks on other branches, never to be chosen again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreVotes:
    """Keep votes that were heard, so that after a start their voters can still be told of them.

    Nothing waits for it: what the power takes of it, no certificate on this disk rests on, since
    those hold their votes themselves. So it proved nothing to anybody who asks this node.
    """

    votes: tuple[SignedVote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEvidence:
    """Keep two conflicting votes of one member."""

    evidence: Evidence
    height: int
    """Head height when it was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTransactions:
    """Make accepted transactions durable, before anyone is told that they are."""

    transactions: tuple[SignedTransaction, ...]


class TransactionStatus(StrEnum):
    """Where a transaction stands."""

    PENDING = "pending"
    INCLUDED = "included"
    FINAL = "final"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """Why a transaction left the mempool without a block."""

    txid: TxId
    status: TransactionStatus
    """Expired or rejected."""
    code: str
    """Stable code of the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireTransactions:
    """Take transactions out of the durable mempool."""

    included: tuple[TxId, ...] = ()
    """Those that a final block holds."""
    retired: tuple[Retirement, ...] = ()
    """Those that never will be in a block, with the reason, which is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVote:
    """Write our vote to the journal, durably, before it is sent."""

    vote: SignedVote


@dataclass(frozen=True, slots=True, kw_only=True)
class StopVoting:
    """Mark our sealing key as stopped for good, durably: a vote of it is not in our journal."""

    vote: SignedVote
    """The vote that the journal does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionOutcome:
    """The answer to one submitted transaction."""

    txid: TxId | None
    """None where the bytes are no transaction."""
    status: TransactionStatus | None
    """Where it stands; None where it was refused."""
    is_new: bool = False
    """Whether this submission brought it."""
    code: str = ""
    """Stable code of the refusal."""
    detail: str = ""
    """The refusal in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Answer a ``TransactionsSubmitted`` event; what it accepts is durable by then."""

    request_id: int
    outcomes: tuple[SubmissionOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """What the node says of itself."""

    head: Checkpoint
    head_time_ms: int
    justified: Checkpoint
    final: Checkpoint
    is_live: bool
    """Whether finality keeps up: the head is at most 10 blocks past the last final one."""
    is_head_safe: bool
    """Whether so many sealers are connected that one of them must be honest."""
    is_syncing: bool
    """Whether peers announced a chain that is not here yet."""
    peers: tuple[MemberId, ...]
    """Members with an established session."""
    mempool_transactions: int
    mempool_bytes: int
    is_voting: bool
    """Whether our sealing key votes (false while it recovers, or stopped)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStatus:
    """The status changed."""

    status: NodeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event for the log and the metrics; ``fields`` hold no keys, payloads or personal data."""

    name: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a message to a member; dropped if that session is over."""

    member: MemberId
    session: int
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySignatures:
    """Verify (public key, signature, message) triples off the engine."""

    job_id: int
    items: tuple[tuple[bytes, bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMining:
    """Search a nonce; replaces the job before."""

    job_id: int
    work_prefix: bytes
    """Header bytes up to the nonce of 8 bytes."""
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMining:
    """There is nothing to mine now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """End a member's session and discourage it: neither dial nor accept it for a while."""

    member: MemberId
    session: int
    code: str
    discourage_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Stop the node: going on could harm. The operator must decide."""

    code: str
    detail: str


Effect = (
    StoreBlock
    | CommitChain
    | StoreCertificate
    | StoreFinality
    | StoreVotes
    | StoreEvidence
    | LogTransactions
    | RetireTransactions
    | RecordVote
    | StopVoting
    | Reply
    | PublishStatus
    | Note
    | Send
    | VerifySignatures
    | StartMining
    | StopMining
    | Disconnect
    | Halt
)
