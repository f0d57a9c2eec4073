"""The warehouse's tables.

Those in ``main`` are documented (docs/analytics.md) and what people query. Where another shape is
quicker, the rows stand in ``internal`` and ``main`` has a view of the same name that shows them as
documented: legs and daily balances name accounts by small numbers and txids are bytes, because text
that differs in every row costs most of an append, and most of a query that groups or joins by it.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 3
"""Number of this shape; a file of another one is built anew."""

INGEST: Final = "ingest"
"""Cursor of the first stage: blocks as rows."""
DETECTION: Final = "detection"
"""Cursor of the second stage: alerts."""
ASSESSMENT: Final = "assessment"
"""Cursor of the third stage: scores."""

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
CREATE TABLE internal.transactions (
    txid      BLOB NOT NULL USING COMPRESSION uncompressed,
    height    BIGINT NOT NULL,
    index     INTEGER NOT NULL,
    time      TIMESTAMP NOT NULL,
    kind      VARCHAR NOT NULL,
    member    VARCHAR,
    legs      INTEGER NOT NULL,
    reference VARCHAR NOT NULL
);
CREATE VIEW transactions AS
    SELECT lower(hex(txid)) AS txid, height, index, time, kind, member, legs, reference
    FROM internal.transactions;
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
CREATE TABLE internal.legs (
    txid      BLOB USING COMPRESSION uncompressed,
    height    BIGINT NOT NULL,
    index     INTEGER NOT NULL,
    leg       INTEGER NOT NULL,
    time      TIMESTAMP NOT NULL,
    kind      VARCHAR NOT NULL,
    debit     INTEGER,
    credit    INTEGER,
    asset     VARCHAR NOT NULL,
    amount    BIGINT NOT NULL,
    reference VARCHAR NOT NULL,
    receipt   TIMESTAMP
);
CREATE VIEW legs AS
    SELECT lower(hex(l.txid)) AS txid, l.height, l.index, l.leg, l.time, l.kind,
           d.account AS debit, c.account AS credit, l.asset, l.amount, l.reference
    FROM internal.legs AS l
    LEFT JOIN internal.accounts AS d ON d.key = l.debit
    LEFT JOIN internal.accounts AS c ON c.key = l.credit;
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
    account INTEGER NOT NULL,
    asset   VARCHAR NOT NULL,
    day     DATE NOT NULL,
    height  BIGINT NOT NULL,
    balance BIGINT NOT NULL
);
CREATE TABLE internal.open_day (
    account INTEGER NOT NULL,
    asset   VARCHAR NOT NULL,
    day     DATE NOT NULL,
    height  BIGINT NOT NULL,
    balance BIGINT NOT NULL
);
CREATE VIEW internal.days AS
    SELECT account, asset, day, balance FROM internal.closed_days
    UNION ALL
    SELECT account, asset, day, arg_max(balance, height)
    FROM internal.open_day GROUP BY account, asset, day;
CREATE VIEW balances_daily AS
    SELECT a.account, d.asset, d.day, d.balance
    FROM internal.days AS d JOIN internal.accounts AS a ON a.key = d.account;

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
    kind          VARCHAR NOT NULL,
    subject_kind  VARCHAR NOT NULL,
    subject       VARCHAR NOT NULL,
    score         DOUBLE NOT NULL,
    band          VARCHAR NOT NULL,
    contributions JSON NOT NULL,
    model         VARCHAR NOT NULL,
    height        BIGINT NOT NULL,
    time          TIMESTAMP NOT NULL
);
CREATE TABLE internal.assessment (
    height BIGINT NOT NULL,
    time   TIMESTAMP NOT NULL
);
CREATE TABLE internal.features (
    account  VARCHAR NOT NULL,
    segment  VARCHAR NOT NULL,
    score    DOUBLE,
    band     VARCHAR,
    "values" DOUBLE[] NOT NULL
);
"""
"""Everything that a new file holds, in one transaction."""
