"""The votes heard of one member: what evidence is looked for in, and what it recovers from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from consensus.evidence import Evidence, find_evidence
from consensus.votes import SignedVote

VOTES_PER_MEMBER_MAX = 1_024
"""Most votes of one member kept for evidence and for its own recovery, newest last."""


class VoteHistory:
    """A member's votes in order of arrival; the oldest are forgotten first."""

    __slots__ = ("_highest_source", "_highest_target", "_votes")

    def __init__(self) -> None:
        self._votes: OrderedDict[SignedVote, None] = OrderedDict()
        self._highest_source = self._highest_target = -1

    def __contains__(self, vote: SignedVote) -> bool:
        return vote in self._votes

    def __iter__(self) -> Iterator[SignedVote]:
        return iter(self._votes)

    def add(self, vote: SignedVote) -> Evidence | None:
        """Keep a vote; return evidence that it forms with an earlier one.

        An honest member's votes only climb, and what climbs above all before it breaks no rule
        with any of them: only other votes are compared one by one.
        """
        if vote in self._votes:
            return None
        source, target = vote.vote.source.height, vote.vote.target.height
        climbs = target > self._highest_target and source >= self._highest_source
        evidence = None if climbs else find_evidence(vote, self._votes)
        self._votes[vote] = None
        if len(self._votes) > VOTES_PER_MEMBER_MAX:
            self._votes.popitem(last=False)
        self._highest_source = max(self._highest_source, source)
        self._highest_target = max(self._highest_target, target)
        return evidence
