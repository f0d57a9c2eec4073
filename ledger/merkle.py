"""Merkle trees over SHA-256, as RFC 9162 (Certificate Transparency 2.0) defines them.

One tree shape serves the transactions of a block and the append-only history of block hashes, so
any standard Merkle library can check our proofs. Leaves and inner nodes are hashed with different
prefixes, so neither can be passed off as the other, and a last odd node is promoted, never
duplicated, so two different lists never share a root (the flaw of CVE-2012-2459).

Every function is pure. A *perfect subtree* is named by its level and index: it covers the leaves
from ``index << level`` up to, but not including, ``(index + 1) << level``; level 0 is the leaves.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.hashing import HASH_BYTES, PrefixedHash

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of the tree without leaves: SHA-256 of nothing (RFC 9162 section 2.1.1)."""

_LEAF: Final = PrefixedHash(b"\x00")
_NODE: Final = PrefixedHash(b"\x01")

ReadSubtree = Callable[[int, int], bytes]
"""Answers ``(level, index)`` with the 32-byte root of that perfect subtree."""


def leaf_hash(data: bytes) -> bytes:
    """Return the 32-byte hash of one leaf's bytes (RFC 9162 section 2.1.1)."""
    return _LEAF(data)


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Return the 32-byte hash of each leaf's bytes."""
    return _LEAF.each(entries)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node over its two 32-byte children."""
    return _NODE(left + right)


def merkle_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the 32-byte root of the tree with these leaf hashes; `EMPTY_ROOT` for none."""
    return _range_root(0, len(leaf_hashes), _perfect_subtrees(leaf_hashes))


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the hashes that lead from leaf `index` to the root, lowest first.

    Raises:
        IndexError: `index` is not a leaf of the tree.
    """
    return inclusion_path_from_store(index, len(leaf_hashes), _perfect_subtrees(leaf_hashes))


def inclusion_path_from_store(index: int, size: int, read: ReadSubtree) -> tuple[bytes, ...]:
    """Return the inclusion path of leaf `index` in the tree of the first `size` leaves.

    Calls `read` O(log size) times, and only for perfect subtrees within the first `size` leaves,
    which `Frontier.completed_subtrees` gave when they were appended
    (RFC 9162 section 2.1.3.1).

    Raises:
        IndexError: `index` is not a leaf of that tree.
    """
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is outside a tree of {size} leaves")
    start, end = 0, size
    path = []
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            path.append(_range_root(split, end, read))
            end = split
        else:
            path.append(_range_root(start, split, read))
            start = split
    return tuple(reversed(path))


def verify_inclusion(
    *, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Answer whether `path` proves leaf `index` of the tree of `size` leaves with this root.

    Total: bytes and integers from a stranger give False, never an error. `size` and `root` must
    come together from a source that is trusted for both: a path alone does not bind the size
    (RFC 9162 section 2.1.3.2).
    """
    if not 0 <= index < size or not _are_hashes(leaf_hash, root, *path):
        return False
    node, last, computed = index, size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            node, last = _skip_promotions(node, last)
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the hashes that prove this tree to extend the one of its first `old_size` leaves.

    Raises:
        IndexError: `old_size` is not between 1 and the number of leaves.
    """
    return consistency_path_from_store(old_size, len(leaf_hashes), _perfect_subtrees(leaf_hashes))


def consistency_path_from_store(
    old_size: int, new_size: int, read: ReadSubtree
) -> tuple[bytes, ...]:
    """Return the proof that the tree of `new_size` leaves extends the one of `old_size`.

    Empty if the sizes are equal. Calls `read` O(log new_size) times
    (RFC 9162 section 2.1.4.1).

    Raises:
        IndexError: the sizes are not ``1 <= old_size <= new_size``.
    """
    if not 1 <= old_size <= new_size:
        raise IndexError(f"a tree of {new_size} leaves does not extend one of {old_size}")
    start, end = 0, new_size
    path = []
    while end != old_size:
        split = _split(start, end)
        if old_size <= split:
            path.append(_range_root(split, end, read))
            end = split
        else:
            path.append(_range_root(start, split, read))
            start = split
    if start > 0:  # At 0 the remaining range is the old tree itself, whose root is known.
        path.append(_range_root(start, end, read))
    return tuple(reversed(path))


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Answer whether `path` proves that the new tree extends the old one.

    Total, as `verify_inclusion` is. Sizes are ``1 <= old_size <= new_size``: the empty tree has
    nothing to prove (RFC 9162 section 2.1.4.2).
    """
    if not 1 <= old_size <= new_size or not _are_hashes(old_root, new_root, *path):
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    # An old tree that is perfect is itself a node of the new one, and the proof leaves it out.
    hashes = [old_root, *path] if old_size.bit_count() == 1 else list(path)
    if not hashes:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = new_computed = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            node, last = _skip_promotions(node, last)
        else:
            new_computed = node_hash(new_computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_computed == old_root and new_computed == new_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """A perfect subtree of an append-only tree; it never changes once it is complete."""

    level: int
    """Height above the leaves: the subtree covers ``2 ** level`` of them."""
    index: int
    """Position among the subtrees of its level, from the left."""
    hash: bytes
    """Root of the subtree, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The right edge of an append-only tree: enough to append to it and to know its root."""

    size: int
    """Number of leaves appended so far."""
    peaks: tuple[bytes, ...]
    """Roots of the perfect subtrees that make up the tree, largest first, 32 bytes each."""

    def __post_init__(self) -> None:
        """Refuse peaks that no tree of this size has.

        Raises:
            ValueError: `size` is negative or `peaks` are not one hash for each bit set in it.
        """
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"{len(self.peaks)} peaks do not make a tree of {self.size} leaves")
        if not _are_hashes(*self.peaks):
            raise ValueError(f"a peak is not {HASH_BYTES} bytes long")

    def completed_subtrees(self, leaf_hash: bytes) -> tuple[Subtree, ...]:
        """Return every perfect subtree that appending this leaf completes, lowest first.

        The first is the leaf itself. A store that keeps them all, two a leaf on average, can
        serve `inclusion_path_from_store` for every size the tree ever had.
        """
        subtrees = [Subtree(level=0, index=self.size, hash=leaf_hash)]
        for peak in reversed(self.peaks):
            right = subtrees[-1]
            if not right.index & 1:
                break
            joined = node_hash(peak, right.hash)
            subtrees.append(Subtree(level=right.level + 1, index=right.index >> 1, hash=joined))
        return tuple(subtrees)

    def append(self, leaf_hash: bytes) -> "Frontier":
        """Return the frontier with one more leaf, given by its 32-byte hash."""
        completed = self.completed_subtrees(leaf_hash)
        untouched = len(self.peaks) - (len(completed) - 1)
        peaks = (*self.peaks[:untouched], completed[-1].hash)
        return Frontier(size=self.size + 1, peaks=peaks)

    def root(self) -> bytes:
        """Return the 32-byte root of the tree; `EMPTY_ROOT` before the first leaf."""
        return _join_peaks(self.peaks)


def _perfect_subtrees(leaf_hashes: Sequence[bytes]) -> ReadSubtree:
    """Return a reader of every perfect subtree over these leaves."""
    levels = [leaf_hashes]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)  # A last odd node has no pair yet.
        levels.append(_NODE.each(left + right for left, right in pairs))
    return lambda level, index: levels[level][index]


def _range_root(start: int, end: int, read: ReadSubtree) -> bytes:
    """Return the root over leaves `start` to `end`, a range that `_split` produced."""
    width, position, peaks = end - start, start, []
    for level in reversed(range(width.bit_length())):
        if width >> level & 1:
            peaks.append(read(level, position >> level))
            position += 1 << level
    return _join_peaks(peaks)


def _join_peaks(peaks: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees given largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def _split(start: int, end: int) -> int:
    """Return where a range of two leaves or more splits: its largest smaller power of two."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _skip_promotions(node: int, last: int) -> tuple[int, int]:
    """Climb the levels at which `node` has no right sibling and is promoted unchanged."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _are_hashes(*candidates: bytes) -> bool:
    """Answer whether all are 32 bytes; otherwise node boundaries could be shifted at will."""
    return all(len(candidate) == HASH_BYTES for candidate in candidates)


EMPTY_FRONTIER: Final = Frontier(size=0, peaks=())
"""The append-only tree before its first leaf."""
