"""The access log: who asked what of the audit API, in a chain of hashes, on disk before the answer.

Each request of a token that holds becomes a record (``ledger.access_records``), a line of JSON. It is
synced before the answer leaves, and many requests share one sync. A stream has two records: one before
its first event, and one at its end. Requests without a token that holds read nothing, and leave no
record: else anybody could fill the disk.

The file only grows. A start checks every record after the checkpoint (``node.audit.access_file``), and
all of them where there is none. A torn last line was never synced, so its answer never left, and is
cut off. Damage anywhere else is told, the file is kept beside the new one under a name that says when,
and the new chain begins with a record of that.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
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
from node.audit.access_file import (
    CHECKPOINT_NAME,
    Checkpoint,
    find_record,
    holds,
    load_checkpoint,
    parsed,
    read_lines,
    save_checkpoint,
)
from node.errors import StoreFailed

FILE_NAME: Final = "access.log"
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
CHECKPOINT_RECORDS: Final = 10_000
"""Records after which there is another checkpoint: a start reads no more than these."""
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
        self._end = 0
        """Where the last record on disk ends in the file, bytes."""
        self._checkpointed = 0
        """Sequence of the last checkpoint."""
        self._is_doubtful = False
        self._waiting: list[bytes] = []
        self._turn: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        try:
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._file = self._open()
            broken = self._load()
            if broken is not None:
                os.close(self._file)
                self._file = self._open()
            os.ftruncate(self._file, self._end)
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
        """Return up to so many records from a sequence on, oldest first.

        Raises:
            BrokenAccessChain: the file does not hold them where they should be.
        """
        last, end = self._synced.sequence, self._end
        if first < 1 or last < first:
            return []
        lines = islice(read_lines(self._file, find_record(self._file, first, end), end), count)
        return [parsed(line, first + at) for at, line in enumerate(lines)]

    async def aclose(self) -> None:
        """Write what waits, and close the file."""
        if self._writing is not None:
            await self._writing
        await asyncio.get_running_loop().run_in_executor(self._thread, self._save_checkpoint)
        self._thread.shutdown()
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)

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
            os.ftruncate(self._file, self._end)
            raise
        last = json.loads(lines[-1])
        # The end first: who reads meanwhile never looks for a record beyond it.
        self._end += sum(map(len, lines))
        self._synced = AccessTip(sequence=last["sequence"], hash=last["hash"])
        if self._synced.sequence - self._checkpointed >= CHECKPOINT_RECORDS:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        """Note how far the chain is on disk; without it the next start has more to read."""
        tip = self._synced
        if tip.sequence == self._checkpointed:
            return
        with suppress(OSError):
            made = Checkpoint(sequence=tip.sequence, hash=tip.hash, end=self._end)
            save_checkpoint(self._path.parent, made)
            self._checkpointed = tip.sequence

    def _load(self) -> AccessRecord | None:
        """Check the file; return what a new chain begins with where an older one is broken."""
        root = self._tip
        try:
            self._check(load_checkpoint(self._path.parent))
        except BrokenAccessChain as error:
            held = self._tip.sequence
            self._tip, self._end, self._checkpointed = root, 0, 0
            return self._set_aside(error.detail, held)
        self._synced = self._tip
        return None

    def _check(self, checkpoint: Checkpoint | None) -> None:
        """Check the records after a checkpoint; all of them where the file does not hold it."""
        if checkpoint is not None and holds(self._file, checkpoint):
            self._tip, self._end = checkpoint.tip, checkpoint.end
            self._checkpointed = checkpoint.sequence
        self._follow(os.fstat(self._file).st_size)
        if checkpoint is not None and self._checkpointed != checkpoint.sequence:
            reason = f"record {checkpoint.sequence} is not where a checkpoint has it"
            raise BrokenAccessChain("access_log_broken", reason, sequence=checkpoint.sequence)

    def _follow(self, size: int) -> None:
        """Check the records from where the chain stands up to the file's end."""
        for line in read_lines(self._file, self._end, size):
            if not line.endswith(b"\n"):
                log.warning("access_log_torn", bytes=len(line))
                return
            self._tip = follow(parsed(line, self._tip.sequence + 1), self._tip)
            self._end += len(line)

    def _set_aside(self, reason: str, held: int) -> AccessRecord:
        """Keep a broken file; return the record that the new one begins with."""
        kept = self._path.with_name(f"access.broken-{int(self._clock_s())}.log")
        self._path.replace(kept)
        # The checkpoint goes last: a start after a crash between still misses what it names.
        (self._path.parent / CHECKPOINT_NAME).unlink(missing_ok=True)
        log.error("access_log_broken", detail=reason, kept=str(kept))
        return {"event": "broken", "detail": reason, "records": held, "file": kept.name}
