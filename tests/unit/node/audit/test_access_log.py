"""The access log: a chain of hashes on disk before an answer leaves, and checked at every start."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ledger.access_records import AccessTip, BrokenAccessChain, follow, verify_chain
from node.audit import access_file, access_log
from node.audit.access_file import CHECKPOINT_NAME, RECORD_BYTES_MAX
from node.audit.access_log import FILE_NAME, AccessLog
from node.errors import StoreFailed

ROOT = AccessTip(sequence=0, hash="11" * 32)


def opened(directory: Path) -> AccessLog:
    """Open the log in a directory."""
    return AccessLog(directory, ROOT, clock_s=lambda: 1_800_000_000.0)


async def filled(directory: Path, count: int, *, has_checkpoint: bool = False) -> bytes:
    """Leave a log with that many records, as after a kill unless it has a checkpoint; return it."""
    log = opened(directory)
    await asyncio.gather(
        *(log.append({"event": "answered", "target": f"/{number}"}) for number in range(count))
    )
    await log.aclose()
    if not has_checkpoint:
        (directory / CHECKPOINT_NAME).unlink()
    return (directory / FILE_NAME).read_bytes()


async def test_records_outlive_a_start_and_follow_each_other(tmp_path: Path) -> None:
    """What was appended is there again; the next record follows the last of the earlier run."""
    await filled(tmp_path, 3)
    log = opened(tmp_path)
    await asyncio.gather(*(log.append({"event": "answered", "n": n}) for n in range(20)))
    records = log.read(1, 100)
    assert [record["sequence"] for record in records] == list(range(1, 24))
    assert verify_chain(records, ROOT) == log.tip
    assert log.read(22, 9) == records[21:]
    assert log.read(24, 1) == log.read(0, 1) == []
    await log.aclose()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


async def test_a_torn_last_record_is_cut_off(tmp_path: Path) -> None:
    """Its answer never left; the chain goes on from the record before it."""
    await filled(tmp_path, 3)
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    log = opened(tmp_path)
    assert log.tip.sequence == 2
    await log.append({"event": "answered"})
    assert verify_chain(log.read(1, 9), ROOT).sequence == 3
    await log.aclose()


@pytest.mark.parametrize("fault", ["changed", "removed", "inserted", "garbage", "endless"])
async def test_a_broken_chain_is_told_and_kept(tmp_path: Path, fault: str) -> None:
    """The file is set aside as it is; the new one begins with a record of what was found."""
    await filled(tmp_path, 4)
    file = tmp_path / FILE_NAME
    lines = file.read_bytes().splitlines(keepends=True)
    changed = {
        "changed": [lines[0], lines[1].replace(b"/1", b"/9"), *lines[2:]],
        "removed": [lines[0], *lines[2:]],
        "inserted": [lines[0], lines[0], *lines[1:]],
        "garbage": [lines[0], b"x\n", *lines[1:]],
        "endless": [lines[0], bytes(2 * RECORD_BYTES_MAX)],
    }[fault]
    file.write_bytes(b"".join(changed))
    log = opened(tmp_path)
    (record,) = log.read(1, 9)
    assert (record["event"], record["records"]) == ("broken", 1)
    assert (tmp_path / record["file"]).read_bytes() == b"".join(changed)
    await log.append({"event": "answered"})
    assert verify_chain(log.read(1, 9), ROOT).sequence == 2
    await log.aclose()
    again = opened(tmp_path)
    assert again.tip.sequence == 2
    await again.aclose()


def changed_at_the_start(whole: bytes) -> bytes:
    """Return a log whose second record says something else."""
    return whole.replace(b'"/1"', b'"/9"', 1)


async def test_a_start_reads_what_follows_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a stop nothing is read again, after a kill the records since the last checkpoint."""
    monkeypatch.setattr(access_log, "CHECKPOINT_RECORDS", 40)
    await filled(tmp_path, 30, has_checkpoint=True)
    followed: list[int] = []

    def counting(record: dict[str, Any], tip: AccessTip) -> AccessTip:
        followed.append(record["sequence"])
        return follow(record, tip)

    monkeypatch.setattr(access_log, "follow", counting)
    log = opened(tmp_path)
    assert (followed, log.tip.sequence) == ([], 30)
    for number in range(45):
        await log.append({"event": "answered", "n": number})
    killed = opened(tmp_path)
    assert killed.tip == log.tip
    assert followed == list(range(71, 76))
    assert verify_chain(killed.read(1, 100), ROOT) == killed.tip
    await killed.aclose()
    await log.aclose()


@pytest.mark.parametrize("fault", ["cut", "gone", "replaced", "last"])
async def test_a_log_without_its_checkpoint_is_broken(tmp_path: Path, fault: str) -> None:
    """A whole chain that lost records behind a checkpoint, or has others there, is told and kept."""
    whole = await filled(tmp_path, 4, has_checkpoint=True)
    lines = whole.splitlines(keepends=True)
    other = await filled(tmp_path / "other", 4)
    file = tmp_path / FILE_NAME
    forged = {
        "cut": b"".join(lines[:3]),
        "gone": b"",
        "replaced": other.replace(b"/3", b"/4"),
        "last": whole.replace(b'"/3"', b'"/9"'),
    }[fault]
    file.write_bytes(forged)
    log = opened(tmp_path)
    (record,) = log.read(1, 9)
    assert record["event"] == "broken"
    assert (tmp_path / record["file"]).read_bytes() == forged
    await log.aclose()


@pytest.mark.parametrize("step", ["replace", "unlink"])
def test_a_crash_while_a_cut_log_is_set_aside_loses_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A start that ended at either of its two steps leaves what the next one finds broken too."""
    whole = asyncio.run(filled(tmp_path, 4, has_checkpoint=True))
    (tmp_path / FILE_NAME).write_bytes(whole[: whole.index(b"\n") + 1])

    def crash(path: Path, *given: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, step, crash)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path)
    log = opened(tmp_path)
    assert log.read(1, 9)[0]["event"] == "broken"
    asyncio.run(log.aclose())


async def test_the_log_after_a_broken_one_has_checkpoints_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count from its own beginning, not from where the broken one had its last."""
    monkeypatch.setattr(access_log, "CHECKPOINT_RECORDS", 5)
    await filled(tmp_path, 20, has_checkpoint=True)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b"x\n")
    log = opened(tmp_path)
    assert log.tip.sequence == 1
    await asyncio.gather(*(log.append({"event": "answered"}) for _ in range(6)))
    checkpoint = access_file.load_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.sequence <= 7
    await log.aclose()


async def test_what_a_start_leaves_unread_a_verifier_finds(tmp_path: Path) -> None:
    """A record that was changed in its place before the checkpoint breaks the chain that is read."""
    whole = await filled(tmp_path, 4, has_checkpoint=True)
    (tmp_path / FILE_NAME).write_bytes(changed_at_the_start(whole))
    log = opened(tmp_path)
    assert log.tip.sequence == 4
    with pytest.raises(BrokenAccessChain, match="record 2 was changed"):
        verify_chain(log.read(1, 9), ROOT)
    await log.aclose()


async def test_records_are_found_in_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halving finds each record, the first and the last too, with lines longer than a reading."""
    monkeypatch.setattr(access_file, "READ_BYTES", 100)
    log = opened(tmp_path)
    await asyncio.gather(
        *(log.append({"event": "answered", "sql": "x" * (n * 37 % 301)}) for n in range(150))
    )
    for first in range(1, 151):
        assert [one["sequence"] for one in log.read(first, 2)] == [first, first + 1][: 151 - first]
    assert len(log.read(1, 1_000)) == 150
    await log.aclose()


@pytest.mark.parametrize("damage", [b"x", b"\n"])
async def test_reading_damage_is_a_finding(tmp_path: Path, damage: bytes) -> None:
    """Whoever reads a part of the file that holds no records is told so by its code."""
    whole = await filled(tmp_path, 600, has_checkpoint=True)
    log = opened(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(damage * (len(whole) - 300) + whole[-300:])
    with pytest.raises(BrokenAccessChain):
        log.read(300, 10)
    await log.aclose()


async def test_a_record_that_finds_no_room_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it is told; once there is room the chain goes on without it."""
    log = opened(tmp_path)
    await log.append({"event": "answered"})
    write = os.write

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFailed):
        await log.append({"event": "answered"})
    monkeypatch.setattr(os, "write", write)
    await log.append({"event": "answered"})
    assert verify_chain(log.read(1, 9), ROOT).sequence == 2
    await log.aclose()


async def test_threat_53_a_sync_that_failed_is_not_taken_for_one_that_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it nothing is recorded until a start has read what is on the disk."""
    log = opened(tmp_path)
    sync = os.fsync

    def failing(file: int) -> None:
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreFailed):
        await log.append({"event": "answered"})
    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(StoreFailed):
        await log.append({"event": "answered"})
    await log.aclose()


def test_a_directory_that_cannot_be_made_is_an_error_of_the_start(tmp_path: Path) -> None:
    """A node that could not record does not start."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="access"):
        opened(tmp_path / "file" / "access")


def test_what_does_not_follow_is_named() -> None:
    """A verifier says at which record the chain breaks."""
    with pytest.raises(BrokenAccessChain) as broken:
        verify_chain([{"sequence": 2}], ROOT)
    assert broken.value.fields == {"sequence": 1}
