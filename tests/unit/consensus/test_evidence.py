"""Evidence: which two votes of one member no honest journal releases."""

from __future__ import annotations

import pytest

from consensus.evidence import Offence, find_evidence, offence_of
from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.hashing import BlockHash
from ledger.identity import MemberId

BANK = MemberId("bank1")


def _vote(source: int, target: int, branch: str = "a") -> Vote:
    """Return a vote between heights; a branch has its own blocks above height 0."""
    return Vote(
        set_id=0,
        source=Checkpoint(height=source, hash=_hash(source, branch if source else "")),
        target=Checkpoint(height=target, hash=_hash(target, branch)),
    )


def _hash(height: int, branch: str) -> BlockHash:
    return BlockHash(f"{height}{branch}".encode().ljust(32, b"."))


def _signed(vote: Vote) -> SignedVote:
    return SignedVote(member=BANK, vote=vote, signature=bytes(64))


DOUBLE = [
    (_vote(0, 1, "a"), _vote(0, 1, "b")),
    (_vote(0, 3, "a"), _vote(1, 3, "a")),
    (_vote(1, 3, "a"), _vote(2, 3, "b")),
]
SURROUND = [
    (_vote(0, 4), _vote(1, 2)),
    (_vote(0, 3), _vote(1, 2, "b")),
    (_vote(2, 9, "a"), _vote(3, 8, "b")),
]
HONEST = [
    (_vote(0, 1), _vote(0, 1)),
    (_vote(0, 1), _vote(1, 2)),
    (_vote(0, 1), _vote(0, 2)),
    (_vote(0, 1, "a"), _vote(0, 2, "b")),
    (_vote(1, 2), _vote(1, 4)),
    (_vote(1, 2), _vote(3, 5, "b")),
]


@pytest.mark.parametrize(("one", "two"), DOUBLE)
def test_threat_43_two_targets_at_one_height_are_a_double_vote(one: Vote, two: Vote) -> None:
    """Two different votes for one target height conflict, in whatever order they are heard."""
    assert offence_of(one, two) is Offence.DOUBLE_VOTE
    assert offence_of(two, one) is Offence.DOUBLE_VOTE


@pytest.mark.parametrize(("outer", "inner"), SURROUND)
def test_threat_44_a_link_over_another_is_a_surround_vote(outer: Vote, inner: Vote) -> None:
    """A link that spans strictly over another conflicts with it, in whatever order."""
    assert offence_of(outer, inner) is Offence.SURROUND_VOTE
    assert offence_of(inner, outer) is Offence.SURROUND_VOTE


@pytest.mark.parametrize(("one", "two"), HONEST)
def test_votes_of_an_honest_journal_are_no_offence(one: Vote, two: Vote) -> None:
    """The same vote again, growing targets, sources that stay or grow: none is a fault."""
    assert offence_of(one, two) is None
    assert offence_of(two, one) is None


@pytest.mark.parametrize(("one", "two"), [*DOUBLE, *SURROUND])
def test_one_pair_is_one_piece_of_evidence(one: Vote, two: Vote) -> None:
    """Evidence is the same whichever vote came first, so that it is unique per pair."""
    first, second = _signed(one), _signed(two)
    evidence = find_evidence(first, [second])
    assert evidence is not None
    assert evidence == find_evidence(second, [first])
    assert {evidence.first, evidence.second} == {first, second}
    assert evidence.first.encode() < evidence.second.encode()


def test_evidence_is_searched_among_all_earlier_votes() -> None:
    """The conflict may lie far back, behind votes that are no fault."""
    earlier = [_signed(_vote(height, height + 1)) for height in range(10)]
    assert find_evidence(_signed(_vote(10, 11)), earlier) is None
    assert find_evidence(_signed(_vote(9, 10)), earlier) is None
    evidence = find_evidence(_signed(_vote(3, 4, "b")), earlier)
    assert evidence is not None
    assert evidence.offence is Offence.DOUBLE_VOTE
    assert earlier[3] in {evidence.first, evidence.second}
