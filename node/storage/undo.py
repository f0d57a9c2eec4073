"""What connected blocks above the last final one changed: the way from the head's state to its."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from ledger.hashing import BlockHash
from ledger.state import Record, StateKey


class Undo:
    """What a connected block changed, with its keys in order once a search needs them."""

    __slots__ = ("_ordered", "before", "block_hash")

    def __init__(self, block_hash: BlockHash, before: Mapping[StateKey, Record | None]) -> None:
        self.block_hash = block_hash
        self.before = before
        """The entries that it changed as they were before it; None is absence."""
        self._ordered: list[StateKey] | None = None

    def keys_under(self, prefix: bytes) -> Iterator[StateKey]:
        """Yield the changed keys that begin with ``prefix``, ascending."""
        if self._ordered is None:
            # Made late, since most blocks become final unsearched; twice by two readers is no harm.
            self._ordered = sorted(self.before)
        ordered = self._ordered
        for at in range(bisect_left(ordered, prefix), len(ordered)):
            if not ordered[at].startswith(prefix):
                return
            yield ordered[at]


def before_all(undo: Sequence[Undo], key: StateKey) -> tuple[bool, Record | None]:
    """Return whether any of the blocks, lowest first, changed a key, and what it was before."""
    for one in undo:
        if key in one.before:
            return True, one.before[key]
    return False, None
