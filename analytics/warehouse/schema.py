"""The warehouse's tables.

Those in ``main`` are documented (docs/analytics.md) and what people query. Where another shape is
quicker, the rows stand in ``internal`` and ``main`` has a view of the same name: ``internal.legs``
and ``internal.accounts`` also number the accounts, because comparing numbers finds an account's
legs among millions ten times as fast as comparing its id.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Number of this shape; a file of another one is built anew."""

INGEST: Final = "ingest"
"""Cursor of the first stage: blocks as rows."""
DETECTION: Final = "detection"
"""Cursor of the second stage: alerts and scores."""

DOCUMENTED_TABLES: Final = (
    "blocks",
    "transactions",
    "legs",
    "accounts",
    "members",
    "assets",
    "balances_daily",
    "measures",
    "alerts",
    "scores",
)
"""What people may query, in the order of docs/analytics.md."""

STATEMENTS: Final = """
CREATE SCHEMA internal;

CREATE TABLE internal.chain (
    schema_version INTEGER NOT NULL,
    chain_id       VARCHAR NOT NULL,
    genesis_hash   VARCHAR NOT NULL
);
CREATE TABLE internal.cursors (
    stage  VARCHAR NOT NULL,
    height BIGINT NOT NULL,
    hash   VARCHAR NOT NULL
);

CREATE TABLE blocks (
    height       BIGINT NOT NULL,
    hash         VARCHAR NOT NULL,
    parent       VARCHAR NOT NULL,
    time         TIMESTAMP NOT NULL,
    sealer       VARCHAR NOT NULL,
    bits         BIGINT NOT NULL,
    transactions INTEGER NOT NULL,
    legs         INTEGER NOT NULL
);
CREATE TABLE transactions (
    txid      VARCHAR NOT NULL,
    height    BIGINT NOT NULL,
    index     INTEGER NOT NULL,
    time      TIMESTAMP NOT NULL,
    kind      VARCHAR NOT NULL,
    member    VARCHAR,
    legs      INTEGER NOT NULL,
    reference VARCHAR NOT NULL
);
CREATE TABLE internal.legs (
    txid       VARCHAR,
    height     BIGINT NOT NULL,
    index      INTEGER NOT NULL,
    leg        INTEGER NOT NULL,
    time       TIMESTAMP NOT NULL,
    kind       VARCHAR NOT NULL,
    debit      VARCHAR,
    credit     VARCHAR,
    asset      VARCHAR NOT NULL,
    amount     BIGINT NOT NULL,
    reference  VARCHAR NOT NULL,
    debit_key  INTEGER,
    credit_key INTEGER
);
CREATE VIEW legs AS
    SELECT txid, height, index, leg, time, kind, debit, credit, asset, amount, reference
    FROM internal.legs;
CREATE TABLE internal.accounts (
    key           INTEGER NOT NULL,
    id            BLOB NOT NULL,
    account       VARCHAR NOT NULL,
    member        VARCHAR NOT NULL,
    kind          VARCHAR NOT NULL,
    status        VARCHAR NOT NULL,
    opened_height BIGINT NOT NULL,
    opened_time   TIMESTAMP NOT NULL,
    first_height  BIGINT,
    last_height   BIGINT
);
CREATE VIEW accounts AS
    SELECT account, member, kind, status, opened_height, opened_time, first_height, last_height
    FROM internal.accounts;
CREATE TABLE members (
    member VARCHAR NOT NULL,
    name   VARCHAR NOT NULL,
    lei    VARCHAR NOT NULL,
    roles  VARCHAR[] NOT NULL
);
CREATE TABLE assets (
    asset    VARCHAR NOT NULL,
    name     VARCHAR NOT NULL,
    decimals INTEGER NOT NULL,
    issuer   VARCHAR NOT NULL
);
CREATE TABLE measures (
    txid      VARCHAR NOT NULL,
    height    BIGINT NOT NULL,
    index     INTEGER NOT NULL,
    time      TIMESTAMP NOT NULL,
    measure   VARCHAR NOT NULL,
    account   VARCHAR NOT NULL,
    member    VARCHAR NOT NULL,
    reason    VARCHAR NOT NULL,
    case_id   VARCHAR NOT NULL
);

CREATE TABLE internal.closed_days (
    account VARCHAR NOT NULL,
    asset   VARCHAR NOT NULL,
    day     DATE NOT NULL,
    height  BIGINT NOT NULL,
    balance BIGINT NOT NULL
);
CREATE TABLE internal.open_day (
    account VARCHAR NOT NULL,
    asset   VARCHAR NOT NULL,
    day     DATE NOT NULL,
    height  BIGINT NOT NULL,
    balance BIGINT NOT NULL
);
CREATE VIEW balances_daily AS
    SELECT account, asset, day, balance FROM internal.closed_days
    UNION ALL
    SELECT account, asset, day, arg_max(balance, height)
    FROM internal.open_day GROUP BY account, asset, day;

CREATE TABLE alerts (
    id           VARCHAR NOT NULL,
    typology     VARCHAR NOT NULL,
    severity     VARCHAR NOT NULL,
    account      VARCHAR,
    score        DOUBLE NOT NULL,
    reasons      JSON NOT NULL,
    transactions VARCHAR[] NOT NULL,
    height       BIGINT NOT NULL,
    time         TIMESTAMP NOT NULL,
    model        VARCHAR NOT NULL
);
CREATE TABLE scores (
    subject_kind  VARCHAR NOT NULL,
    subject       VARCHAR NOT NULL,
    score         DOUBLE NOT NULL,
    band          VARCHAR NOT NULL,
    contributions JSON NOT NULL,
    model         VARCHAR NOT NULL,
    height        BIGINT NOT NULL,
    time          TIMESTAMP NOT NULL
);
"""
"""Everything that a new file holds, in one transaction."""
