"""The tables of cases.

They are the regulator's own records: no replay of the chain brings them back. So alerts are copied
into them, because another version of the rules may not raise them again, and what was written is
never changed or removed but for a case's state and officer, whose history is kept too.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Number of this shape, kept in SQLite's ``user_version``."""

_KEPT: Final = ("case_alerts", "case_notes", "case_history", "case_proposals", "case_measures")

STATEMENTS: Final = """
CREATE TABLE chain (
    genesis_hash   TEXT NOT NULL,
    settled_height INTEGER NOT NULL
) STRICT;
CREATE TABLE cases (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    state      TEXT NOT NULL,
    officer    TEXT NOT NULL,
    opened_by  TEXT NOT NULL,
    opened_time_ms  INTEGER NOT NULL,
    changed_time_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE case_alerts (
    alert   TEXT PRIMARY KEY,
    number  INTEGER NOT NULL REFERENCES cases,
    account TEXT,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_of_case ON case_alerts (number);
CREATE INDEX alerts_of_account ON case_alerts (account);
CREATE TABLE case_notes (
    note    INTEGER PRIMARY KEY AUTOINCREMENT,
    number  INTEGER NOT NULL REFERENCES cases,
    time_ms INTEGER NOT NULL,
    officer TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX notes_of_case ON case_notes (number);
CREATE TABLE case_history (
    step    INTEGER PRIMARY KEY AUTOINCREMENT,
    number  INTEGER NOT NULL REFERENCES cases,
    time_ms INTEGER NOT NULL,
    by      TEXT,
    state   TEXT NOT NULL,
    officer TEXT NOT NULL
) STRICT;
CREATE INDEX history_of_case ON case_history (number);
CREATE TABLE case_proposals (
    alert    TEXT PRIMARY KEY REFERENCES case_alerts,
    number   INTEGER NOT NULL REFERENCES cases,
    time_ms  INTEGER NOT NULL,
    officer  TEXT NOT NULL,
    account  TEXT NOT NULL,
    proposal TEXT NOT NULL
) STRICT;
CREATE INDEX proposals_of_case ON case_proposals (number);
CREATE TABLE case_measures (
    number  INTEGER NOT NULL REFERENCES cases,
    txid    TEXT NOT NULL,
    account TEXT NOT NULL,
    measure TEXT NOT NULL,
    member  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    height  INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (number, txid, account)
) STRICT;
""" + "".join(
    f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}"
    f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n"
    for table in _KEPT
    for verb in ("UPDATE", "DELETE")
)
"""Everything that a new file holds."""
