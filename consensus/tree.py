"""The block tree: every known header from the last final block upwards, with what it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from consensus.certificates import GENESIS_PROVED, Proved
from consensus.headers import ChainRules, validate_header, validate_work
from consensus.target import bits_to_target, block_work
from consensus.votes import Checkpoint
from ledger.blocks import SealedHeader
from ledger.errors import InvalidHeader, LedgerError
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.merkle import Frontier, leaf_hash

NODES_MAX = 200_000
"""Most headers held above the last final block: two days without finality at one a second."""


class TreeFull(LedgerError):
    """There is no room for another header until a block is final; nobody is to blame for it."""


@dataclass(slots=True, kw_only=True, eq=False)
class BlockNode:
    """A header in its place. Only the flags change."""

    sealed: SealedHeader
    """The header with its seal."""
    parent: BlockNode | None
    """The block before; None at the tree's root."""
    chainwork: int
    """Expected hashes of the chain up to and with this block."""
    history: Frontier
    """Tree over the hashes of all blocks up to and with this one."""
    recent_sealers: tuple[MemberId, ...]
    """Sealers of the last ``diversity_gap`` blocks, this one's last."""
    proved: Proved
    """What certificates in this chain's bodies prove, up to and with this block's."""
    has_body: bool = False
    """Whether its body is here, matches the header and has good signatures."""
    is_valid: bool = False
    """Whether its state transition was checked, and so its ancestors'."""
    is_invalid: bool = False
    """Whether it, or an ancestor, breaks a rule that its hash commits to."""
    children: list[BlockNode] = field(default_factory=list)

    @property
    def height(self) -> int:
        """Its height."""
        return self.sealed.header.height

    @property
    def hash(self) -> BlockHash:
        """Its hash."""
        return self.sealed.hash

    @property
    def checkpoint(self) -> Checkpoint:
        """Itself as finality sees it."""
        return Checkpoint(height=self.height, hash=self.hash)

    def ancestor(self, height: int) -> BlockNode | None:
        """Return the block of this chain at ``height``, itself included; None below the root."""
        node: BlockNode | None = self
        while node is not None and node.height > height:
            node = node.parent
        return node if node is not None and node.height == height else None

    def descends_from(self, other: BlockNode) -> bool:
        """Tell whether ``other`` is this block or one before it."""
        return self.ancestor(other.height) is other

    def descends_from_checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Tell whether the checkpoint is this block or one before it, as far as the tree reaches."""
        node = self.ancestor(checkpoint.height)
        return node is not None and node.hash == checkpoint.hash

    def path_from(self, other: BlockNode) -> list[BlockNode]:
        """Return the blocks after ``other`` up to this one, lowest first."""
        path: list[BlockNode] = []
        node: BlockNode | None = self
        while node is not None and node is not other:
            path.append(node)
            node = node.parent
        return path[::-1]


class BlockTree:
    """Headers by hash above a root, which is the last final block."""

    def __init__(self, root: BlockNode, rules: ChainRules) -> None:
        self.rules = rules
        self.root = root
        self._nodes: dict[BlockHash, BlockNode] = {root.hash: root}

    def __contains__(self, block_hash: BlockHash) -> bool:
        return block_hash in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[BlockNode]:
        return iter(self._nodes.values())

    def get(self, block_hash: BlockHash) -> BlockNode | None:
        """Return the node of a hash, or None."""
        return self._nodes.get(block_hash)

    def find(self, checkpoint: Checkpoint) -> BlockNode | None:
        """Return the node of a checkpoint, or None (also when the height does not fit)."""
        node = self._nodes.get(checkpoint.hash)
        return node if node is not None and node.height == checkpoint.height else None

    def insert(self, sealed: SealedHeader) -> BlockNode:
        """Add a header whose parent is here, and return its node; known headers are returned.

        The seal is not checked here: it is not part of what the hash commits to.

        Raises:
            InvalidHeader: it breaks a rule, or its parent does.
            TreeFull: there is no room for it.
            KeyError: its parent is unknown.
        """
        known = self._nodes.get(sealed.hash)
        if known is not None:
            return known
        parent = self._nodes[sealed.header.parent]
        if parent.is_invalid:
            raise InvalidHeader("invalid_ancestor", "it builds on an invalid block")
        validate_work(sealed)
        validate_header(
            sealed.header,
            parent.sealed.header,
            rules=self.rules,
            recent_sealers=parent.recent_sealers,
            history_root=parent.history.root(),
        )
        node = self._child(parent, sealed)
        if len(self._nodes) >= NODES_MAX:
            raise TreeFull("tree_full", f"{NODES_MAX} headers above the last final block")
        parent.children.append(node)
        self._nodes[node.hash] = node
        return node

    def _child(self, parent: BlockNode, sealed: SealedHeader) -> BlockNode:
        gap = self.rules.diversity_gap
        sealers = (*parent.recent_sealers, sealed.header.sealer)
        return BlockNode(
            sealed=sealed,
            parent=parent,
            chainwork=parent.chainwork + block_work(bits_to_target(sealed.header.bits)),
            history=parent.history.append(leaf_hash(sealed.hash)),
            recent_sealers=sealers[-gap:] if gap else (),
            proved=parent.proved,
        )

    def mark_invalid(self, node: BlockNode) -> None:
        """Mark a block and everything built on it invalid."""
        pending = [node]
        while pending:
            current = pending.pop()
            current.is_invalid = True
            pending.extend(current.children)

    def advance_root(self, node: BlockNode) -> list[BlockNode]:
        """Make a descendant the root; drop and return all blocks that do not descend from it.

        The new root's ancestors are dropped from the tree but not returned: they are final.
        """
        ancestors = node.path_from(self.root)
        kept: dict[BlockHash, BlockNode] = {}
        pending = [node]
        while pending:
            current = pending.pop()
            kept[current.hash] = current
            pending.extend(current.children)
        final = {self.root.hash, *(ancestor.hash for ancestor in ancestors)}
        dropped = [n for h, n in self._nodes.items() if h not in kept and h not in final]
        node.parent = None
        self._nodes, self.root = kept, node
        return dropped


def genesis_node(sealed: SealedHeader) -> BlockNode:
    """Return the node of block 0, the root of every tree at first; it counts for no sealer."""
    return BlockNode(
        sealed=sealed,
        parent=None,
        chainwork=0,
        history=Frontier(size=0, peaks=()).append(leaf_hash(sealed.hash)),
        recent_sealers=(),
        proved=GENESIS_PROVED,
        has_body=True,
        is_valid=True,
    )
