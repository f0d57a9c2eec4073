"""The chain store in plain dictionaries, for the simulator: the same logic, no disk."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakSet

from ledger.genesis import Genesis
from node.storage.chain import StoredChain
from node.storage.key_value import Entry, Writes
from node.storage.tables import Table

RECORD_CACHE_ENTRIES = 65_536


class MemoryKeyValue:
    """Tables in dictionaries. Scans sort the whole table: right for the small chains of tests."""

    def __init__(self) -> None:
        self._tables: dict[Table, dict[bytes, bytes]] = {table: {} for table in Table}
        self._snapshots: WeakSet[MemorySnapshot] = WeakSet()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        return self._tables[table].get(key)

    def scan(
        self, table: Table, prefix: bytes = b"", *, start: bytes = b"", is_descending: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries under a prefix, in order of their keys."""
        held = self._tables[table]
        for key in _ordered(held, prefix, start, is_descending):
            yield key, held[key]

    def write(self, writes: Writes, *, is_synced: bool) -> None:  # noqa: ARG002 - no disk to sync
        """Make all writes; live snapshots keep what is overwritten."""
        for table, entries in writes.items():
            held = self._tables[table]
            for snapshot in self._snapshots:
                snapshot.keep(table, {key: held.get(key) for key in entries})
            for key, value in entries.items():
                if value is None:
                    held.pop(key, None)
                else:
                    held[key] = value

    def snapshot(self) -> MemorySnapshot:
        """Return the tables as they are now."""
        snapshot = MemorySnapshot(self._tables)
        self._snapshots.add(snapshot)
        return snapshot

    def close(self) -> None:
        """There is nothing to release: a later store may open these tables again."""


class MemorySnapshot:
    """The tables at one moment: the live ones, and what was overwritten since."""

    __slots__ = ("__weakref__", "_live", "_overwritten")

    def __init__(self, live: dict[Table, dict[bytes, bytes]]) -> None:
        self._live = live
        self._overwritten: dict[Table, dict[bytes, bytes | None]] = {}

    def keep(self, table: Table, values: dict[bytes, bytes | None]) -> None:
        """Remember values that are about to be overwritten; the first ones count."""
        self._overwritten[table] = {**values, **self._overwritten.get(table, {})}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        # The live value first: a writer in another thread keeps a value before it overwrites it.
        value = self._live[table].get(key)
        overwritten = self._overwritten.get(table, {})
        return overwritten.get(key, value)

    def scan(
        self, table: Table, prefix: bytes = b"", *, start: bytes = b"", is_descending: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries under a prefix, in order of their keys."""
        values: dict[bytes, bytes | None] = {
            **self._live[table],
            **self._overwritten.get(table, {}),
        }
        held = {key: value for key, value in values.items() if value is not None}
        for key in _ordered(held, prefix, start, is_descending):
            yield key, held[key]


class MemoryStore(StoredChain):
    """A chain store in memory.

    A node that crashes and restarts opens a new store on the same tables.
    """

    def __init__(self, genesis: Genesis, tables: MemoryKeyValue | None = None) -> None:
        self.tables = MemoryKeyValue() if tables is None else tables
        super().__init__(self.tables, genesis, record_cache_entries=RECORD_CACHE_ENTRIES)


def _ordered(
    held: dict[bytes, bytes], prefix: bytes, start: bytes, is_descending: bool
) -> list[bytes]:
    keys = [key for key in held if key.startswith(prefix)]
    if start:
        keys = [key for key in keys if (key <= start if is_descending else key >= start)]
    return sorted(keys, reverse=is_descending)
