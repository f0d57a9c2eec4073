"""Opening a warehouse: as it is, anew where it cannot be used, never over what is not ours."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from analytics.errors import WarehouseRefused
from analytics.warehouse.opening import FILE_NAME, open_warehouse
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.factories import make_network
from tests.histories import History

SETTINGS = Settings(memory_mib=256)


@pytest.fixture(scope="module")
def history() -> History:
    """Return a short chain."""
    history = History(seed=4)
    history.grow(3)
    return history


def fill(directory: Path, history: History) -> None:
    """Leave a warehouse with the whole chain in a directory."""
    warehouse = open_warehouse(directory, history.network.genesis, SETTINGS).warehouse
    warehouse.append(history.blocks)
    warehouse.close()


def height(directory: Path, history: History) -> tuple[int, str | None]:
    """Open, close; return the height and why it was built anew."""
    opened = open_warehouse(directory, history.network.genesis, SETTINGS)
    opened.warehouse.close()
    return opened.warehouse.ingested.height, opened.rebuild_reason


def test_a_warehouse_is_found_as_it_was_left(tmp_path: Path, history: History) -> None:
    """A second opening goes on from the cursor; nobody else may enter the directory."""
    fill(tmp_path / "new", history)
    assert height(tmp_path / "new", history) == (3, None)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_set_aside_and_built_anew(tmp_path: Path, history: History) -> None:
    """Bytes that are no database end in a warehouse at block 0, and are kept for who looks."""
    fill(tmp_path, history)
    path = tmp_path / FILE_NAME
    path.write_bytes(b"no database" * 1_000)
    assert height(tmp_path, history) == (0, "warehouse_unreadable")
    assert path.with_suffix(".unusable").read_bytes().startswith(b"no database")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE internal.chain SET schema_version = 1", "warehouse_other_schema"),
        ("UPDATE internal.chain SET schema_version = 99", "warehouse_other_schema"),
        ("DROP TABLE internal.cursors", "warehouse_unreadable"),
        ("UPDATE internal.legs SET debit = 0 WHERE height = 0", "balance_negative"),
    ],
)
def test_a_file_of_another_shape_is_built_anew(
    tmp_path: Path, history: History, statement: str, reason: str
) -> None:
    """An older or newer schema, a missing table and impossible balances end the same way."""
    fill(tmp_path, history)
    with duckdb.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(statement)
    assert height(tmp_path, history) == (0, reason)
    assert height(tmp_path, history) == (0, None)


def test_who_knows_a_reason_has_it_built_anew(tmp_path: Path, history: History) -> None:
    """A reason given with the opening sets a sound file aside."""
    fill(tmp_path, history)
    opened = open_warehouse(tmp_path, history.network.genesis, SETTINGS, rebuild_reason="foreign")
    opened.warehouse.close()
    assert (opened.warehouse.ingested.height, opened.rebuild_reason) == (0, "foreign")


def test_a_file_that_was_never_filled_is_no_obstacle(tmp_path: Path, history: History) -> None:
    """A process that was killed while it made the file leaves an empty one."""
    duckdb.connect(tmp_path / FILE_NAME).close()
    assert height(tmp_path, history) == (0, "warehouse_empty")


def test_another_chains_warehouse_is_left_alone(tmp_path: Path, history: History) -> None:
    """A directory that another network uses is refused, and stays as it is."""
    fill(tmp_path, history)
    other = make_network(banks=2, accounts=2).genesis
    with pytest.raises(WarehouseRefused) as refused:
        open_warehouse(tmp_path, other, SETTINGS)
    assert refused.value.code == "warehouse_other_chain"
    assert height(tmp_path, history) == (3, None)


def test_another_programs_database_is_left_alone(tmp_path: Path, history: History) -> None:
    """A DuckDB file with tables that are not ours is refused."""
    with duckdb.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE precious (value INTEGER)")
    with pytest.raises(WarehouseRefused) as refused:
        open_warehouse(tmp_path, history.network.genesis, SETTINGS)
    assert refused.value.code == "warehouse_foreign"


def test_genesis_is_taken_in_after_a_kill_between_the_commits(
    tmp_path: Path, history: History
) -> None:
    """A file with tables and no block yet is filled with the genesis document when it opens."""
    fill(tmp_path, history)
    made = Warehouse.create(connect(tmp_path / "other", SETTINGS), history.network.genesis)
    with made.writing() as cursor:
        for table in ("blocks", "internal.legs", "internal.accounts", "internal.open_day"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("UPDATE internal.cursors SET height = -1, hash = ''")
    made.close()
    (tmp_path / "other").replace(tmp_path / FILE_NAME)
    opened = open_warehouse(tmp_path, history.network.genesis, SETTINGS)
    opened.warehouse.append(history.blocks)
    assert opened.warehouse.ingested.height == 3
    opened.warehouse.close()
