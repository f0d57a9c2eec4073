"""Ordered keys and values in tables: the small interface that the chain store stands on.

Two things implement it, RocksDB on disk and dictionaries in memory, so that the store's logic is
written once and the simulator runs what a node runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from node.storage.tables import Table

Entry = tuple[bytes, bytes]
"""A key and its value."""
Writes = Mapping[Table, Mapping[bytes, bytes | None]]
"""New values by table and key; None removes the key."""


class Reads(Protocol):
    """Read access to all tables."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, or None.

        Raises:
            StoreCorrupt: what is stored fails its checksum.
        """
        ...

    def scan(
        self, table: Table, prefix: bytes = b"", *, start: bytes = b"", is_descending: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries whose keys begin with ``prefix``, in order of their keys.

        ``start`` is the first key wanted (in descending order, the highest), inclusive, and itself
        begins with ``prefix``; without it the whole range is meant.

        Raises:
            StoreCorrupt: what is stored fails its checksum.
        """
        ...


class KeyValue(Reads, Protocol):
    """Tables that can be written."""

    def write(self, writes: Writes, *, is_synced: bool) -> None:
        """Make all writes or none; if ``is_synced``, return once they survive a loss of power.

        Raises:
            StoreFailed: nothing was promised; the store takes no further write.
        """
        ...

    def snapshot(self) -> Reads:
        """Return the tables as they are now, for any thread to read."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class WriteBatch:
    """Writes that are not yet made, over the tables below; reads see them."""

    __slots__ = ("_below", "writes")

    def __init__(self, below: Reads) -> None:
        self._below = below
        self.writes: dict[Table, dict[bytes, bytes | None]] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, written here or below."""
        written = self.writes.get(table)
        if written is not None and key in written:
            return written[key]
        return self._below.get(table, key)

    def keys(self, table: Table, prefix: bytes = b"") -> list[bytes]:
        """Return the keys that begin with ``prefix``, here or below, ascending."""
        written = self.writes.get(table, {})
        below = {key for key, _ in self._below.scan(table, prefix) if key not in written}
        here = {key for key, value in written.items() if value is not None}
        return sorted(below | {key for key in here if key.startswith(prefix)})

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Write a value."""
        self.writes.setdefault(table, {})[key] = value

    def update(self, table: Table, entries: Mapping[bytes, bytes | None]) -> None:
        """Write several values; None removes a key."""
        self.writes.setdefault(table, {}).update(entries)

    def delete(self, table: Table, key: bytes) -> None:
        """Remove a key, if it is there."""
        self.writes.setdefault(table, {})[key] = None
