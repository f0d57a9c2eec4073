"""The vote journal: every vote that our key released, on disk before it leaves the node.

The file is a row of frames, each ``length (4) ‖ CRC-32 of the payload (4) ‖ payload``, big-endian.
A payload is ``[mark, signed vote]``: a vote that was released, or the one that stopped the key for
good. A frame is synced before ``append`` returns. A torn last frame was never synced, so never
released, and is cut off at open. Damage anywhere else stops the node, because a journal that
forgets may sign twice.

The journal lies apart from the chain's data: those may be wiped and fetched again, this may not.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self
from zlib import crc32

from consensus.votes import SIGNED_VOTE_BYTES_MAX, SignedVote, signed_vote_from_value
from consensus.voting import JOURNAL_VOTES_MAX
from ledger import codec
from ledger.errors import DecodeError
from node.core.ports import RecoveredVotes
from node.errors import StoreCorrupt, StoreFailed

VOTES_KEPT = JOURNAL_VOTES_MAX
"""Votes that are given back at open and kept by a compaction, the newest."""
COMPACTION_BYTES = 4 * 1024 * 1024
"""Size at which the file is rewritten; a vote's frame has about 200 bytes."""
FRAME_HEAD_BYTES = 8
PAYLOAD_BYTES_MAX = SIGNED_VOTE_BYTES_MAX + 8
FILE_MODE = 0o600
LOCK_SUFFIX, COMPACTED_SUFFIX = ".lock", ".compacted"


class Mark(IntEnum):
    """What a frame says of its vote."""

    RELEASED = 1
    STOPPED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    mark: Mark
    vote: SignedVote

    def encode(self) -> bytes:
        payload = codec.encode((int(self.mark), self.vote.to_value()))
        return len(payload).to_bytes(4) + crc32(payload).to_bytes(4) + payload


class VoteJournalFile:
    """The journal in one file, open in one process; what it takes is durable when it returns."""

    def __init__(self, path: Path, *, compaction_bytes: int = COMPACTION_BYTES) -> None:
        """Open or create the file and read it.

        Raises:
            StoreCorrupt: it is damaged before its torn end.
            StoreFailed: it cannot be used, or another process uses it.
        """
        self.path = path
        self.torn_bytes = 0
        """Length of the torn frame that was cut off at open; 0 where there was none."""
        self._compaction_bytes = compaction_bytes
        self._is_failed = False
        self._votes: deque[SignedVote] = deque(maxlen=VOTES_KEPT)
        self._stopped_by: SignedVote | None = None
        with ExitStack() as opened:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = _lock(path.with_name(path.name + LOCK_SUFFIX))
                opened.callback(os.close, self._lock)
                self._file = _open(path)
                opened.callback(os.close, self._file)
                self._read()
                if self._votes or self._stopped_by is not None:
                    # A sync that failed before the start may have left a frame in the system's
                    # cache only, where no later sync would find it to write: so it is written anew.
                    self._compact()
            except OSError as error:
                raise _failed(path, error) from error
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def recovered(self) -> RecoveredVotes:
        """What the journal holds: the newest 4,096 votes and whether it stopped."""
        return RecoveredVotes(votes=tuple(self._votes), is_stopped=self._stopped_by is not None)

    def append(self, vote: SignedVote) -> None:
        """Write a vote durably; only then may it be released.

        Raises:
            StoreFailed: the vote may not be released, and the journal takes no further one.
        """
        self._write(_Frame(mark=Mark.RELEASED, vote=vote))

    def stop(self, vote: SignedVote) -> None:
        """Stop the key for good, because ``vote`` is its and not in here.

        Raises:
            StoreFailed: the mark is not durable, and the journal takes no further vote.
        """
        self._write(_Frame(mark=Mark.STOPPED, vote=vote))

    def close(self) -> None:
        """Release the file and its lock."""
        os.close(self._file)
        os.close(self._lock)

    def _write(self, frame: _Frame) -> None:
        if self._is_failed:
            raise StoreFailed(
                "store_stopped", "an earlier write failed; restart the node", file=self.path
            )
        try:
            _write_all(self._file, frame.encode())
            os.fdatasync(self._file)
            self._take(frame)
            if os.fstat(self._file).st_size >= self._compaction_bytes:
                self._compact()
        except OSError as error:
            # A sync that failed once may seem to succeed the second time and lose the pages.
            self._is_failed = True
            raise _failed(self.path, error) from error

    def _compact(self) -> None:
        """Replace the file by one of the newest votes, and the stop mark if it is there."""
        frames = [_Frame(mark=Mark.RELEASED, vote=vote) for vote in self._votes]
        if self._stopped_by is not None:
            frames.append(_Frame(mark=Mark.STOPPED, vote=self._stopped_by))
        replacement = self.path.with_name(self.path.name + COMPACTED_SUFFIX)
        replacement.unlink(missing_ok=True)
        compacted = _open(replacement)
        _write_all(compacted, b"".join(frame.encode() for frame in frames))
        os.fsync(compacted)
        replacement.replace(self.path)
        _sync_directory(self.path.parent)
        os.close(self._file)
        self._file = compacted

    def _take(self, frame: _Frame) -> None:
        if frame.mark is Mark.RELEASED:
            self._votes.append(frame.vote)
        else:
            self._stopped_by = frame.vote

    def _read(self) -> None:
        data = self.path.read_bytes()
        end = 0
        for payload in self._payloads(data):
            self._take(self._decode(payload, end))
            end += FRAME_HEAD_BYTES + len(payload)
        if end < len(data):
            self.torn_bytes = len(data) - end
            os.ftruncate(self._file, end)
            os.fsync(self._file)

    def _payloads(self, data: bytes) -> Iterator[bytes]:
        """Yield the payloads up to the end or the torn frame."""
        at = 0
        while at < len(data):
            start = at + FRAME_HEAD_BYTES
            length, checksum = (
                int.from_bytes(data[at : at + 4]),
                int.from_bytes(data[at + 4 : start]),
            )
            payload = data[start : start + length]
            if len(payload) == length and length and crc32(payload) == checksum:
                yield payload
                at = start + length
            elif _is_torn(data[at:], length, checksum):
                return
            else:
                raise self._corrupt(at)

    def _decode(self, payload: bytes, offset: int) -> _Frame:
        try:
            mark, vote = codec.fields(
                codec.decode(payload, bytes_max=PAYLOAD_BYTES_MAX), 2, "journal frame"
            )
            return _Frame(mark=Mark(mark), vote=signed_vote_from_value(vote))
        except (DecodeError, ValueError) as error:
            raise self._corrupt(offset) from error

    def _corrupt(self, offset: int) -> StoreCorrupt:
        return StoreCorrupt(
            "journal_corrupt",
            f"{self.path} is damaged at byte {offset}; restore it from a copy, or have governance "
            "give this member a new sealing key: without its journal the old one must not vote",
            file=self.path,
            offset=offset,
        )


def _is_torn(tail: bytes, length: int, checksum: int) -> bool:
    """Tell whether the bytes from a bad frame to the end are a write that did not complete.

    That is the beginning of a frame, or a length that the file system gave and did not fill. A
    whole last frame with a flipped bit is none: it may have been released.
    """
    if not any(tail):
        return len(tail) <= FRAME_HEAD_BYTES + PAYLOAD_BYTES_MAX
    if len(tail) < FRAME_HEAD_BYTES:
        return True
    payload = tail[FRAME_HEAD_BYTES:]
    return len(payload) < length <= PAYLOAD_BYTES_MAX and crc32(payload) != checksum


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _open(path: Path) -> int:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    if is_new:
        _sync_directory(path.parent)
        _sync_directory(path.parent.parent)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_directory(path: Path) -> None:
    """Make a file's name durable, which syncing the file does not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, error: OSError) -> StoreFailed:
    if error.errno == errno.EWOULDBLOCK:
        return StoreFailed("store_in_use", f"another process uses {path}", file=path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFailed(
            "disk_full", f"no space left for {path}; free some and start the node again", file=path
        )
    return StoreFailed("store_failed", f"{path}: {error.strerror}", file=path)
