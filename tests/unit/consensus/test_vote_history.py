"""The votes of one member that are remembered."""

from __future__ import annotations

from consensus.evidence import Offence
from consensus.vote_history import VOTES_PER_MEMBER_MAX, VoteHistory
from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.hashing import BlockHash
from ledger.identity import MemberId


def vote(height: int, branch: bytes = b"a") -> SignedVote:
    """Return a vote for the block at a height of a branch, from its parent."""

    def block(at: int) -> Checkpoint:
        return Checkpoint(height=at, hash=BlockHash(branch * 28 + at.to_bytes(4)))

    link = Vote(set_id=0, source=block(height - 1), target=block(height))
    return SignedVote(member=MemberId("bank1"), vote=link, signature=bytes(64))


def test_the_oldest_votes_are_forgotten_first() -> None:
    """A member votes for as long as the chain lives: what is kept of it is bounded."""
    history = VoteHistory()
    votes = [vote(height) for height in range(1, VOTES_PER_MEMBER_MAX + 3)]
    assert [history.add(one) for one in votes] == [None] * len(votes)
    assert list(history) == votes[2:]
    assert votes[1] not in history
    assert votes[2] in history


def test_what_is_forgotten_makes_no_evidence_and_what_is_kept_does() -> None:
    """A conflict needs both votes."""
    history = VoteHistory()
    for height in range(1, VOTES_PER_MEMBER_MAX + 2):
        history.add(vote(height))
    assert history.add(vote(1, b"b")) is None
    evidence = history.add(vote(VOTES_PER_MEMBER_MAX, b"b"))
    assert evidence is not None
    assert evidence.offence is Offence.DOUBLE_VOTE


def test_a_vote_heard_twice_is_kept_once() -> None:
    """It is no evidence against itself."""
    history = VoteHistory()
    assert history.add(vote(1)) is None
    assert history.add(vote(1)) is None
    assert len(list(history)) == 1
