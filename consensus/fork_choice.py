"""Fork choice: which valid chain is ours.

Among the valid descendants of the last final block: the one whose chain holds the highest
justified checkpoint, then the one with the most chainwork, then the one with the lower hash. The
order is total, so the choice does not depend on the order in which blocks arrived.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from consensus.tree import BlockNode
from ledger.hashing import BlockHash

Rank = tuple[int, int, int]


def highest_justified(node: BlockNode, justified: Container[BlockHash]) -> BlockNode:
    """Return the highest justified block of a chain; the tree's root at the least."""
    current = node
    while current.hash not in justified and current.parent is not None:
        current = current.parent
    return current


def rank(node: BlockNode, justified: Container[BlockHash]) -> Rank:
    """Return the sort key of a tip: greater is better."""
    justified_height = highest_justified(node, justified).height
    return justified_height, node.chainwork, -int.from_bytes(node.hash)


def best_tip(
    nodes: Iterable[BlockNode], justified: Container[BlockHash], root: BlockNode
) -> BlockNode:
    """Return the best block whose whole chain from ``root`` has bodies and is not invalid."""
    best, best_rank = root, rank(root, justified)
    for node in nodes:
        if not node.has_body or node.is_invalid or any(is_usable(c) for c in node.children):
            continue
        candidate = rank(node, justified)
        if candidate > best_rank and has_whole_chain(node, root):
            best, best_rank = node, candidate
    return best


def is_usable(node: BlockNode) -> bool:
    """Tell whether a block may be chosen as far as it is itself known."""
    return node.has_body and not node.is_invalid


def has_whole_chain(node: BlockNode, root: BlockNode) -> bool:
    """Tell whether ``node`` descends from ``root`` and every block between them has its body."""
    current: BlockNode | None = node
    while current is not None and current is not root:
        if not current.has_body:
            return False
        current = current.parent
    return current is root
