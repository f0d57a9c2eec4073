"""Room on the disk, looked at before something is written.

A write that fails for want of room leaves the engine ahead of its store, and RocksDB in doubt about
its own files. So the node keeps a reserve: it stops writing while there still is room for what is
under way (flushes and compactions of the store), and goes on once there is clearly more (threat
54).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

RESUME_SHARE: Final = 4
"""Writing goes on once a quarter more than the reserve is free, so that it does not flap."""
PROBE_BYTES: Final = 1024 * 1024
"""Size of the file that is made for a moment to see whether the disk takes writes: a quota does not
show in the free space."""
PROBE_NAME: Final = ".space-probe"

CHECK_S: Final = 2.0
"""How often a node without room looks whether there is some, seconds."""

FreeBytes = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Return the room that this process may fill on the file system of ``path``, bytes."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def takes_writes(path: Path) -> bool:
    """Tell whether a file of 1 MiB can be made in ``path``; it is gone again on return."""
    probe = path / PROBE_NAME
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, PROBE_BYTES)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError:
        return False
    return True


class DiskSpace:
    """The file systems that a node writes to, and how much of each it leaves free."""

    def __init__(
        self,
        directories: Iterable[Path],
        *,
        reserve_bytes: int,
        check_s: float = CHECK_S,
        free: FreeBytes = free_bytes,
        probe: Callable[[Path], bool] = takes_writes,
    ) -> None:
        self.reserve_bytes = reserve_bytes
        self.check_s = check_s
        self._directories = tuple(directories)
        self._free = free
        self._probe = probe

    @property
    def free_bytes(self) -> int:
        """Room on the fullest of them, bytes."""
        return min(self._free(directory) for directory in self._directories)

    @property
    def is_short(self) -> bool:
        """Whether less than the reserve is free: nothing may be written any more."""
        return self.free_bytes < self.reserve_bytes

    @property
    def is_back(self) -> bool:
        """Whether there is room again, and every disk takes writes."""
        wanted = self.reserve_bytes + self.reserve_bytes // RESUME_SHARE
        return self.free_bytes >= wanted and all(map(self._probe, self._directories))
