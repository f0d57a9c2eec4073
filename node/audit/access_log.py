"""The access log: who asked what of the audit API, in a chain of hashes, on disk before the answer.

Each request of a token that holds becomes a record (``ledger.access_records``), a line of JSON. It is
synced before the answer leaves, and many requests share one sync. A stream has two records: one before
its first event, and one at its end. Requests without a token that holds read nothing, and leave no
record: else anybody could fill the disk.

The file only grows. At the start it is read and every hash is checked. A torn last line was never
synced, so its answer never left, and is cut off. Damage anywhere else is told, the file is kept beside
the new one under a name that says when, and the new chain begins with a record of that.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from ledger.access_records import (
    AccessRecord,
    AccessTip,
    BrokenAccessChain,
    canonical,
    chained,
    follow,
)
from node.errors import StoreFailed

FILE_NAME: Final = "access.log"
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
TEXT_CHARACTERS_MAX: Final = 8_192
"""Characters of a path or a statement that a record keeps; more are cut off."""

log = structlog.get_logger(__name__)


class AccessLog:
    """The open file; appended to by one event loop."""

    def __init__(
        self, directory: Path, root: AccessTip, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        """Open the log in a directory, which is made when it is missing, and check it.

        Raises:
            StoreFailed: ``access_log_unusable``: it can be neither read nor made.
        """
        self._clock_s = clock_s
        self._path = directory / FILE_NAME
        self._tip = self._synced = root
        self._ends = array("Q", [0])
        """Where each record ends in the file, bytes; before the first 0."""
        self._is_doubtful = False
        self._waiting: list[bytes] = []
        self._turn: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        try:
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            broken = self._load()
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
            os.ftruncate(self._file, self._ends[-1])
            if broken is not None:
                self._write([self._next(broken)])
        except OSError as error:
            detail = f"{self._path}: {error.strerror}"
            raise StoreFailed("access_log_unusable", detail) from error

    @property
    def tip(self) -> AccessTip:
        """The last record that is on disk."""
        return self._synced

    async def append(self, fields: Mapping[str, Any]) -> None:
        """Add a record; when this returns it is on disk.

        Raises:
            StoreFailed: ``access_log_failed``: it is not.
        """
        if self._is_doubtful:
            raise StoreFailed("access_log_failed", f"{self._path}: a write failed; start anew")
        self._waiting.append(self._next(fields))
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        turn = self._turn
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="access-log")
        await asyncio.shield(turn)

    def read(self, first: int, count: int) -> list[AccessRecord]:
        """Return up to so many records from a sequence on, oldest first."""
        last = min(first + count - 1, self._synced.sequence)
        if first < 1 or last < first:
            return []
        start, end = self._ends[first - 1], self._ends[last]
        data = os.pread(self._file, end - start, start)
        return [json.loads(line) for line in data.splitlines()]

    async def aclose(self) -> None:
        """Write what waits, and close the file."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        os.close(self._file)

    def _next(self, fields: Mapping[str, Any]) -> bytes:
        moment = datetime.fromtimestamp(self._clock_s(), UTC).isoformat(timespec="milliseconds")
        record = chained({"time": moment.replace("+00:00", "Z"), **fields}, self._tip)
        self._tip = AccessTip(sequence=record["sequence"], hash=record["hash"])
        return canonical(record) + b"\n"

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._turn is not None:
            lines, turn = self._waiting, self._turn
            self._waiting, self._turn = [], None
            try:
                await loop.run_in_executor(self._thread, self._write, lines)
            except OSError as error:
                log.error("access_log_failed", detail=str(error))  # noqa: TRY400 - the reason is all
                self._fail(turn, error)
            else:
                turn.set_result(None)
        self._writing = None

    def _fail(self, turn: asyncio.Future[None], error: OSError) -> None:
        """Tell everybody who waits; what follows hangs on the last record that is on disk."""
        # After a sync that failed nobody knows what is on disk, and another might only seem to hold.
        self._is_doubtful = self._is_doubtful or error.errno not in _NO_ROOM
        turns = [turn] if self._turn is None else [turn, self._turn]
        self._waiting, self._turn, self._tip = [], None, self._synced
        for one in turns:
            one.set_exception(StoreFailed("access_log_failed", f"{self._path}: {error.strerror}"))
            one.exception()  # whoever left does not hear it

    def _write(self, lines: Sequence[bytes]) -> None:
        """Append and sync records, or leave the file as it was."""
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._ends[-1])
            raise
        for line in lines:
            self._ends.append(self._ends[-1] + len(line))
        last = json.loads(lines[-1])
        self._synced = AccessTip(sequence=last["sequence"], hash=last["hash"])

    def _load(self) -> AccessRecord | None:
        """Check the file; return what a new chain begins with where an older one is broken."""
        if not self._path.exists():
            return None
        root = self._tip
        try:
            with self._path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        log.warning("access_log_torn", bytes=len(line))
                        break
                    self._tip = follow(_parsed(line, self._tip), self._tip)
                    self._ends.append(self._ends[-1] + len(line))
        except BrokenAccessChain as error:
            kept = self._path.with_name(f"access.broken-{int(self._clock_s())}.log")
            self._path.replace(kept)
            log.error("access_log_broken", detail=error.detail, kept=str(kept))  # noqa: TRY400 - the file is at fault
            held = self._tip.sequence
            self._tip, self._ends = root, array("Q", [0])
            return {"event": "broken", "detail": error.detail, "records": held, "file": kept.name}
        self._synced = self._tip
        return None


def _parsed(line: bytes, tip: AccessTip) -> AccessRecord:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        reason = f"record {tip.sequence + 1} cannot be read"
        raise BrokenAccessChain("access_log_broken", reason, sequence=tip.sequence + 1)
    return record
