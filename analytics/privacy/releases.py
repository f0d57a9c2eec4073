"""The file of releases: what was told and spent, SQLite, beside the regulator's cases.

A release is one transaction: the spent so far is read, the noise drawn, and answer and cost written
and synced (``synchronous=FULL``), before anybody sees the answer. A process that dies before that has
told nothing; one that dies after it has spent, and the answer can be read here. The file must outlive
a wipe of the chain's data: without it the budget would begin anew.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from analytics.privacy.mechanism import Drawn
from analytics.regulator_file import RegulatorFile, RegulatorFileKind, Run

FILE_NAME: Final = "releases.sqlite"
SCHEMA_VERSION: Final = 1
"""Number of this shape, kept in SQLite's ``user_version``."""

Json = dict[str, Any]

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
FILE: Final = RegulatorFileKind(
    name=FILE_NAME,
    holds="releases",
    code={
        "unreadable": "releases_unreadable",
        "other_chain": "releases_other_chain",
        "other_version": "releases_other_version",
    },
    version=SCHEMA_VERSION,
    statements=STATEMENTS,
    chain_row="INSERT INTO chain VALUES (?)",
)


class Releases:
    """All releases of one regulator on one chain, and the budget that each year has."""

    def __init__(self, file: RegulatorFile, budget: float) -> None:
        """Take over an open file."""
        self._file = file
        self.budget = budget
        """Privacy loss that all releases of a calendar year may have together."""

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
            RecordsUnusable: ``releases_unreadable``, ``releases_other_chain`` or
                ``releases_other_version``; a new file would forget what was spent.
        """
        return cls(RegulatorFile.open_in(directory, FILE, genesis_hash, clock_s=clock_s), budget)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def spent(self, year: int) -> float:
        """Return the privacy loss of a year so far."""
        with self._file.transaction() as run:
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
        with self._file.transaction() as run:
            drawn = draw(_spent(run, year))
            told, now_ms = content(drawn), self._file.now_ms()
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
        with self._file.transaction() as run:
            rows = run(
                "SELECT * FROM releases WHERE number < ? ORDER BY number DESC LIMIT ?",
                (last, limit + 1),
            ).fetchall()
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_document(row) for row in rows[:limit]], following


def _spent(run: Run, year: int) -> float:
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
