"""The tables of the registry.

They are the regulator's own records, as cases are: no replay of the chain brings them back. Of a
model nothing changes but what it is to its series, and every change of that is a step of its history.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Number of this shape, kept in SQLite's ``user_version``."""

STATEMENTS: Final = """
CREATE TABLE chain (
    genesis_hash TEXT NOT NULL,
    watched_height INTEGER NOT NULL,
    checked_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE models (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    series        TEXT NOT NULL,
    version       INTEGER NOT NULL,
    method        TEXT NOT NULL,
    from_height   INTEGER,
    to_height     INTEGER,
    block_hash    TEXT,
    seed          INTEGER,
    rows          INTEGER,
    metrics       TEXT NOT NULL,
    reference     TEXT NOT NULL,
    compared      TEXT,
    card_hash     TEXT NOT NULL,
    manifest_hash TEXT NOT NULL,
    state         TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    by            TEXT,
    training      TEXT,
    UNIQUE (series, version)
) STRICT;
CREATE UNIQUE INDEX one_champion ON models (series) WHERE state = 'champion';
CREATE TABLE steps (
    step    INTEGER PRIMARY KEY AUTOINCREMENT,
    number  INTEGER NOT NULL REFERENCES models,
    time_ms INTEGER NOT NULL,
    by      TEXT,
    state   TEXT NOT NULL,
    reason  TEXT NOT NULL
) STRICT;
CREATE INDEX steps_of_model ON steps (number);
CREATE TABLE trainings (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    series     TEXT NOT NULL,
    method     TEXT NOT NULL,
    seed       INTEGER NOT NULL,
    height     INTEGER,
    features   TEXT,
    by         TEXT,
    proposal   TEXT,
    state      TEXT NOT NULL,
    asked_ms   INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms   INTEGER,
    progress   TEXT NOT NULL,
    model      TEXT,
    code       TEXT,
    detail     TEXT
) STRICT;
CREATE TABLE proposals (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    series     TEXT NOT NULL,
    model      TEXT NOT NULL REFERENCES models (id),
    height     INTEGER NOT NULL,
    time_ms    INTEGER NOT NULL,
    reasons    TEXT NOT NULL,
    state      TEXT NOT NULL,
    decided_by TEXT,
    decided_ms INTEGER,
    note       TEXT,
    training   TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_proposal ON proposals (series) WHERE state = 'open';
CREATE TRIGGER models_stay BEFORE UPDATE OF
    id, series, version, method, from_height, to_height, block_hash, seed, rows, metrics, reference,
    compared, card_hash, manifest_hash, created_ms, by, training ON models
    BEGIN SELECT RAISE(ABORT, 'a model never changes'); END;
CREATE TRIGGER models_delete BEFORE DELETE ON models
    BEGIN SELECT RAISE(ABORT, 'models are append-only'); END;
CREATE TRIGGER steps_update BEFORE UPDATE ON steps
    BEGIN SELECT RAISE(ABORT, 'steps are append-only'); END;
CREATE TRIGGER steps_delete BEFORE DELETE ON steps
    BEGIN SELECT RAISE(ABORT, 'steps are append-only'); END;
CREATE TRIGGER decided_stay BEFORE UPDATE ON proposals WHEN OLD.state <> 'open'
    BEGIN SELECT RAISE(ABORT, 'a proposal is decided once'); END;
CREATE TRIGGER ended_stay BEFORE UPDATE ON trainings WHEN OLD.state IN ('done', 'failed')
    BEGIN SELECT RAISE(ABORT, 'a training ends once'); END;
"""
"""Everything that a new file holds."""
