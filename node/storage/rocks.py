"""RocksDB behind the key-value interface: column families, checksums, a bounded memory.

Every record is under a checksum: RocksDB keeps one for each block of a table file and one for each
record of the write-ahead log, verifies them whenever it reads from disk (paranoid checks, and a
log that ends the recovery if it is damaged anywhere but in its torn tail), and reports a
corruption instead of an answer. So records need no second checksum of their own; what no disk
checksum can see, a wrong value that was written in good order, the hashes of the chain do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Lock

from rocksdict import (
    BlockBasedOptions,
    Cache,
    ChecksumType,
    ColumnFamily,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    RdictIter,
    WriteOptions,
)
from rocksdict import WriteBatch as RocksBatch

from node.errors import NodeError, StoreCorrupt, StoreFailed
from node.storage.key_value import Entry, Writes
from node.storage.tables import Table

MIB = 1024 * 1024

MEMTABLE_BYTES = 4 * MIB
"""Writes of one table kept in memory before they go to a table file."""
MEMTABLES_BYTES_MAX = 16 * MIB
"""The same over all tables."""
MEMTABLE_ARENA_BYTES = 64 * 1024
"""Memory taken at a time for a table's writes; there are many tables and most are quiet."""
LEVEL0_FILES = 8
"""Files of a table, one a memtable, before they are merged into the next level. Each is looked into
by a read that its Bloom filter lets pass, and merging at RocksDB's own 4 costs half as much again."""
LOG_BYTES_MAX = 64 * MIB
"""Write-ahead log kept before quiet tables are flushed too: bounds the time to recover."""
OPEN_FILES_MAX = 128
BACKGROUND_JOBS_MAX = 2
INFO_LOG_BYTES_MAX = MIB
INFO_LOG_FILES_MAX = 3
BLOOM_BITS_PER_KEY = 10
"""One percent of the look-ups of an absent key read the disk."""
BLOB_BYTES_MIN = 4 * 1024
"""Larger blocks lie beside the tables, so that compaction does not copy them again and again."""
SCAN_CHUNK_ENTRIES = 256
"""Entries that a scan of a snapshot reads before others have their turn."""

_FILE = re.compile(r"\S+\.(?:sst|log|blob)|\S*(?:MANIFEST-\d+|CURRENT)")
_NO_SPACE = ("No space left on device", "Disk quota exceeded")
_LOCKED = ("While lock file", "lock hold by current process")
_BLOB_TABLES = (Table.BLOCKS,)


class RocksKeyValue:
    """Tables in a RocksDB directory; one process at a time opens it."""

    def __init__(self, path: Path, *, cache_mib: int) -> None:
        """Open or create the directory.

        Raises:
            StoreCorrupt: a file is damaged.
            StoreFailed: the directory cannot be used, or another process uses it.
        """
        self.path = path
        self._failure: NodeError | None = None
        cache = Cache(cache_mib * MIB)
        families = {table.value: _table_options(table, cache) for table in Table}
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._database = Rdict(str(path), _options(cache), families)
        except Exception as error:
            raise _fault(error, path) from error
        self._families = {t: self._database.get_column_family(t.value) for t in Table}
        self._handles: dict[Table, ColumnFamily] = {
            t: self._database.get_column_family_handle(t.value) for t in Table
        }
        self._synced = WriteOptions()
        self._synced.sync = True
        self._unsynced = WriteOptions()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        try:
            value: bytes | None = self._families[table].get(key)
        except Exception as error:
            raise _fault(error, self.path) from error
        return value

    def scan(
        self, table: Table, prefix: bytes = b"", *, start: bytes = b"", is_descending: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries under a prefix, in order of their keys."""
        return _scan(self._families[table].iter(), prefix, start, is_descending, self.path)

    def write(self, writes: Writes, *, is_synced: bool) -> None:
        """Make all writes or none, as one record of the write-ahead log."""
        if self._failure is not None:
            raise StoreFailed(
                "store_stopped",
                f"an earlier write failed ({self._failure}); restart the node",
                file=self.path,
            )
        batch = RocksBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for table, entries in writes.items():
            batch.set_default_column_family(self._handles[table])
            # In order each finds its place near the last one's, which is in the processor's cache.
            for key in sorted(entries):
                value = entries[key]
                if value is None:
                    delete(key)
                else:
                    put(key, value)
        try:
            self._database.write(batch, self._synced if is_synced else self._unsynced)
        except Exception as error:
            self._failure = _fault(error, self.path)
            raise self._failure from error

    def snapshot(self) -> RocksSnapshot:
        """Return the tables as they are now; only the thread that writes may take one."""
        return RocksSnapshot({t: f.iter() for t, f in self._families.items()}, self.path)

    def close(self) -> None:
        """Close the database; its lock goes once the last snapshot is gone too.

        Raises:
            StoreFailed: a table could not be written out. What was acknowledged is in the log.
        """
        self._handles.clear()
        try:
            for family in self._families.values():
                family.close()
            self._database.close()
        except Exception as error:
            # After a failed write this one follows from it, and must not hide it.
            if self._failure is None:
                raise _fault(error, self.path) from error


class RocksSnapshot:
    """All tables at one moment, for any thread to read.

    Made of one iterator a table, because an iterator of RocksDB sees the moment it was made, and
    rocksdict's own ``Snapshot`` forgets its moment when it is iterated (seen in 0.3.29). Readers
    take turns at them, for one look-up or one chunk of a scan.
    """

    __slots__ = ("_cursors", "_path", "_turn")

    def __init__(self, cursors: dict[Table, RdictIter], path: Path) -> None:
        self._cursors = cursors
        self._path = path
        self._turn = Lock()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        cursor = self._cursors[table]
        with self._turn:
            cursor.seek(key)
            if not cursor.valid():
                _check(cursor, self._path)
                return None
            value: bytes | None = cursor.value() if cursor.key() == key else None
            return value

    def scan(
        self, table: Table, prefix: bytes = b"", *, start: bytes = b"", is_descending: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries under a prefix, in order of their keys."""
        cursor = self._cursors[table]
        chunk_max = SCAN_CHUNK_ENTRIES
        is_first = True
        while True:
            with self._turn:
                entries = _scan(cursor, prefix, start, is_descending, self._path)
                chunk = list(islice(entries, chunk_max))
            # A later chunk starts with the last key of the one before.
            yield from chunk if is_first else chunk[1:]
            if len(chunk) < chunk_max:
                return
            start, is_first = chunk[-1][0], False


def _scan(
    cursor: RdictIter, prefix: bytes, start: bytes, is_descending: bool, path: Path
) -> Iterator[Entry]:
    if is_descending:
        end = start or _after(prefix)
        if end is None:
            cursor.seek_to_last()
        else:
            cursor.seek_for_prev(end)
            if not start and cursor.valid() and cursor.key() == end:
                cursor.prev()
    else:
        cursor.seek(start or prefix)
    step = cursor.prev if is_descending else cursor.next
    while cursor.valid():
        key: bytes = cursor.key()
        if not key.startswith(prefix):
            return
        yield key, cursor.value()
        step()
    # An iterator ends at a damaged block as it ends at the last key: only its status tells.
    _check(cursor, path)


def _after(prefix: bytes) -> bytes | None:
    """Return the lowest key above all that begin with ``prefix``; None where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def _check(cursor: RdictIter, path: Path) -> None:
    try:
        cursor.status()
    except Exception as error:
        raise _fault(error, path) from error


def _fault(error: Exception, path: Path) -> NodeError:
    """Return the typed error of whatever RocksDB reports; rocksdict raises a bare Exception."""
    text = str(error)
    if "Corruption" in text:
        match = _FILE.search(text)
        file = match[0] if match else str(path)
        return StoreCorrupt(
            "store_corrupt",
            f"{file} is damaged ({text}); move {path} away and start the node again: it fetches "
            "the chain from its peers, and its vote journal stays where it is",
            file=file,
        )
    if any(sign in text for sign in _LOCKED):
        return StoreFailed("store_in_use", f"another process uses {path}", file=path)
    if any(sign in text for sign in _NO_SPACE):
        return StoreFailed(
            "disk_full", f"no space left for {path}; free some and start the node again", file=path
        )
    return StoreFailed("store_failed", f"{path}: {text}", file=path)


def _options(cache: Cache) -> Options:
    options = _table_options(Table.META, cache)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_paranoid_checks(True)
    # After a failed sync RocksDB flushes what it holds in memory, and then the write-ahead log no
    # longer makes up for a table that was flushed without the others.
    options.set_atomic_flush(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_total_wal_size(LOG_BYTES_MAX)
    options.set_db_write_buffer_size(MEMTABLES_BYTES_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_max_background_jobs(BACKGROUND_JOBS_MAX)
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX)
    options.set_keep_log_file_num(INFO_LOG_FILES_MAX)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _table_options(table: Table, cache: Cache) -> Options:
    layout = BlockBasedOptions()
    layout.set_block_cache(cache)
    layout.set_cache_index_and_filter_blocks(True)
    layout.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    layout.set_checksum_type(ChecksumType.xxh3())
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(layout)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_arena_block_size(MEMTABLE_ARENA_BYTES)
    options.set_level_zero_file_num_compaction_trigger(LEVEL0_FILES)
    options.set_compression_type(DBCompressionType.lz4())
    if table in _BLOB_TABLES:
        options.set_enable_blob_files(True)
        options.set_min_blob_size(BLOB_BYTES_MIN)
        options.set_blob_compression_type(DBCompressionType.lz4())
        options.set_enable_blob_gc(True)
    return options
