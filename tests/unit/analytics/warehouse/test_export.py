"""Exports: parts of whole blocks, which pyarrow and DuckDB read as the warehouse's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from analytics.warehouse import export
from analytics.warehouse.export import ORDERS, Part, write_part
from analytics.warehouse.schema import DOCUMENTED_TABLES
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import History

LAST = 20


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Return the warehouse of a short chain."""
    history = History(seed=9)
    history.grow(LAST)
    path = tmp_path_factory.mktemp("export") / "file"
    made = Warehouse.create(connect(path, Settings()), history.network.genesis)
    made.append(history.blocks)
    yield made
    made.close()


def parts(warehouse: Warehouse, directory: Path, table: str) -> list[Part]:
    """Export a whole table."""
    written: list[Part] = []
    following: int | None = 0
    while following is not None:
        path = directory / f"{following:09}.parquet"
        with warehouse.reading() as cursor:
            written.append(write_part(cursor, path, table, following, 10**15))
        following = written[-1].following
        assert sha256(path.read_bytes()).hexdigest() == written[-1].digest
        assert pq.read_metadata(path).num_rows == written[-1].rows
    return written


@pytest.mark.parametrize("table", DOCUMENTED_TABLES)
def test_other_readers_see_the_tables(
    warehouse: Warehouse, tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parts together are the table, for another DuckDB and for pyarrow."""
    monkeypatch.setattr(export, "EXPORT_ROWS_MAX", 7)
    written = parts(warehouse, tmp_path, table)
    with warehouse.reading() as cursor:
        expected = cursor.execute(f"FROM {table} ORDER BY ALL").fetchall()
    with duckdb.connect() as judge:
        files = str(tmp_path / "*.parquet")
        found = judge.execute("FROM read_parquet(?) ORDER BY ALL", [files]).fetchall()
    assert found == expected
    assert pq.read_table(tmp_path).num_rows == len(expected) == sum(p.rows for p in written)
    if table in ("blocks", "legs", "transactions"):
        assert len(written) > 2


def test_parts_hold_whole_blocks_without_gap(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins where the one before ended; the last is the warehouse's last block."""
    monkeypatch.setattr(export, "EXPORT_ROWS_MAX", 5)
    written = parts(warehouse, tmp_path, "legs")
    assert [part.first for part in written] == [0, *(part.last + 1 for part in written[:-1])]
    assert written[-1].last == LAST
    for part in written:
        heights = pq.read_table(tmp_path / f"{part.first:09}.parquet")["height"].to_pylist()
        assert heights == sorted(heights)
        assert all(part.first <= height <= part.last for height in heights)


def test_a_part_is_the_same_whenever_it_is_asked_for(warehouse: Warehouse, tmp_path: Path) -> None:
    """What is cut off can be fetched again, and its digest tells that it is the same."""
    digests = set()
    for number in range(2):
        with warehouse.reading() as cursor:
            part = write_part(cursor, tmp_path / str(number), "legs", 3, 11)
        digests.add(part.digest)
        assert (part.first, part.last, part.following) == (3, 11, None)
    assert len(digests) == 1


def test_every_table_is_sorted_or_has_no_height(warehouse: Warehouse) -> None:
    """A table with heights is exported in parts."""
    with warehouse.reading() as cursor:
        rows = cursor.execute(
            "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'main'"
            " AND column_name = 'height'"
        ).fetchall()
    assert {name for (name,) in rows} == set(ORDERS)
