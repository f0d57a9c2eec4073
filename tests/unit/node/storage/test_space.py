"""Room on the disk: when a node stops writing, and when it goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from node.storage.space import PROBE_NAME, DiskSpace, free_bytes, takes_writes

RESERVE = 1_000


def test_threat_54_the_reserve_is_left_free(tmp_path: Path) -> None:
    """Below the reserve nothing is written; it takes a quarter more to go on, or it would flap."""
    room = {tmp_path: RESERVE}
    space = DiskSpace([tmp_path], reserve_bytes=RESERVE, free=room.__getitem__)
    seen = []
    for free in (RESERVE, RESERVE - 1, RESERVE + RESERVE // 4 - 1, RESERVE + RESERVE // 4):
        room[tmp_path] = free
        seen.append((space.is_short, space.is_back))
    assert seen == [(False, False), (True, False), (False, False), (False, True)]


def test_threat_54_the_fullest_disk_counts(tmp_path: Path) -> None:
    """Data and vote journal may lie on two disks, and a vote needs room as a block does."""
    data, journal = tmp_path / "data", tmp_path / "journal"
    room = {data: 10 * RESERVE, journal: RESERVE - 1}
    space = DiskSpace([data, journal], reserve_bytes=RESERVE, free=room.__getitem__)
    assert space.free_bytes == RESERVE - 1
    assert space.is_short


def test_threat_54_a_quota_is_found_by_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a quota that is used up the free space tells nothing, so a file is made for a moment."""
    space = DiskSpace([tmp_path], reserve_bytes=RESERVE, free=lambda _: 10 * RESERVE)
    seen = [space.is_back]

    def refuse(_file: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    seen.append(space.is_back)
    assert seen == [True, False]
    assert not (tmp_path / PROBE_NAME).exists()


def test_free_space_is_what_this_process_may_fill(tmp_path: Path) -> None:
    """The system's own figure, and a probe that leaves nothing behind."""
    status = os.statvfs(tmp_path)
    assert 0 <= free_bytes(tmp_path) <= status.f_blocks * status.f_frsize
    assert takes_writes(tmp_path)
    assert not list(tmp_path.iterdir())
    assert not takes_writes(tmp_path / "absent")
