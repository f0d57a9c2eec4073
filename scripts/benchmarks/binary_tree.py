"""The alternative that ADR 0004 turned down: a binary Merkle tree over the same 2^16 buckets.

    entry  = H_value(H_key(key) ‖ H_value(value))         a leaf of the bucket
    bucket = binary Merkle tree over its entries in ascending order
    node   = H_node(left ‖ right)                         16 levels above the buckets

As `ledger.state_tree` it takes changes in batches and hashes each changed node once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from ledger.hashing import HASH_BYTES, STATE_BUCKET, STATE_KEY, STATE_NODE, STATE_VALUE
from ledger.state_tree import BUCKETS, Change

LEVELS = BUCKETS.bit_length() - 1
Entry = tuple[bytes, bytes]
"""Hash of the key, hash of the leaf."""


class BinaryStateTree:
    """A binary tree over one state, changed in batches; holds hashes only."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Entry]] = {}
        self._levels: list[bytearray] = []
        child = STATE_BUCKET(b"")
        for level in range(LEVELS, -1, -1):
            self._levels.insert(0, bytearray(child * 2**level))
            child = STATE_NODE(child + child)

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return bytes(self._levels[0])

    def update(self, changes: Iterable[Change]) -> bytes:
        """Apply a batch of changes and return the new root."""
        touched = {self._put(key, value) for key, value in changes}
        here = self._levels[LEVELS]
        for index in touched:
            here[index * HASH_BYTES : (index + 1) * HASH_BYTES] = _bucket_root(self._buckets[index])
        for level in range(LEVELS - 1, -1, -1):
            touched = self._renew(level, {index // 2 for index in touched})
        return self.root

    def _put(self, key: bytes, value: bytes | None) -> int:
        """Change one entry and return its bucket."""
        key_hash = STATE_KEY(key)
        index = key_hash[0] << 8 | key_hash[1]
        bucket = self._buckets.setdefault(index, [])
        at = bisect_left(bucket, (key_hash,))
        end = at + (at < len(bucket) and bucket[at][0] == key_hash)
        leaf = [] if value is None else [(key_hash, STATE_VALUE(key_hash + STATE_VALUE(value)))]
        bucket[at:end] = leaf
        return index

    def _renew(self, level: int, touched: set[int]) -> set[int]:
        """Hash the touched nodes of a level again from their children."""
        here, below = self._levels[level], self._levels[level + 1]
        span = 2 * HASH_BYTES
        for index in touched:
            node = STATE_NODE(bytes(below[index * span : (index + 1) * span]))
            here[index * HASH_BYTES : (index + 1) * HASH_BYTES] = node
        return touched


def _bucket_root(bucket: list[Entry]) -> bytes:
    row = [leaf for _, leaf in bucket] or [STATE_BUCKET(b"")]
    while len(row) > 1:
        pairs = [STATE_NODE(row[at] + row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2 :]
    return row[0]
