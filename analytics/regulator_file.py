"""A file of the regulator's own records: SQLite, outside the chain's data, so that a wipe leaves it.

Cases, models and what was published are on no chain: nothing brings them back. So what is told as done
is on disk (``synchronous=FULL``), and a file that cannot be used is left as it is and named. One
connection serves all threads in turn; every transaction holds it alone.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from analytics.errors import RecordsUnusable

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
LOCK_S_MAX: Final = 5.0
"""How long to wait for another process that has the file locked, seconds."""

Run = Callable[..., sqlite3.Cursor]
"""Runs a statement within a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatorFileKind:
    """What tells one kind of file from another."""

    name: str
    """Name of the file in its directory."""
    holds: str
    """What it holds, in the plural."""
    code: Mapping[str, str]
    """Code of each refusal: of what is ``unreadable``, of ``other_chain``, of ``other_version``."""
    version: int
    """Number of its shape, kept in SQLite's ``user_version``; not 0."""
    statements: str
    """What a new file holds; a table ``chain`` with a column ``genesis_hash`` among it."""
    chain_row: str
    """Inserts the one row of that table; the genesis hash is bound."""


class RegulatorFile:
    """An open file."""

    def __init__(self, connection: sqlite3.Connection, clock_s: Callable[[], float]) -> None:
        """Take over a connection to a file of its kind."""
        self._connection = connection
        self._clock_s = clock_s
        self._lock = threading.Lock()

    @classmethod
    def open_in(
        cls,
        directory: Path,
        kind: RegulatorFileKind,
        genesis_hash: str,
        *,
        clock_s: Callable[[], float] = time.time,
    ) -> Self:
        """Return the file of a directory; both are made when they are missing.

        Raises:
            RecordsUnusable: by one of the kind's codes.
        """
        path = directory / kind.name
        try:
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            path.touch(mode=FILE_MODE)
        except OSError as error:
            raise _unreadable(path, kind, error.strerror or str(error)) from error
        connection = sqlite3.connect(
            path, timeout=LOCK_S_MAX, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, kind, genesis_hash)
        except sqlite3.Error as error:
            connection.close()
            raise _unreadable(path, kind, str(error)) from error
        except RecordsUnusable:
            connection.close()
            raise
        return cls(connection, clock_s)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def now_ms(self) -> int:
        """Return the time, milliseconds since 1970-01-01 UTC."""
        return int(self._clock_s() * 1_000)

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        """Hold a transaction that is committed at the end, and undone by an exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _unreadable(path: Path, kind: RegulatorFileKind, reason: str) -> RecordsUnusable:
    detail = f"{path} cannot be read: {reason}"
    return RecordsUnusable(kind.code["unreadable"], detail, file=str(path))


def _prepare(
    connection: sqlite3.Connection, path: Path, kind: RegulatorFileKind, genesis_hash: str
) -> None:
    """Set a connection up; fill a new file, and refuse one that is not ours."""
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {kind.statements} PRAGMA user_version = {kind.version};"
        )
        connection.execute(kind.chain_row, (genesis_hash,))
        connection.execute("COMMIT")
        return
    if version != kind.version:
        detail = f"{path} has version {version}, this program {kind.version}"
        raise RecordsUnusable(kind.code["other_version"], detail, version=version)
    (found,) = connection.execute("SELECT genesis_hash FROM chain").fetchone()
    if found != genesis_hash:
        detail = f"{path} holds {kind.holds} of the chain {found}; name another directory"
        raise RecordsUnusable(kind.code["other_chain"], detail, genesis_hash=found)
