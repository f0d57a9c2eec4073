"""The file of releases: what was told and spent, SQLite, beside the regulator's cases.

A release is one transaction: the spent so far is read, the noise drawn, and answer and cost written
and synced (``synchronous=FULL``), before anybody sees the answer. A process that dies before that has
told nothing; one that dies after it has spent, and the answer can be read here. The file must outlive
a wipe of the chain's data: without it the budget would begin anew.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from analytics.errors import ReleasesUnusable
from analytics.privacy.mechanism import Drawn

FILE_NAME: Final = "releases.sqlite"
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
SCHEMA_VERSION: Final = 1
"""Number of this shape, kept in SQLite's ``user_version``."""
LOCK_S_MAX: Final = 5.0
"""How long to wait for another process that has the file locked, seconds."""

Json = dict[str, Any]
_Run = Callable[..., sqlite3.Cursor]

STATEMENTS: Final = """
CREATE TABLE chain (
    genesis_hash TEXT NOT NULL
) STRICT;
CREATE TABLE releases (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    year    INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    officer TEXT NOT NULL,
    epsilon REAL NOT NULL,
    spent   REAL NOT NULL,
    budget  REAL NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX releases_of_year ON releases (year);
""" + "".join(
    f"CREATE TRIGGER releases_{verb} BEFORE {verb} ON releases"
    " BEGIN SELECT RAISE(ABORT, 'releases is append-only'); END;\n"
    for verb in ("UPDATE", "DELETE")
)
"""Everything that a new file holds; ``spent`` is the loss of the year with the release."""


class Releases:
    """All releases of one regulator on one chain, and the budget that each year has."""

    def __init__(
        self, connection: sqlite3.Connection, budget: float, clock_s: Callable[[], float]
    ) -> None:
        """Take over a connection to a file of this shape."""
        self._connection = connection
        self.budget = budget
        """Privacy loss that all releases of a calendar year may have together."""
        self._clock_s = clock_s
        self._lock = threading.Lock()

    @classmethod
    def open_file(
        cls,
        directory: Path,
        genesis_hash: str,
        *,
        budget: float,
        clock_s: Callable[[], float] = time.time,
    ) -> Self:
        """Return the releases of a directory; it and their file are made when they are missing.

        Raises:
            ReleasesUnusable: ``releases_unreadable``, ``releases_other_chain`` or
                ``releases_other_version``; a new file would forget what was spent.
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
        except ReleasesUnusable:
            connection.close()
            raise
        return cls(connection, budget, clock_s)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def spent(self, year: int) -> float:
        """Return the privacy loss of a year so far."""
        with self._transaction() as run:
            return _spent(run, year)

    def release(
        self,
        year: int,
        *,
        officer: str,
        draw: Callable[[float], Drawn],
        content: Callable[[Drawn], Json],
    ) -> Json:
        """Return a release once the file holds it; what ``draw`` raises leaves the file as it was.

        ``draw`` takes what the year has spent so far; ``content`` makes what is told of what was drawn.
        """
        with self._transaction() as run:
            drawn = draw(_spent(run, year))
            told, now_ms = content(drawn), int(self._clock_s() * 1_000)
            number = run(
                "INSERT INTO releases (year, time_ms, officer, epsilon, spent, budget, content)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(year, now_ms, officer, drawn.epsilon, drawn.spent, self.budget),
                    json.dumps(told),
                ),
            ).lastrowid
            row = run("SELECT * FROM releases WHERE number = ?", (number,)).fetchone()
        return _document(row)

    def list_releases(self, *, limit: int, before: int | None) -> tuple[list[Json], int | None]:
        """Return releases, the newest first, and the number to go on before; None at the end."""
        last = (1 << 62) if before is None else before
        with self._transaction() as run:
            rows = run(
                "SELECT * FROM releases WHERE number < ? ORDER BY number DESC LIMIT ?",
                (last, limit + 1),
            ).fetchall()
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_document(row) for row in rows[:limit]], following

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _spent(run: _Run, year: int) -> float:
    # The largest and not the last: whatever order a clock or a restore gives, none is forgotten.
    row = run("SELECT max(spent) AS spent FROM releases WHERE year = ?", (year,)).fetchone()
    return float(row["spent"] or 0.0)


def _document(row: sqlite3.Row) -> Json:
    content: Json = json.loads(row["content"])
    return content | {
        "release": row["number"],
        "officer": row["officer"],
        "time_ms": row["time_ms"],
        "epsilon": row["epsilon"],
        "budget": {
            "year": row["year"],
            "epsilon": row["budget"],
            "spent": row["spent"],
            "left": max(0.0, row["budget"] - row["spent"]),
        },
    }


def _unreadable(path: Path, reason: str) -> ReleasesUnusable:
    detail = f"{path} cannot be read: {reason}"
    return ReleasesUnusable("releases_unreadable", detail, file=str(path))


def _prepare(connection: sqlite3.Connection, path: Path, genesis_hash: str) -> None:
    """Set a connection up; fill a new file, and refuse one that is not ours."""
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {STATEMENTS} PRAGMA user_version = {SCHEMA_VERSION};"
        )
        connection.execute("INSERT INTO chain VALUES (?)", (genesis_hash,))
        connection.execute("COMMIT")
        return
    if version != SCHEMA_VERSION:
        detail = f"{path} has version {version}, this program {SCHEMA_VERSION}"
        raise ReleasesUnusable("releases_other_version", detail, version=version)
    (found,) = connection.execute("SELECT genesis_hash FROM chain").fetchone()
    if found != genesis_hash:
        detail = f"{path} holds releases of the chain {found}; name another directory"
        raise ReleasesUnusable("releases_other_chain", detail, genesis_hash=found)
