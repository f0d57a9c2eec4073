"""Evidence of a faulty voter: two votes of one member that no honest journal releases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from consensus.votes import SignedVote, Vote


class Offence(StrEnum):
    """Which of Casper's two rules a pair of votes breaks."""

    DOUBLE_VOTE = "double_vote"
    SURROUND_VOTE = "surround_vote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Two conflicting votes of one member, each with its signature."""

    offence: Offence
    """What they break."""
    first: SignedVote
    """The vote with the lower encoding, so that one pair is one piece of evidence."""
    second: SignedVote
    """The other."""


def offence_of(a: Vote, b: Vote) -> Offence | None:
    """Return the rule that two votes of one member break together, or None.

    Double: two targets at one height. Surround: one link spans strictly over the other.
    """
    if a == b:
        return None
    if a.target.height == b.target.height:
        return Offence.DOUBLE_VOTE
    outer, inner = (a, b) if a.target.height > b.target.height else (b, a)
    if outer.source.height < inner.source.height:
        return Offence.SURROUND_VOTE
    return None


def find_evidence(vote: SignedVote, earlier: Iterable[SignedVote]) -> Evidence | None:
    """Return evidence that ``vote`` forms with one of the same member's earlier votes."""
    for other in earlier:
        offence = offence_of(vote.vote, other.vote)
        if offence is not None:
            first, second = sorted((vote, other), key=SignedVote.encode)
            return Evidence(offence=offence, first=first, second=second)
    return None
