"""The warehouse's side of a query: rows of documented tables for its process, and nothing else.

All tables of one statement are read as they were at one moment, whenever their turn comes.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import duckdb
import pyarrow as pa

from analytics.sandbox.limits import MESSAGE_BYTES_MAX, SCAN_ROWS, SQL_TABLES_MAX
from analytics.warehouse.reading import scan_query
from analytics.warehouse.schema import DOCUMENTED_TABLES
from analytics.warehouse.store import Warehouse


def read_schemas(warehouse: Warehouse) -> dict[str, pa.Schema]:
    """Return the columns of the documented tables, as Arrow has them."""
    with warehouse.reading() as cursor:
        return {
            name: cursor.sql(f"SELECT * FROM {name} LIMIT 0").to_arrow_table().schema  # noqa: S608 - our own names
            for name in DOCUMENTED_TABLES
        }


class Scans:
    """Serves the rows that one query's process asks for, until it is closed."""

    def __init__(self, warehouse: Warehouse, schemas: dict[str, pa.Schema]) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._control, self.child_end = socket.socketpair()
        self._free: list[duckdb.DuckDBPyConnection] = []
        self._all: Sequence[duckdb.DuckDBPyConnection] = ()
        self._change = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._serve, name="scans", daemon=True)

    def start(self) -> None:
        """Fix the moment that the tables are read at, and serve; it waits for a commit under way."""
        self._all = self._warehouse.readers_of_one_moment(SQL_TABLES_MAX)
        self._free = list(self._all)
        self._thread.start()

    def close(self) -> None:
        """Serve no more, and let go of the moment."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        for cursor in self._all:
            with suppress(duckdb.ConnectionException):  # closed by itself
                cursor.interrupt()
        if self._thread.ident is not None:
            self._thread.join()
        self._control.close()

    def _serve(self) -> None:
        threads = []
        while True:
            try:
                message, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES_MAX, 1)
            except OSError:
                break
            if not message:
                break
            if len(files) == 1:
                target = socket.socket(fileno=files[0])
                thread = threading.Thread(
                    target=self._send, args=(message, target), name="scan", daemon=True
                )
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join()
        for cursor in self._all:
            cursor.close()

    def _send(self, message: bytes, target: socket.socket) -> None:
        """Send a table's rows; a process that has gone or asks for nonsense gets none."""
        with target, suppress(OSError, ValueError, KeyError, TypeError, duckdb.Error):
            request = json.loads(message)
            known = self._schemas[request["table"]]
            columns = [known.field(name).name for name in request["columns"]]
            cursor = self._take()
            if cursor is None:
                return
            try:
                query = scan_query(request["table"], columns)
                rows = cursor.sql(query).to_arrow_reader(SCAN_ROWS)
                with (
                    target.makefile("wb") as file,
                    pa.ipc.new_stream(file, rows.schema) as writer,
                ):
                    for batch in rows:
                        writer.write_batch(batch)
            finally:
                self._give_back(cursor)

    def _take(self) -> duckdb.DuckDBPyConnection | None:
        """Return a reader that nobody uses; None when the query is over."""
        with self._change:
            self._change.wait_for(lambda: self._free or self._is_closed)
            return None if self._is_closed else self._free.pop()

    def _give_back(self, cursor: duckdb.DuckDBPyConnection) -> None:
        with self._change:
            self._free.append(cursor)
            self._change.notify()
