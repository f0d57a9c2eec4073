"""The warehouse: one DuckDB file, its one connection, and the append of blocks with their cursor.

A commit holds the rows of some blocks and the cursor that names the last of them, so that whatever
ends the process, each block is there once or not at all. Readers take cursors of their own and see
whole commits only.

    append(blocks)  ──►  one transaction: rows, balances, ingest cursor
    writing()       ──►  one transaction: alerts or scores, and their stage's cursor
    reading()       ──►  a cursor for queries, in any thread
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import duckdb
import pyarrow as pa

from analytics.errors import BlockRefused
from analytics.movements import BlockFacts
from analytics.warehouse.accounts import AccountKeys, OpenedRow
from analytics.warehouse.daily import DailyBalances
from analytics.warehouse.facts import read_facts
from analytics.warehouse.receipts import Receipts
from analytics.warehouse.rows import Columns, Rows
from analytics.warehouse.schema import INGEST, SCHEMA_VERSION, STATEMENTS
from analytics.warehouse.sql import first_row, run_with
from ledger.blocks import Block
from ledger.genesis import Genesis

CHECKPOINT_MIB: Final = 256
"""Log that commits leave before it becomes part of the file, MiB; an opening replays the rest."""
_OPENED_COLUMNS: Final = ", ".join(OpenedRow._fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the warehouse may use."""

    memory_mib: int = 1_024
    """Memory that DuckDB keeps to, MiB; what needs more goes to disk beside the file."""
    threads: int = 1
    """Threads that work on queries and appends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last block that a stage has done."""

    height: int
    """Its height."""
    hash: str
    """Its hash, lower-case hex."""


def connect(path: Path, settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return the connection to a database file, which is made when it is missing.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{settings.memory_mib}MiB",
        "threads": settings.threads,
        # A checkpoint compresses what commits left in the log: seldom, it takes half the time.
        "checkpoint_threshold": f"{CHECKPOINT_MIB}MiB",
        "temp_directory": str(path.with_suffix(".spill")),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,  # a query never names our variables
    }
    connection = duckdb.connect(str(path), config=config)
    # The file is open; nothing that a query could say opens another, or takes this back.
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


class Warehouse:
    """An open warehouse of one chain. One thread appends at a time; any number read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, genesis: Genesis) -> None:
        """Take over a connection to a file that ``create`` or an earlier run has filled."""
        self._connection = connection
        self._genesis = genesis
        self._write = threading.Lock()
        # A connection refuses a call while another thread is in one: cursors are taken in turn.
        self._handing_out = threading.Lock()
        self._accounts = _load_accounts(connection)
        codes = [row[0] for row in connection.execute("SELECT asset FROM assets").fetchall()]
        self._asset_keys = {code: key for key, code in enumerate(sorted(codes))}
        self._daily = DailyBalances.load(connection, self._asset_keys)
        self._receipts = Receipts.load(connection)
        self._cursor = self.cursor(INGEST)

    @classmethod
    def create(cls, connection: duckdb.DuckDBPyConnection, genesis: Genesis) -> Self:
        """Return a new warehouse in an empty database, with the genesis document as height 0."""
        connection.execute("BEGIN")
        connection.execute(STATEMENTS)
        genesis_hash = genesis.header().hash.hex()
        row: list[object] = [SCHEMA_VERSION, genesis.chain_id, genesis_hash]
        connection.execute("INSERT INTO internal.chain VALUES (?, ?, ?)", row)
        for name, member in sorted(genesis.members.items()):
            roles = [role.value for role in member.roles]
            entry: list[object] = [name, member.legal_name, member.lei, roles]
            connection.execute("INSERT INTO members VALUES (?, ?, ?, ?)", entry)
        for code, asset in sorted(genesis.assets.items()):
            entry = [code, asset.name, asset.decimals, asset.issuer]
            connection.execute("INSERT INTO assets VALUES (?, ?, ?, ?)", entry)
        row = [INGEST, -1, ""]
        connection.execute("INSERT INTO internal.cursors VALUES (?, ?, ?)", row)
        connection.execute("COMMIT")
        warehouse = cls(connection, genesis)
        warehouse.begin_with_genesis()
        return warehouse

    @property
    def genesis(self) -> Genesis:
        """The genesis of its chain."""
        return self._genesis

    @property
    def ingested(self) -> Cursor:
        """The last block whose rows are here; the genesis document counts as block 0."""
        return self._cursor

    def begin_with_genesis(self) -> None:
        """Take in the genesis document where that has not been done yet."""
        if self._cursor.height < 0:
            rows = Rows(self._accounts)
            rows.add_genesis(self._genesis)
            self._commit(rows)

    def cursor(self, stage: str) -> Cursor:
        """Return the last block that a stage has done; height -1 before the first."""
        query = "SELECT height, hash FROM internal.cursors WHERE stage = ?"
        with self.reading() as cursor:
            row = first_row(cursor, query, [stage])
        return Cursor(height=-1, hash="") if row is None else Cursor(height=row[0], hash=row[1])

    def append(self, blocks: Sequence[Block]) -> None:
        """Take in the blocks that follow, in one commit with the cursor.

        Raises:
            BlockRefused: ``block_repeated``, ``block_missing`` (one before it) or
                ``block_of_another_chain``; nothing was taken.
            WarehouseCorrupt: the rows so far are not those of the chain; close and build anew.
        """
        self._check_order(blocks)
        rows = Rows(self._accounts)
        for block in blocks:
            rows.add(block)
        if blocks:
            self._commit(rows)

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold a transaction that is committed at the end, and undone by an exception."""
        with self._write, self._new_cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold a cursor that reads; each of its statements sees the commits before it."""
        with self._new_cursor() as cursor:
            yield cursor

    def readers_of_one_moment(self, count: int) -> list[duckdb.DuckDBPyConnection]:
        """Return cursors that all see the warehouse as it is now, until each is closed."""
        cursors = []
        with self._write:  # no commit comes between them
            for _ in range(count):
                cursor = self._new_cursor()
                cursor.execute("BEGIN")
                cursor.execute("SELECT stage FROM internal.cursors").fetchall()  # fixes the moment
                cursors.append(cursor)
        return cursors

    def facts(self, first_height: int, last_height: int) -> Iterator[BlockFacts]:
        """Yield what detection reads of the blocks from one height to another, lowest first.

        Blocks that are not here yet end it.
        """
        with self.reading() as cursor:
            yield from read_facts(cursor, self._accounts.texts, first_height, last_height)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._write, self._handing_out:
            self._connection.close()

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        with self._handing_out:
            return self._connection.cursor()

    def _check_order(self, blocks: Sequence[Block]) -> None:
        height, parent = self._cursor.height, self._cursor.hash
        for block in blocks:
            header = block.header
            if header.height != height + 1:
                code = "block_repeated" if header.height <= height else "block_missing"
                raise BlockRefused(
                    code, f"block {height + 1} is next", height=header.height, expected=height + 1
                )
            if header.parent.hex() != parent:
                detail = f"block {header.height} does not follow block {height} of this chain"
                raise BlockRefused("block_of_another_chain", detail, height=header.height)
            height, parent = header.height, block.hash.hex()

    def _commit(self, rows: Rows) -> None:
        columns = Columns(rows, self._asset_keys)
        receipts_ms = self._receipts.of(columns, len(self._accounts.texts))
        last = Cursor(height=rows.blocks[-1][0], hash=rows.blocks[-1][1])
        with self.writing() as cursor:
            _insert(cursor, "blocks", columns.blocks())
            _insert(cursor, "internal.transactions", columns.transactions())
            _insert(cursor, "internal.legs", columns.legs(receipts_ms))
            _insert(cursor, "measures", columns.measures())
            _insert(cursor, f"internal.accounts ({_OPENED_COLUMNS})", columns.opened())
            _update_accounts(cursor, columns)
            self._daily.commit(cursor, columns)
            advance(cursor, INGEST, last)
        self._cursor = last


def advance(cursor: duckdb.DuckDBPyConnection, stage: str, last: Cursor) -> None:
    """Set a stage's cursor, within the transaction that holds what it stands for."""
    values = [last.height, last.hash, stage]
    statement = "UPDATE internal.cursors SET height = ?, hash = ? WHERE stage = ?"
    changed = first_row(cursor, statement, values)
    if changed == (0,):
        row = [stage, last.height, last.hash]
        cursor.execute("INSERT INTO internal.cursors VALUES (?, ?, ?)", row)


def block_cursor(cursor: duckdb.DuckDBPyConnection, height: int) -> Cursor:
    """Return the cursor that stands at a block whose rows are here."""
    row = first_row(cursor, "SELECT hash FROM blocks WHERE height = ?", [height])
    if row is None:
        raise AssertionError(f"block {height} was read, so its row is there")
    return Cursor(height=height, hash=row[0])


def _insert(cursor: duckdb.DuckDBPyConnection, target: str, rows: pa.Table) -> None:
    """Append a table's rows; ``target`` is one of our own tables, never a user's text."""
    if rows.num_rows:
        run_with(cursor, f"INSERT INTO {target} SELECT * FROM batch", rows)  # noqa: S608


def _update_accounts(cursor: duckdb.DuckDBPyConnection, columns: Columns) -> None:
    if (activity := columns.activity()).num_rows:
        run_with(
            cursor,
            "UPDATE internal.accounts AS a SET last_height = b.last_height,"
            " first_height = coalesce(a.first_height, b.first_height)"
            " FROM batch AS b WHERE a.key = b.key",
            activity,
        )
    if (statuses := columns.statuses()).num_rows:
        run_with(
            cursor,
            "UPDATE internal.accounts AS a SET status = b.status FROM batch AS b WHERE a.key = b.key",
            statuses,
        )


def _load_accounts(connection: duckdb.DuckDBPyConnection) -> AccountKeys:
    rows = connection.execute("SELECT id, account FROM internal.accounts ORDER BY key")
    return AccountKeys(rows.fetchall())
