"""The chain store of a node: RocksDB in a directory of its own."""

from __future__ import annotations

from pathlib import Path

from ledger.genesis import Genesis
from node.storage.chain import StoredChain
from node.storage.rocks import RocksKeyValue

RECORDS_PER_CACHE_MIB = 2_048
"""Decoded records of the state kept in memory for each MiB of cache, beside it."""


class RocksStore(StoredChain):
    """A durable chain store in ``path``; ``cache_mib`` bounds RocksDB's cache, in MiB.

    Raises:
        ConfigError: the directory holds another chain, or was written by another version.
        StoreCorrupt: a file is damaged.
        StoreFailed: the directory cannot be used, or another process uses it.
    """

    def __init__(self, path: Path, genesis: Genesis, cache_mib: int) -> None:
        super().__init__(
            RocksKeyValue(path, cache_mib=cache_mib),
            genesis,
            record_cache_entries=cache_mib * RECORDS_PER_CACHE_MIB,
        )
