"""Opening the warehouse of a directory: as it is, new, or anew when it cannot be used.

The chain is the truth and the file follows from it, so a file that is damaged or of another shape is
set aside and built anew from block 1. A file that is not ours to set aside is refused: another
chain's, another program's, or one that another process holds open.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from analytics.errors import WarehouseCorrupt, WarehouseRefused
from analytics.warehouse.schema import SCHEMA_VERSION
from analytics.warehouse.sql import first_row
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.genesis import Genesis

FILE_NAME: Final = "warehouse.duckdb"
DIRECTORY_MODE: Final = 0o700
"""Everything that members keep from each other is in there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open warehouse, and how it came to be."""

    warehouse: Warehouse
    """The warehouse."""
    rebuild_reason: str | None
    """Code of why an older file was set aside; None where there was none, or it is in use."""


def open_warehouse(
    directory: Path,
    genesis: Genesis,
    settings: Settings,
    *,
    rebuild_reason: str | None = None,
) -> Opened:
    """Return the warehouse in a directory, which is made when it is missing.

    ``rebuild_reason`` sets an older file of this chain aside for a reason that the caller knows.

    Raises:
        WarehouseRefused: ``warehouse_other_chain``, ``warehouse_foreign`` or ``warehouse_locked``.
        OSError: the directory cannot be used.
    """
    directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    path = directory / FILE_NAME
    if not path.exists():
        _remove_log(path)
        return Opened(warehouse=_create(path, genesis, settings), rebuild_reason=None)
    try:
        warehouse = _open(path, genesis, settings)
    except WarehouseCorrupt as error:
        reason = error.code
    else:
        if rebuild_reason is None:
            return Opened(warehouse=warehouse, rebuild_reason=None)
        warehouse.close()
        reason = rebuild_reason
    set_aside(directory)
    return Opened(warehouse=_create(path, genesis, settings), rebuild_reason=reason)


def _create(path: Path, genesis: Genesis, settings: Settings) -> Warehouse:
    return Warehouse.create(connect(path, settings), genesis)


def _open(path: Path, genesis: Genesis, settings: Settings) -> Warehouse:
    try:
        connection = connect(path, settings)
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise WarehouseRefused(
                "warehouse_locked", f"{path} is open in another process", file=str(path)
            ) from None
        raise _unreadable(path, error) from error
    except duckdb.Error as error:
        raise _unreadable(path, error) from error
    try:
        _check_chain(connection, path, genesis)
        warehouse = Warehouse(connection, genesis)
        warehouse.begin_with_genesis()
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(path, error) from error
    except (WarehouseCorrupt, WarehouseRefused):
        connection.close()
        raise
    return warehouse


def _check_chain(connection: duckdb.DuckDBPyConnection, path: Path, genesis: Genesis) -> None:
    """Refuse a file that is not ours; call one of another shape corrupt."""
    names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    if not names:
        raise WarehouseCorrupt("warehouse_empty", f"{path} was never filled", file=str(path))
    if ("chain",) not in names:
        detail = f"{path} was made by another program; name another directory"
        raise WarehouseRefused("warehouse_foreign", detail, file=str(path))
    row = first_row(connection, "SELECT schema_version, genesis_hash FROM internal.chain")
    version, genesis_hash = row or (0, "")
    if genesis_hash != genesis.header().hash.hex():
        detail = f"{path} holds the chain {genesis_hash}; name another directory"
        raise WarehouseRefused("warehouse_other_chain", detail, file=str(path))
    if version != SCHEMA_VERSION:
        raise WarehouseCorrupt(
            "warehouse_other_schema", f"{path} has schema {version}", schema=version
        )


def _unreadable(path: Path, error: duckdb.Error) -> WarehouseCorrupt:
    return WarehouseCorrupt(
        "warehouse_unreadable", f"{path} cannot be read: {error}", file=str(path)
    )


def set_aside(directory: Path) -> None:
    """Let the next opening build anew; the last unusable file is kept for who wants to look."""
    path = directory / FILE_NAME
    _remove_log(path)
    with suppress(FileNotFoundError):
        path.replace(path.with_suffix(".unusable"))


def _remove_log(path: Path) -> None:
    """Remove the write-ahead log of a file that is gone, so that none is applied to the next."""
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
