"""What a node acknowledged is there after it was killed, whatever it was doing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.errors import StoreCorrupt
from node.storage.chain_store import RocksStore
from node.storage.vote_journal import VoteJournalFile
from tests.branches import Branches, Built
from tests.functional.store_writer import CACHE_MIB, FAILED_STATUS, chain_of

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = 12
OPEN_SYNCS = 25
"""Syncs of a new store up to and with that of its genesis."""
LATE_SYNCS = (OPEN_SYNCS + 9, OPEN_SYNCS + 18, OPEN_SYNCS + 27, *range(58, 62))
"""Some while blocks are written: of a pending transaction, a block, finality, a vote."""
STRACE = shutil.which("strace")

needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def written() -> tuple[Branches, list[Built]]:
    """Return the chain that the writer writes, built once."""
    branches = Branches()
    return branches, chain_of(branches, BLOCKS)


@contextmanager
def _writer(directory: Path, *tracer: str) -> Iterator[subprocess.Popen[str]]:
    command = [*tracer, sys.executable, "-m", "tests.functional.store_writer"]
    with subprocess.Popen(
        [*command, str(directory), str(BLOCKS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _strace(calls: str, action: str) -> Sequence[str]:
    assert STRACE is not None
    quiet = ("-f", "-qqq", "-o", "/dev/null")
    return (STRACE, *quiet, "-e", f"trace={calls}", "-e", f"inject={calls}:{action}")


def _acknowledged(lines: Iterator[str]) -> int:
    heights = [int(line.removeprefix("written ")) for line in lines]
    assert heights == list(range(1, len(heights) + 1))
    return len(heights)


def _assert_kept(directory: Path, written: tuple[Branches, list[Built]], height: int) -> None:
    """Open what is left: nothing acknowledged is missing, and what is there is one whole state."""
    branches, chain = written
    store = RocksStore(directory / "chain", branches.network.genesis, CACHE_MIB)
    recovered = store.recover()
    head = next(b for b in (branches.genesis, *chain) if b.hash == recovered.head)
    assert height <= head.height <= height + 1
    assert {key: store.get(key) for key, _ in store.state_entries()} == head.state
    assert recovered.root.height >= max(head.height - 2, 0)
    for built in chain[: head.height]:
        assert store.block(built.hash) == built.block
        assert store.location(built.block.transactions[0].txid) == (built.height, 0)
    for built in chain[head.height :]:
        assert store.hash_at(built.height) is None
    waiting = [built.block.transactions[0].raw for built in chain[: len(recovered.transactions)]]
    assert list(recovered.transactions) == waiting
    assert len(waiting) >= head.height
    store.close()
    with VoteJournalFile(directory / "journal" / "votes.log") as journal:
        targets = [vote.vote.target.height for vote in journal.recovered.votes]
    assert targets[:height] == list(range(1, height + 1))
    assert len(targets) <= head.height


@pytest.mark.parametrize("height", [1, 2, 5, 9])
def test_threat_51_killed_between_writes(
    tmp_path: Path, written: tuple[Branches, list[Built]], height: int
) -> None:
    """Killed as soon as it acknowledged a height, a node has that height and all before."""
    with _writer(tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(height)]
        process.kill()
        # What it still wrote before the signal reached it counts too.
        acknowledged = _acknowledged(iter([*lines, *process.stdout.read().splitlines()]))
    assert acknowledged >= height
    _assert_kept(tmp_path, written, acknowledged)


@needs_strace
@pytest.mark.parametrize("call", [5, 20, OPEN_SYNCS, *LATE_SYNCS])
def test_threat_51_killed_at_a_sync(
    tmp_path: Path, written: tuple[Branches, list[Built]], call: int
) -> None:
    """Killed in the middle of making something durable, it lost nothing that it acknowledged."""
    with _writer(tmp_path, *_strace("fdatasync", f"signal=SIGKILL:when={call}")) as process:
        output, _ = process.communicate()
    acknowledged = _acknowledged(iter(output.splitlines()))
    assert (call in LATE_SYNCS) == (acknowledged > 0)
    assert acknowledged < BLOCKS
    _assert_kept(tmp_path, written, acknowledged)


def _assert_refused(
    directory: Path, written: tuple[Branches, list[Built]], error: str, call: int, code: str
) -> None:
    """Let one sync fail: the writer stops with that code, and only the acknowledged counts."""
    with _writer(directory, *_strace("fdatasync", f"error={error}:when={call}")) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors.split()[-1:]) == (FAILED_STATUS, [code])
    acknowledged = _acknowledged(iter(output.splitlines()))
    assert (call in LATE_SYNCS) == (acknowledged > 0)
    assert acknowledged < BLOCKS
    _assert_kept(directory, written, acknowledged)


@needs_strace
@pytest.mark.parametrize("call", [9, OPEN_SYNCS, *LATE_SYNCS[:3]])
def test_threat_53_a_failed_sync_stops_the_writer(
    tmp_path: Path, written: tuple[Branches, list[Built]], call: int
) -> None:
    """A sync that fails is reported, and nothing is acknowledged after it."""
    _assert_refused(tmp_path, written, "EIO", call, "store_failed")


@needs_strace
@pytest.mark.parametrize("call", [10, OPEN_SYNCS, *LATE_SYNCS[3:]])
def test_threat_54_a_full_disk_is_named(
    tmp_path: Path, written: tuple[Branches, list[Built]], call: int
) -> None:
    """Without space a node stops with that reason; with space again it goes on from there."""
    _assert_refused(tmp_path, written, "ENOSPC", call, "disk_full")


def _killed_with_a_log(directory: Path) -> Path:
    """Leave a store whose last blocks are in the write-ahead log alone; return the log."""
    with _writer(directory) as process:
        assert process.stdout is not None
        for _ in range(8):
            process.stdout.readline()
        process.kill()
    return max((directory / "chain").glob("*.log"), key=lambda log: log.stat().st_size)


def test_threat_52_a_torn_write_is_left_out(
    tmp_path: Path, written: tuple[Branches, list[Built]]
) -> None:
    """A batch of which only a part reached the disk never happened; those before it did."""
    log = _killed_with_a_log(tmp_path)
    log.write_bytes(log.read_bytes()[:-100])
    branches, chain = written
    store = RocksStore(tmp_path / "chain", branches.network.genesis, CACHE_MIB)
    head = next(b for b in (branches.genesis, *chain) if b.hash == store.recover().head)
    assert head.height >= 6
    assert {key: store.get(key) for key, _ in store.state_entries()} == head.state
    store.close()


def test_threat_55_a_flipped_bit_in_the_log_stops_the_node(
    tmp_path: Path, written: tuple[Branches, list[Built]]
) -> None:
    """Damage in the middle of what was acknowledged is never skipped over."""
    log = _killed_with_a_log(tmp_path)
    damaged = bytearray(log.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(StoreCorrupt) as corrupt:
        RocksStore(tmp_path / "chain", written[0].network.genesis, CACHE_MIB)
    assert corrupt.value.code == "store_corrupt"
    assert "move" in corrupt.value.detail
