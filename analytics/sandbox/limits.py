"""Every limit of free SQL, with its unit."""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024

SQL_SECONDS_MAX: Final = 5.0
"""Longest query, seconds."""
SQL_SECONDS_GRACE: Final = 1.0
"""After how much longer a query's process that did not stop by itself is killed, seconds."""
SQL_MEMORY_MIB: Final = 256
"""Memory that DuckDB may use for one query, MiB; nothing of it goes to disk."""
SQL_OVERHEAD_MIB: Final = 128
"""What a query's process may use beside it, for what comes and the answer that leaves, MiB."""
SQL_ROWS_MAX: Final = 100_000
"""Most rows of an answer; more are cut off, and ``truncated`` says so."""
SQL_ANSWER_BYTES_MAX: Final = 16 * MIB
"""Bytes of an answer's rows after which no more are given, and ``truncated`` says so."""
SQL_CHARACTERS_MAX: Final = 100_000
"""Longest statement, characters."""
SQL_TABLES_MAX: Final = 16
"""Most places of one statement that name a table."""
SQL_RUNNING_MAX: Final = 2
"""Statements that run at a time."""
SQL_WAITING_MAX: Final = 16
"""Statements that wait for their turn; one more is told to come back."""
SCAN_ROWS: Final = 32_768
"""Rows of one batch that goes to a query's process."""
FETCH_ROWS: Final = 1_000
"""Rows that are turned into JSON at a time."""
OPEN_FILES_MAX: Final = 128
"""File descriptors of a query's process."""
MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Longest message in which a query's process asks for a table, bytes."""
READY: Final = b"\n"
"""What a query's process says when it can take its statement."""
START_SECONDS_MAX: Final = 60.0
"""Longest start of a query's process, seconds; the machine may be busy."""
