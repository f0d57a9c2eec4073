"""The state commitment: a 16-ary Merkle tree over 2^16 buckets of hashed entries.

    entry   = H_key(key) ‖ H_value(value)                     64 bytes
    bucket  = H_bucket(entries in ascending order)            chosen by the key hash's first 2 bytes
    node    = H_node(16 children)                             4 levels: 4096, 256, 16, 1

A proof is the whole bucket and the 15 siblings a level, so it shows presence and absence alike.
Wide nodes and flat buckets, because the cost of a hash here is the call and not the bytes; ADR
0004 has the measurement against a binary tree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from ledger.errors import InvalidProof
from ledger.hashing import HASH_BYTES, STATE_BUCKET, STATE_KEY, STATE_NODE, STATE_VALUE

FANOUT = 16
LEVELS = 4
BUCKETS = FANOUT**LEVELS
ENTRY_BYTES = 2 * HASH_BYTES
PROOF_BUCKET_BYTES_MAX = 1024 * 1024
PLACES_MAX = 32_768
"""Hashed keys kept at hand, some 350 bytes each: busy accounts change in block after block."""

_CHILDREN = tuple(slice(at, at + HASH_BYTES) for at in range(0, FANOUT * HASH_BYTES, HASH_BYTES))
"""Where a node's children stand in their family."""

_V = TypeVar("_V")

Change = tuple[bytes, bytes | None]
"""A state key and the canonical bytes of its record; None removes it."""

Changes = Mapping[bytes, bytes | None] | Iterable[Change]
"""A batch; of two changes of one key the later counts."""


def _bucket_of(key_hash: bytes) -> int:
    return key_hash[0] << 8 | key_hash[1]


Family = bytearray
"""The sixteen children of a node one after the other, 512 bytes; nobody changes one in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedUpdate:
    """A batch of changes, worked out and not yet made."""

    root: bytes
    """The root that the tree would have."""
    buckets: Mapping[int, bytes]
    """The changed buckets."""
    families: tuple[Mapping[int, Family], ...]
    """The changed families of each level by their parent, those of buckets first."""


NOTHING_STAGED = StagedUpdate(root=b"", buckets={}, families=({},) * LEVELS)
"""No changes; its root says nothing."""


class _Layered:
    """Buckets over buckets, read by index."""

    __slots__ = ("_above", "_below")

    def __init__(self, above: Mapping[int, bytes], below: Sequence[bytes]) -> None:
        self._above = above
        self._below = below

    def __getitem__(self, index: int) -> bytes:
        return self._above[index] if index in self._above else self._below[index]


class _Places(dict[bytes, tuple[int, bytes]]):
    """Bucket and hash of keys, found without a call into Python once they are known."""

    __slots__ = ()

    def __missing__(self, key: bytes) -> tuple[int, bytes]:
        if len(self) >= PLACES_MAX:
            self.clear()
        key_hash = STATE_KEY(key)
        place = self[key] = (_bucket_of(key_hash), key_hash)
        return place


class StateTree:
    """The tree over one state, changed in batches; holds hashes only, not the records.

    Memory: 64 bytes an entry, 3 MiB of inner nodes and 11 MiB of hashed keys.
    """

    __slots__ = ("_buckets", "_families", "_places", "root")

    def __init__(self) -> None:
        self._buckets = [b""] * BUCKETS
        self._places = _Places()
        self._families: list[list[Family]] = []
        child = STATE_BUCKET(b"")
        for level in reversed(range(LEVELS)):
            family = bytearray(child * FANOUT)
            self._families.append([family] * FANOUT**level)
            child = STATE_NODE(family)
        self.root = child
        """The state root, 32 bytes."""

    def update(self, changes: Changes) -> bytes:
        """Apply a batch of changes and return the new root."""
        staged = self.stage(changes)
        self.adopt(staged)
        return staged.root

    def stage(self, changes: Changes, onto: StagedUpdate = NOTHING_STAGED) -> StagedUpdate:
        """Return what a batch of changes would make of the tree, which stays as it is.

        A block template needs the root of a state that may never come, and a block's root is
        compared before the block is believed. ``onto`` was staged on the tree as it is now: the
        changes come after its own, and the result is both. So a template that grows pays for what
        is new.
        """
        buckets = self._changed_buckets(changes, onto)
        indexes: Iterable[int] = buckets
        nodes = STATE_BUCKET.each(buckets.values())
        families = []
        for held, earlier in zip(self._families, onto.families, strict=True):
            changed = _with_children(indexes, nodes, held, earlier)
            indexes, nodes = changed, STATE_NODE.each(changed.values())
            families.append({**earlier, **changed} if earlier else changed)
        return StagedUpdate(
            root=nodes[0] if nodes else onto.root or self.root,
            buckets={**onto.buckets, **buckets} if onto.buckets else buckets,
            families=tuple(families),
        )

    def _changed_buckets(self, changes: Changes, onto: StagedUpdate) -> dict[int, bytes]:
        batch = dict(changes)
        # In bulk, each step finds the processor's caches as it left them.
        places = list(map(self._places.__getitem__, batch))
        value_hashes = _value_hashes(batch.values())
        buckets: dict[int, bytes] = {}
        held = _Layered(onto.buckets, self._buckets) if onto.buckets else self._buckets
        for (index, key_hash), value_hash in zip(places, value_hashes, strict=True):
            bucket = buckets[index] if index in buckets else held[index]
            entry = b"" if value_hash is None else key_hash + value_hash
            if len(bucket) <= ENTRY_BYTES and (not bucket or bucket.startswith(key_hash)):
                buckets[index] = entry  # in most buckets there is one entry
            else:
                buckets[index] = _spliced(bucket, key_hash, entry)
        return buckets

    def adopt(self, staged: StagedUpdate) -> StagedUpdate:
        """Make a staged update real, and return the one that takes it back.

        It must have been staged on the tree as it is now.
        """
        before = StagedUpdate(
            root=self.root,
            buckets=_exchanged(self._buckets, staged.buckets),
            families=tuple(map(_exchanged, self._families, staged.families)),
        )
        self.root = staged.root
        return before

    def prove(self, key: bytes, undo: Sequence[StagedUpdate] = ()) -> StateProof:
        """Return the proof that the state holds, or does not hold, an entry under ``key``.

        ``undo`` takes back what was adopted last, earliest first: the proof is of the state before
        all of it. It is read as it stands, 5 look-ups for each, and nothing is hashed.
        """
        index = _bucket_of(STATE_KEY(key))
        bucket = next((one.buckets[index] for one in undo if index in one.buckets), None)
        if bucket is None:
            bucket = self._buckets[index]
        siblings = []
        for level, held in enumerate(self._families):
            index, place = divmod(index, FANOUT)
            earlier = (one.families[level] for one in undo)
            family = next((one[index] for one in earlier if index in one), held[index])
            at = place * HASH_BYTES
            siblings.append(bytes(family[:at] + family[at + HASH_BYTES :]))
        return StateProof(bucket=bucket, siblings=tuple(siblings))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateProof:
    """A bucket and its way to the root."""

    bucket: bytes
    """The bucket's entries, ascending, 64 bytes each."""
    siblings: tuple[bytes, ...]
    """From the bucket upwards, the 15 other children of each node, 480 bytes each."""

    def verify(self, *, root: bytes, key: bytes, value: bytes | None) -> None:
        """Check that under ``root`` the entry of ``key`` has ``value``; None means absence.

        Raises:
            InvalidProof: malformed, another root, or another value.
        """
        key_hash = STATE_KEY(key)
        if self._root(key_hash) != root:
            raise InvalidProof("wrong_root", "the proof leads to another state root")
        at, found = _locate(self.bucket, key_hash)
        proved = self.bucket[at + HASH_BYTES : at + ENTRY_BYTES] if found else None
        if proved != (None if value is None else STATE_VALUE(value)):
            raise InvalidProof("wrong_value", "the state holds another value under this key")

    def _root(self, key_hash: bytes) -> bytes:
        if len(self.siblings) != LEVELS or any(
            len(row) != (FANOUT - 1) * HASH_BYTES for row in self.siblings
        ):
            raise InvalidProof("malformed_proof", f"a state proof has {LEVELS} rows of siblings")
        _check_bucket(self.bucket, _bucket_of(key_hash))
        index, node = _bucket_of(key_hash), STATE_BUCKET(self.bucket)
        for row in self.siblings:
            at = index % FANOUT * HASH_BYTES
            node = STATE_NODE(row[:at] + node + row[at:])
            index //= FANOUT
        return node


def _check_bucket(bucket: bytes, index: int) -> None:
    """Refuse a bucket that is unsorted: a binary search in it could miss what it holds."""
    if len(bucket) % ENTRY_BYTES or len(bucket) > PROOF_BUCKET_BYTES_MAX:
        raise InvalidProof("malformed_proof", "a bucket is a row of 64-byte entries")
    keys = [bucket[at : at + HASH_BYTES] for at in range(0, len(bucket), ENTRY_BYTES)]
    if any(a >= b for a, b in pairwise(keys)):
        raise InvalidProof("malformed_proof", "the bucket's entries are not ascending")
    if any(_bucket_of(key) != index for key in keys):
        raise InvalidProof("malformed_proof", "an entry belongs to another bucket")


def _value_hashes(values: Collection[bytes | None]) -> Sequence[bytes | None]:
    """Return the hash of each value, and None in the place of those that are removed."""
    kept = [value for value in values if value is not None]
    hashes = STATE_VALUE.each(kept)
    if len(kept) == len(values):
        return hashes
    following = iter(hashes)
    return [None if value is None else next(following) for value in values]


def _with_children(
    indexes: Iterable[int],
    nodes: Iterable[bytes],
    held: Sequence[Family],
    earlier: Mapping[int, Family],
) -> dict[int, Family]:
    """Return the families that changed nodes of a level belong to, with these nodes in them.

    A family is taken from ``earlier`` if it is there, else from those held.
    """
    changed: dict[int, Family] = {}
    for index, node in zip(indexes, nodes, strict=True):
        parent = index >> 4
        if parent in changed:
            family = changed[parent]
        else:
            family = changed[parent] = (earlier if parent in earlier else held)[parent].copy()
        family[_CHILDREN[index & 15]] = node
    return changed


def _exchanged(values: list[_V], new: Mapping[int, _V]) -> dict[int, _V]:
    """Put new values in their places and return those that stood there."""
    before = {}
    for index, value in new.items():
        before[index] = values[index]
        values[index] = value
    return before


def _spliced(bucket: bytes, key_hash: bytes, entry: bytes) -> bytes:
    """Return the bucket with the entry of a key hash in its place; an empty one removes it."""
    at = bucket.find(key_hash)
    is_found = at >= 0 and not at % ENTRY_BYTES  # nearly always: the search is for the rest
    if not is_found:
        at, is_found = _locate(bucket, key_hash)
    return bucket[:at] + entry + bucket[at + ENTRY_BYTES if is_found else at :]


def _locate(bucket: bytes, key_hash: bytes) -> tuple[int, bool]:
    """Return the byte offset of a key hash in a bucket, and whether it is there."""
    at = bucket.find(key_hash)
    # A match across two entries' borders, or on a value hash, is possible and not a key.
    if at >= 0 and at % ENTRY_BYTES == 0:
        return at, True
    position = bisect_left(
        range(len(bucket) // ENTRY_BYTES),
        key_hash,
        key=lambda i: bucket[i * ENTRY_BYTES : i * ENTRY_BYTES + HASH_BYTES],
    )
    at = position * ENTRY_BYTES
    return at, bucket[at : at + HASH_BYTES] == key_hash


def tree_of(entries: Mapping[bytes, bytes]) -> StateTree:
    """Return the tree over a whole state of canonical records."""
    tree = StateTree()
    tree.update(entries)
    return tree
