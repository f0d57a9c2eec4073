"""The process of one query: it is given a statement, answers it, and ends.

    python -m analytics.sandbox.child CONTROL-FD

It holds a database in memory that is empty but for the documented tables, whose rows come from the
warehouse as they are read (``scans``). No file, no network, no extension and no setting is within
reach of DuckDB here, memory and time are limited by the operating system, and whatever goes wrong,
nobody but this process ends.

    standard input    the request, JSON, to its end
    control           a socket: {"table", "columns"} with a socket that takes the rows, as Arrow
    standard output   one byte when it is ready; then the answer, JSON: {"columns", "types", "rows", "truncated"} or
                      {"code", "detail"}
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from analytics.errors import RequestRefused
from analytics.sandbox.limits import (
    FETCH_ROWS,
    MIB,
    OPEN_FILES_MAX,
    READY,
    SQL_ANSWER_BYTES_MAX,
    SQL_MEMORY_MIB,
    SQL_OVERHEAD_MIB,
    SQL_ROWS_MAX,
    SQL_SECONDS_GRACE,
    SQL_SECONDS_MAX,
)
from analytics.sandbox.statement import (
    STATUS,
    TIMEOUT,
    Checked,
    check_statement,
    first_line,
    read_catalog,
)
from analytics.sandbox.values import row_json

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": f"{SQL_MEMORY_MIB}MiB",
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}
_STATUS_FILE: Final = Path("/proc/self/status")


class RemoteTable:
    """A documented table, whose rows the warehouse sends each time that they are read."""

    def __init__(self, control: socket.socket, name: str, schema: pa.Schema) -> None:
        self._control = control
        self._name = name
        self._schema = schema

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        ours, theirs = socket.socketpair()
        request = {"table": self._name, "columns": self._schema.names}
        with theirs:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno()])
        file = ours.makefile("rb")
        ours.close()
        return pa.ipc.open_stream(file).__arrow_c_stream__(requested_schema)


def main() -> None:
    """Answer one request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    control = socket.socket(fileno=int(sys.argv[1]))
    connection = open_database()
    # Everything that a query needs has been used once before memory is counted.
    catalog = read_catalog(connection)
    connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    _write(READY)
    asked = sys.stdin.buffer.read()
    if not asked:
        os._exit(0)  # nobody needed this process
    request = json.loads(asked)
    _limit_process()
    try:
        schemas = _schemas(request["tables"])
        tables = {name: tuple(schema.names) for name, schema in schemas.items()}
        checked = check_statement(connection, request["sql"], tables, catalog)
        answer = _answer(connection, control, checked, schemas)
    except RequestRefused as error:
        answer = _refusal(error.code, error.detail)
    except duckdb.InterruptException:
        answer = _refusal(TIMEOUT, f"the query took longer than {SQL_SECONDS_MAX:g} s")
    except (MemoryError, pa.ArrowMemoryError, duckdb.OutOfMemoryException):
        answer = _refusal(
            "query_too_large", f"the query needs more than {SQL_MEMORY_MIB} MiB of memory"
        )
    except duckdb.Error as error:
        answer = _refusal("query_failed", first_line(error))
    _write(answer)
    os._exit(0)  # what is left is freed by the system, sooner than DuckDB could


def open_database() -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory."""
    return duckdb.connect(":memory:", config=_CONFIG)


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Shut out files, network and extensions, for good."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _limit_process() -> None:
    """Give up what a query could not need; none of it can be taken back."""
    seconds = int(SQL_SECONDS_MAX + 2 * SQL_SECONDS_GRACE) + _seconds_used()
    memory = _private_bytes()
    for kind, most in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_CPU, seconds),
    ):
        resource.setrlimit(kind, (most, most))
    if memory is not None:
        most = memory + (SQL_MEMORY_MIB + SQL_OVERHEAD_MIB) * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _seconds_used() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return int(usage.ru_utime + usage.ru_stime)


def _private_bytes() -> int | None:
    """Return the memory that counts towards RLIMIT_DATA, bytes; None where nobody counts it."""
    if not _STATUS_FILE.exists():
        return None
    for line in _STATUS_FILE.read_text("ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return None


def _schemas(documents: Mapping[str, str]) -> dict[str, pa.Schema]:
    return {
        name: pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(text)))
        for name, text in documents.items()
    }


def _answer(
    connection: duckdb.DuckDBPyConnection,
    control: socket.socket,
    checked: Checked,
    schemas: Mapping[str, pa.Schema],
) -> bytes:
    """Run a statement; return the answer."""
    for name, columns in checked.columns.items():
        schema = pa.schema([schemas[name].field(column) for column in columns])
        connection.register(name, RemoteTable(control, name, schema))
    lock(connection)
    timer = threading.Timer(SQL_SECONDS_MAX, connection.interrupt)
    timer.daemon = True
    timer.start()
    connection.execute(checked.sql)
    described = connection.description or ()
    types = [str(column[1]) for column in described]
    if any("WITH TIME ZONE" in kind for kind in types):
        detail = "times here have no zone, all are UTC: cast what has one to TIMESTAMP"
        raise RequestRefused(STATUS, "query_failed", detail)
    rows, is_truncated = _rows(connection, [kind == "JSON" for kind in types])
    timer.cancel()
    head = {"columns": [str(column[0]) for column in described], "types": types}
    tail = b'],"truncated":' + (b"true}" if is_truncated else b"false}")
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"rows":[' + rows + tail


def _rows(connection: duckdb.DuckDBPyConnection, is_json: list[bool]) -> tuple[bytes, bool]:
    """Return the rows' JSON, and whether there are more than an answer may have."""
    text, count = bytearray(), 0
    while part := connection.fetchmany(FETCH_ROWS):
        for row in part:
            line = row_json(row, is_json)
            if count == 0 and len(line) > SQL_ANSWER_BYTES_MAX:
                detail = f"a row has more than {SQL_ANSWER_BYTES_MAX} bytes"
                raise RequestRefused(STATUS, "query_too_large", detail)
            if count == SQL_ROWS_MAX or len(text) + len(line) >= SQL_ANSWER_BYTES_MAX:
                return bytes(text), True
            text += b"," + line if count else line
            count += 1
    return bytes(text), False


def _refusal(code: str, detail: str) -> bytes:
    return json.dumps({"code": code, "detail": detail}).encode()


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


if __name__ == "__main__":
    main()
