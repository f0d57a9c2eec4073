"""The registry's file: SQLite, beside the folders of its models.

What is told as done is on disk (``synchronous=FULL``). One connection serves all threads in turn.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from analytics.errors import RegistryUnusable
from analytics.registry.schema import SCHEMA_VERSION, STATEMENTS

FILE_NAME: Final = "registry.sqlite"
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
LOCK_S_MAX: Final = 5.0
"""How long to wait for another process that has the file locked, seconds."""

Run = Callable[..., sqlite3.Cursor]
"""Runs a statement within a transaction."""


class RegistryFile:
    """The open file."""

    def __init__(self, connection: sqlite3.Connection, clock_s: Callable[[], float]) -> None:
        """Take over a connection to a file of this shape."""
        self._connection = connection
        self._clock_s = clock_s
        self._lock = threading.Lock()

    @classmethod
    def open_in(
        cls, directory: Path, genesis_hash: str, *, clock_s: Callable[[], float] = time.time
    ) -> Self:
        """Return the file of a directory; both are made when they are missing.

        Raises:
            RegistryUnusable: ``models_unreadable``, ``models_other_chain`` or
                ``models_other_version``; nothing is set aside, because nothing brings it back.
        """
        path = directory / FILE_NAME
        try:
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            path.touch(mode=FILE_MODE)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        connection = sqlite3.connect(
            path, timeout=LOCK_S_MAX, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, genesis_hash)
        except sqlite3.Error as error:
            connection.close()
            raise _unreadable(path, str(error)) from error
        except RegistryUnusable:
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


def _unreadable(path: Path, reason: str) -> RegistryUnusable:
    detail = f"{path} cannot be read: {reason}"
    return RegistryUnusable("models_unreadable", detail, file=str(path))


def _prepare(connection: sqlite3.Connection, path: Path, genesis_hash: str) -> None:
    """Set a connection up; fill a new file, and refuse one that is not ours."""
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {STATEMENTS} PRAGMA user_version = {SCHEMA_VERSION};"
        )
        connection.execute("INSERT INTO chain VALUES (?, -1, 0)", (genesis_hash,))
        connection.execute("COMMIT")
        return
    if version != SCHEMA_VERSION:
        detail = f"{path} has version {version}, this program {SCHEMA_VERSION}"
        raise RegistryUnusable("models_other_version", detail, version=version)
    (found,) = connection.execute("SELECT genesis_hash FROM chain").fetchone()
    if found != genesis_hash:
        detail = f"{path} holds models of the chain {found}; name another directory"
        raise RegistryUnusable("models_other_chain", detail, genesis_hash=found)
