"""The journal gives back every vote that it took, or says that it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from zlib import crc32

import pytest

from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from node.errors import StoreCorrupt, StoreFailed
from node.storage import vote_journal
from node.storage.vote_journal import VoteJournalFile


def _vote(height: int) -> SignedVote:
    source = Checkpoint(height=height, hash=BlockHash(bytes([height % 256]) * 32))
    target = Checkpoint(height=height + 1, hash=BlockHash(bytes([(height + 1) % 256]) * 32))
    vote = Vote(set_id=0, source=source, target=target)
    return SignedVote(member=MemberId("bank1"), vote=vote, signature=bytes([height % 256]) * 64)


VOTES = tuple(_vote(height) for height in range(4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal is to be, in a directory that is not there yet."""
    return tmp_path / "journal" / "votes.log"


def _write(path: Path, *votes: SignedVote) -> bytes:
    with VoteJournalFile(path) as journal:
        for vote in votes:
            journal.append(vote)
    return path.read_bytes()


def _read(path: Path) -> tuple[SignedVote, ...]:
    with VoteJournalFile(path) as journal:
        return journal.recovered.votes


def test_votes_come_back_in_order(path: Path) -> None:
    """A vote that was taken is there in every later life."""
    with VoteJournalFile(path) as journal:
        assert journal.recovered.votes == ()
        assert not journal.recovered.is_stopped
    for vote in VOTES:
        _write(path, vote)
    assert _read(path) == VOTES
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_stop_is_for_good(path: Path) -> None:
    """The mark outlives restarts, and the vote that caused it is not one of ours."""
    with VoteJournalFile(path) as journal:
        journal.append(VOTES[0])
        journal.stop(VOTES[3])
        assert journal.recovered.is_stopped
    with VoteJournalFile(path) as journal:
        assert journal.recovered.is_stopped
        assert journal.recovered.votes == VOTES[:1]


def test_threat_52_a_torn_tail_is_cut_off(path: Path) -> None:
    """Whatever part of the last frame reached the disk, the votes before it are whole."""
    whole, before = _write(path, *VOTES), len(_write(path.with_name("other"), *VOTES[:3]))
    for size in range(before, len(whole)):
        path.write_bytes(whole[:size])
        with VoteJournalFile(path) as journal:
            assert journal.recovered.votes == VOTES[:3]
            assert journal.torn_bytes == size - before
            journal.append(VOTES[3])
        assert _read(path) == VOTES


def test_threat_52_a_tail_of_zeros_is_cut_off(path: Path) -> None:
    """A file system may lengthen the file before the frame is in it."""
    whole = _write(path, *VOTES[:3])
    path.write_bytes(whole + bytes(120))
    with VoteJournalFile(path) as journal:
        assert journal.torn_bytes == 120
        assert journal.recovered.votes == VOTES[:3]
    assert path.read_bytes() == whole


def test_threat_55_no_flipped_bit_loses_a_vote(path: Path) -> None:
    """One bit wrong anywhere, the last frame included, stops the node: it may have signed that."""
    whole = _write(path, *VOTES[:2])
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        with pytest.raises(StoreCorrupt) as corrupt:
            VoteJournalFile(path)
        assert corrupt.value.code == "journal_corrupt"
        assert corrupt.value.fields["file"] == path


def test_a_frame_that_is_no_vote_is_corrupt(path: Path) -> None:
    """A frame with a good checksum over something else was not written by this program."""
    payload = b"\x92\x01\x01"
    frame = len(payload).to_bytes(4) + crc32(payload).to_bytes(4) + payload
    path.parent.mkdir()
    path.write_bytes(frame)
    with pytest.raises(StoreCorrupt):
        VoteJournalFile(path)


def test_one_process_has_the_journal(path: Path) -> None:
    """A second node on the same journal could sign twice: it is refused."""
    with VoteJournalFile(path), pytest.raises(StoreFailed) as refusal:
        VoteJournalFile(path)
    assert refusal.value.code == "store_in_use"
    assert _read(path) == ()


def test_threat_53_what_is_read_at_a_start_is_written_anew(path: Path) -> None:
    """A frame whose sync failed before may be in the system's cache alone: a new file is synced."""
    written = _write(path, *VOTES)
    first = path.stat().st_ino
    with VoteJournalFile(path) as journal:
        assert journal.recovered.votes == VOTES
        assert path.stat().st_ino != first
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EIO, "store_failed"), (errno.ENOSPC, "disk_full")]
)
def test_threat_53_a_failed_sync_is_never_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    """After one failure every vote is refused, though the disk would take it (threat 54 too)."""

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with VoteJournalFile(path) as journal:
        journal.append(VOTES[0])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", fail)
            with pytest.raises(StoreFailed) as failure:
                journal.append(VOTES[1])
            assert failure.value.code == code
        with pytest.raises(StoreFailed) as stopped:
            journal.append(VOTES[2])
        assert stopped.value.code == "store_stopped"
        assert journal.recovered.votes == VOTES[:1]


def test_compaction_keeps_the_newest_votes_and_the_stop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long journal is rewritten, and the new file is the one that later votes go to."""
    monkeypatch.setattr(vote_journal, "VOTES_KEPT", 5)
    votes = [_vote(height) for height in range(40)]
    with VoteJournalFile(path, compaction_bytes=2_000) as journal:
        journal.stop(VOTES[0])
        for vote in votes:
            journal.append(vote)
            assert path.stat().st_size < 2_000
            assert journal.recovered.votes[-1] == vote
    with VoteJournalFile(path) as journal:
        assert journal.recovered.is_stopped
        assert list(journal.recovered.votes) == votes[-5:]
    assert sorted(file.name for file in path.parent.iterdir()) == ["votes.log", "votes.log.lock"]


def test_an_interrupted_compaction_leaves_the_old_file(path: Path) -> None:
    """A replacement that was not put in place is no journal, and is written anew."""
    _write(path, *VOTES)
    left = path.with_name(path.name + vote_journal.COMPACTED_SUFFIX)
    left.write_bytes(b"half")
    with VoteJournalFile(path, compaction_bytes=1) as journal:
        assert journal.recovered.votes == VOTES
        journal.append(_vote(9))
    assert _read(path) == (*VOTES, _vote(9))
    assert not left.exists()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A path through a file is a clear error."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed) as refusal:
        VoteJournalFile(tmp_path / "file" / "votes.log")
    assert refusal.value.code == "store_failed"
