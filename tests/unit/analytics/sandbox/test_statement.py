"""What a statement may be: a list of escapes, each refused before it could run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from analytics.errors import RequestRefused
from analytics.sandbox.child import lock, open_database
from analytics.sandbox.limits import SQL_TABLES_MAX
from analytics.sandbox.statement import Catalog, Checked, check_statement, read_catalog

TABLES = {
    "legs": ("txid", "height", "debit", "credit", "asset", "amount"),
    "blocks": ("height", "hash", "time"),
}

ESCAPES = """
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv_auto('/etc/passwd')
SELECT * FROM read_parquet('x.parquet')
SELECT * FROM parquet_scan('x.parquet')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM read_json('/etc/passwd')
SELECT * FROM read_ndjson_objects('/etc/passwd')
SELECT * FROM glob('/*')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM sqlite_scan('x.db', 't')
SELECT * FROM parquet_metadata('x.parquet')
SELECT * FROM 'x.parquet'
FROM '/etc/passwd'
SELECT * FROM "https://example.org/x.csv"
SELECT * FROM 's3://bucket/x.parquet'
SELECT * FROM read_duckdb('warehouse.duckdb')
COPY legs TO 'x.csv'
COPY legs FROM 'x.csv'
COPY (SELECT 1) TO '/dev/stdout'
ATTACH 'warehouse.duckdb' AS w
DETACH memory
USE memory
INSTALL httpfs
LOAD httpfs
UPDATE EXTENSIONS
SET memory_limit = '100GB'
RESET memory_limit
SET VARIABLE x = 1
PRAGMA database_list
PRAGMA memory_limit = '100GB'
EXPORT DATABASE 'x'
IMPORT DATABASE 'x'
CREATE TABLE t AS SELECT 1
CREATE MACRO f() AS 1
CREATE SECRET s (TYPE s3)
CREATE VIEW v AS SELECT 1
INSERT INTO legs VALUES (1)
DELETE FROM legs
UPDATE legs SET amount = 0
MERGE INTO legs USING blocks ON true WHEN MATCHED THEN DELETE
TRUNCATE legs
DROP TABLE legs
ALTER TABLE legs ADD COLUMN x INTEGER
CALL duckdb_settings()
CHECKPOINT
VACUUM
ANALYZE
BEGIN
COMMIT
SELECT 1; SELECT 2
SELECT 1; DROP TABLE legs
SELECT 1 /* ; */; /* */ DELETE FROM legs
SELECT 1 -- harmless
SELECT * FROM internal.legs
SELECT * FROM internal.chain
SELECT * FROM main.internal.legs
SELECT * FROM other.main.legs
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_settings
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_databases()
SELECT * FROM duckdb_tables
SELECT * FROM pragma_version()
SELECT * FROM pragma_table_info('legs')
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_class
SELECT * FROM sqlite_master
SELECT getenv('HOME')
SELECT current_setting('memory_limit')
SELECT version()
SELECT current_query()
SELECT getvariable('x')
SELECT nextval('s')
SELECT sleep_ms(1000)
SELECT write_log('x')
SELECT json_serialize_plan('SELECT 1')
SELECT pg_catalog.pg_get_viewdef(1)
SELECT system.main.getenv('HOME')
SELECT finalize('\\x00'::BLOB)
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('legs')
SELECT * FROM json_execute_serialized_sql('{}')
SELECT * FROM arrow_scan(1, 2, 3)
SELECT * FROM python_map_function(1)
SELECT * FROM seq_scan('legs')
SELECT * FROM test_all_types()
SELECT * FROM histogram('legs', 'amount')
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
SELECT ?
SELECT $1
SELECT $name
EXPLAIN SELECT 1
EXPLAIN ANALYZE DELETE FROM legs
SHOW TABLES
SHOW ALL TABLES
SELECT * FROM (SHOW TABLES)
SELECT * FROM (SHOW DATABASES)
DESCRIBE duckdb_settings
SUMMARIZE 'x.csv'
WITH x AS (DELETE FROM legs RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO legs VALUES (1) RETURNING *) SELECT * FROM x
WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x
WITH duckdb_settings AS (SELECT * FROM duckdb_settings) SELECT * FROM duckdb_settings
WITH a AS (WITH duckdb_views AS (SELECT 1) SELECT 1) SELECT * FROM duckdb_views
WITH "x.csv" AS (SELECT 1) SELECT * FROM "x.csv"
SELECT (SELECT content FROM read_text('/etc/passwd'))
SELECT 1 WHERE EXISTS (FROM glob('*'))
SELECT 1 ORDER BY (SELECT count(*) FROM glob('*'))
SELECT list_transform([1], lambda x: (SELECT count(*) FROM glob('*')))
SELECT count(*) FILTER (WHERE getenv('x') = '') FROM legs
SELECT sum(amount) OVER (ORDER BY getenv('x')) FROM legs
SELECT * FROM range((SELECT count(*) FROM glob('*')))
SELECT * FROM legs AT (VERSION => 1)
FROM legs, LATERAL (SELECT * FROM read_text(legs.txid))
VALUES ((SELECT count(*) FROM glob('*')))
PIVOT legs ON asset USING sum(amount)
SELECT * FROM unknown
""".strip().splitlines()
HARMLESS_COMMENT = "SELECT 1 -- harmless"

ALLOWED = {
    "SELECT count(*) FROM legs": {"legs": ("txid",)},
    "SELECT Amount FROM Main.Legs": {"legs": ("amount",)},
    "SELECT * FROM legs": {"legs": TABLES["legs"]},
    "SELECT l FROM legs AS l": {"legs": TABLES["legs"]},
    "SELECT legs FROM legs": {"legs": TABLES["legs"]},
    "SELECT COLUMNS('a.*') FROM legs": {"legs": TABLES["legs"]},
    "SELECT hash FROM legs NATURAL JOIN blocks": TABLES,
    "SELECT hash FROM legs JOIN blocks USING (height)": {
        "legs": ("height",),
        "blocks": ("height", "hash"),
    },
    "WITH legs AS (SELECT amount FROM legs) SELECT sum(amount) FROM legs": {"legs": ("amount",)},
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) FROM n": {},
    "DESCRIBE legs": {"legs": TABLES["legs"]},
    "SUMMARIZE blocks": {"blocks": TABLES["blocks"]},
    "SELECT date_trunc('day', time), now(), [x + 1 for x in [1]] FROM blocks": {
        "blocks": ("time",)
    },
    "SELECT unnest(range(3)), amount::DECIMAL(18, 2) / 100, asset LIKE 'C%' FROM legs": {
        "legs": ("asset", "amount")
    },
    "SELECT row_number() OVER (PARTITION BY asset ORDER BY amount DESC) AS n FROM legs"
    " QUALIFY n < 3": {"legs": ("asset", "amount")},
    HARMLESS_COMMENT: {},
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database as a query's process has it."""
    with open_database() as connection:
        yield connection


@pytest.fixture(scope="module")
def catalog(connection: duckdb.DuckDBPyConnection) -> Catalog:
    """Return what DuckDB itself has."""
    return read_catalog(connection)


def check(connection: duckdb.DuckDBPyConnection, catalog: Catalog, sql: str) -> Checked:
    """Check a statement over two tables."""
    return check_statement(connection, sql, TABLES, catalog)


@pytest.mark.parametrize("sql", [one for one in ESCAPES if one != HARMLESS_COMMENT])
def test_threat_65_what_is_no_query_of_documented_tables_is_refused(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, sql: str
) -> None:
    """Refused before it runs, with a sentence that says what is allowed."""
    with pytest.raises(RequestRefused) as refusal:
        check(connection, catalog, sql)
    assert refusal.value.code in {"query_refused", "query_failed"}
    if refusal.value.code == "query_failed":  # DuckDB has no such grammar
        assert "Error" in refusal.value.detail
    else:
        assert "one SELECT over the documented tables" in refusal.value.detail


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sniff_csv('{file}')",
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}' AS w",
        "EXPORT DATABASE '{file}'",
        "INSTALL httpfs",
        "LOAD '{file}'",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SET lock_configuration = false",
        "SET temp_directory = 'spill'",
        "CREATE SECRET s (TYPE s3)",
    ],
)
def test_threat_65_duckdb_itself_refuses_what_the_check_would_miss(
    tmp_path: Path, sql: str
) -> None:
    """The second wall: without any check of the statement no file and no setting is in reach."""
    file = tmp_path / "secret.csv"
    file.write_text("a,b\n1,2\n")
    with open_database() as bare:
        lock(bare)
        with pytest.raises(duckdb.Error):
            bare.execute(sql.format(file=file)).fetchall()
    assert file.read_text() == "a,b\n1,2\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_a_query_reads_is_what_it_names(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, sql: str
) -> None:
    """Columns that no part of the statement can mean stay in the warehouse."""
    assert dict(check(connection, catalog, sql).columns) == ALLOWED[sql]


def test_threat_65_a_statement_names_a_bounded_number_of_tables(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog
) -> None:
    """Each place that names one is a reader of the warehouse."""
    most = ", ".join(f"legs AS l{number}" for number in range(SQL_TABLES_MAX))
    assert check(connection, catalog, f"SELECT count(*) FROM {most}").tables == SQL_TABLES_MAX
    with pytest.raises(RequestRefused, match="at most 16 places"):
        check(connection, catalog, f"SELECT count(*) FROM {most}, legs")


def test_threat_65_deep_nesting_is_refused_and_breaks_nothing(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog
) -> None:
    """However deep, the answer is a refusal."""
    for depth in (900, 5_000):
        with pytest.raises(RequestRefused):
            check(connection, catalog, "SELECT " + "(SELECT " * depth + "1" + ")" * depth)
