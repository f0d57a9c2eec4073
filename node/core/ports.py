"""What the engine is given: its store to read, its key to sign with, its randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from consensus.evidence import Evidence
from consensus.headers import ChainRules
from consensus.tree import BlockNode
from consensus.votes import Certificate, SignedVote, Verify
from ledger.blocks import Block, SealedHeader
from ledger.hashing import BlockHash, TxId
from ledger.identity import MemberId
from ledger.state import Record, StateKey
from node.core.effects import Retirement


class ChainStore(Protocol):
    """What the engine reads back of the effects that were run. All reads see all earlier writes."""

    def get(self, key: StateKey) -> Record | None:
        """Return a record of the state at the head."""
        ...

    def state_entries(self) -> Iterable[tuple[StateKey, bytes]]:
        """Yield every entry of the state at the head: key and canonical record bytes."""
        ...

    def block(self, block_hash: BlockHash) -> Block | None:
        """Return a stored block, decoded."""
        ...

    def block_bytes(self, block_hash: BlockHash) -> bytes | None:
        """Return a stored block's bytes."""
        ...

    def sealed_header(self, block_hash: BlockHash) -> SealedHeader | None:
        """Return the sealed header of a stored block."""
        ...

    def before(self, block_hash: BlockHash) -> Mapping[StateKey, Record | None] | None:
        """Return what the entries that a connected block changed were before it.

        Known of blocks above the last final one.
        """
        ...

    def hash_at(self, height: int) -> BlockHash | None:
        """Return the hash of the best chain's block at a height."""
        ...

    def location(self, txid: TxId) -> tuple[int, int] | None:
        """Return (height, index) of a transaction on the best chain."""
        ...

    def pending(self, txid: TxId) -> bytes | None:
        """Return the bytes of a transaction in the durable mempool."""
        ...

    def retirement(self, txid: TxId) -> Retirement | None:
        """Return why a transaction left the mempool without a block, while that is remembered."""
        ...

    def recover(self) -> Recovered:
        """Return what the engine starts from."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a store holds when a node starts."""

    root: BlockNode
    """The last final block (genesis at first), without parent and children."""
    blocks: tuple[Block, ...]
    """Stored blocks above the root on any branch, lowest first, parents before children."""
    head: BlockHash
    """Head of the best chain, whose state is stored."""
    certificates: tuple[Certificate, ...]
    """Certificates of justified blocks at or above the root, and of those below it that its chain
    does not prove yet."""
    transactions: tuple[bytes, ...]
    """The durable mempool, in order of arrival."""
    votes: tuple[SignedVote, ...]
    """The newest votes heard of each member, lowest target first; verified before they were kept."""
    evidence: tuple[Evidence, ...]
    """Evidence found so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredVotes:
    """What the vote journal holds when a node starts."""

    votes: tuple[SignedVote, ...]
    """Released votes, oldest first."""
    is_stopped: bool
    """Whether the key was stopped for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything the engine is given once."""

    member: MemberId
    """Whose node this is."""
    chain_id: str
    """Name of the network."""
    rules: ChainRules
    """Rules and sealers of the chain."""
    store: ChainStore
    """Reads."""
    votes: RecoveredVotes
    """The vote journal as it was found."""
    verify: Verify
    """One signature, at once: for seals and votes, which are few."""
    sign: Callable[[bytes], bytes] | None
    """Signs with the sealing key; None on a node that does not seal."""
    random_bytes: Callable[[int], bytes]
    """That many random bytes."""
    is_mining: bool = True
    """Whether this node mines."""
