"""One store of each kind, opened and reopened the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ledger.genesis import Genesis
from node.storage.chain import StoredChain
from node.storage.chain_store import RocksStore
from node.storage.key_value import KeyValue
from node.storage.memory import MemoryKeyValue, MemoryStore
from node.storage.rocks import RocksKeyValue
from node.storage.tables import Table

CACHE_MIB = 1


class Shelf(Protocol):
    """Where a store's data lies between two lives of a node."""

    def open(self, genesis: Genesis) -> StoredChain: ...

    def tables(self) -> KeyValue: ...


class MemoryShelf:
    def __init__(self) -> None:
        self._tables = MemoryKeyValue()

    def open(self, genesis: Genesis) -> StoredChain:
        return MemoryStore(genesis, self._tables)

    def tables(self) -> KeyValue:
        return self._tables


class RocksShelf:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, genesis: Genesis) -> StoredChain:
        return RocksStore(self._path, genesis, CACHE_MIB)

    def tables(self) -> KeyValue:
        return RocksKeyValue(self._path, cache_mib=CACHE_MIB)


def contents(tables: KeyValue) -> dict[Table, dict[bytes, bytes]]:
    """Return everything that the tables hold, and close them."""
    held = {table: dict(tables.scan(table)) for table in Table}
    tables.close()
    return held
