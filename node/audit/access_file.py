"""Finding records in the access log's file, and where its checked part ends.

Records stand one a line in the order of their sequences, so a record is found by halving the file, and
nothing has to be kept in memory or read at the start for it.

A checkpoint names a record up to which the chain was checked and how many bytes lead up to it. It is
written after those bytes are synced, so a file that is shorter, or holds another record there, was
tampered with. It spares a start the reading of what earlier starts have read; who changed an earlier
record in its place is found by ``sunlit audit access-log --verify``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.access_records import AccessRecord, AccessTip, BrokenAccessChain, record_hash

READ_BYTES: Final = 64 * 1024
"""Bytes read at a time."""
CHECKPOINT_NAME: Final = "access.checkpoint"
HASH_CHARACTERS: Final = 64
RECORD_BYTES_MAX: Final = 512 * 1024
"""Bytes of a record's line: what it keeps of texts is cut far below, so a longer line is damage, and is
not read to its end."""


class Checkpoint(BaseModel):
    """A record up to which the chain was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sequence: int = Field(ge=1)
    """Its number."""
    hash: str = Field(min_length=HASH_CHARACTERS, max_length=HASH_CHARACTERS)
    """Its hash, hex."""
    end: int = Field(ge=1)
    """Where it ends in the file, bytes."""

    @property
    def tip(self) -> AccessTip:
        """The record, as the next one follows it."""
        return AccessTip(sequence=self.sequence, hash=self.hash)


def load_checkpoint(directory: Path) -> Checkpoint | None:
    """Return the checkpoint of a log; None where there is none that can be read."""
    try:
        return Checkpoint.model_validate_json((directory / CHECKPOINT_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in the place of the one before; an older one after a crash does no harm."""
    made = directory / f"{CHECKPOINT_NAME}.new"
    made.write_text(checkpoint.model_dump_json())
    made.replace(directory / CHECKPOINT_NAME)


def holds(file: int, checkpoint: Checkpoint) -> bool:
    """Tell whether a file holds, where a checkpoint says, the record that it names."""
    size = os.fstat(file).st_size
    if size < checkpoint.end:
        return False
    try:
        record = parsed(os.pread(file, *_last_line(file, checkpoint.end)), checkpoint.sequence)
        is_named = record.get("sequence") == checkpoint.sequence
        return is_named and checkpoint.hash == record.get("hash") == record_hash(record)
    except (BrokenAccessChain, ValueError):  # a record that has no canonical text
        return False


def read_lines(file: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines between two places, each with its newline; the last may lack it.

    Raises:
        BrokenAccessChain: a line is longer than any record.
    """
    rest = b""
    while start < end:
        data = os.pread(file, min(READ_BYTES, end - start), start)
        if not data:
            break
        start += len(data)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > RECORD_BYTES_MAX:
            reason = f"a line is longer than {RECORD_BYTES_MAX} bytes"
            raise BrokenAccessChain("access_log_broken", reason)
    if rest:
        yield rest


def find_record(file: int, sequence: int, end: int) -> int:
    """Return where a record begins that stands before ``end``, by halving.

    Raises:
        BrokenAccessChain: the file does not hold it in its place.
    """
    low, high = 0, end
    while high - low > READ_BYTES:
        middle = _line_after(file, (low + high) // 2, high)
        if middle is None:
            break
        found = parsed(next(read_lines(file, middle, end)), sequence).get("sequence")
        if not isinstance(found, int):
            raise BrokenAccessChain("access_log_broken", _CHANGED, sequence=sequence)
        if found > sequence:
            high = middle
        else:
            low = middle
    for line in read_lines(file, low, end):
        if parsed(line, sequence).get("sequence") == sequence:
            return low
        low += len(line)
    reason = f"record {sequence} is missing"
    raise BrokenAccessChain("access_log_broken", reason, sequence=sequence)


_CHANGED: Final = "a record was changed"


def parsed(line: bytes, sequence: int) -> AccessRecord:
    """Return the record of a line, which should be, or be near, a sequence.

    Raises:
        BrokenAccessChain: it is none.
    """
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        reason = f"record {sequence} cannot be read"
        raise BrokenAccessChain("access_log_broken", reason, sequence=sequence)
    return record


def _line_after(file: int, place: int, end: int) -> int | None:
    """Return where the first line begins after a place; None where none does before ``end``."""
    while place < end:
        data = os.pread(file, min(READ_BYTES, end - place), place)
        at = data.find(b"\n")
        if at >= 0:
            return place + at + 1 if place + at + 1 < end else None
        if not data:
            break
        place += len(data)
    return None


def _last_line(file: int, end: int) -> tuple[int, int]:
    """Return the length of the line that ends at a place, and where it begins."""
    begin = end - 1
    while begin > 0:
        first = max(0, begin - READ_BYTES)
        at = os.pread(file, begin - first, first).rfind(b"\n")
        if at >= 0:
            begin = first + at + 1
            break
        begin = first
    return end - begin, begin
