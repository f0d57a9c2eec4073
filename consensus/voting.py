"""How a sealer votes: what the journal allows, and which link to vote for.

Safety rests on the journal alone: it is written before a vote leaves the node, and it refuses
every vote that could form evidence with an earlier one. Liveness rests on the choice of the
target: the source's child first, so that links are consecutive and finalize; the head once that
takes too long.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from enum import StrEnum

from consensus.fork_choice import highest_justified
from consensus.tree import BlockNode
from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.hashing import BlockHash

JOURNAL_VOTES_MAX = 4_096
"""Most votes of its own that a node keeps in memory to recognise them, newest last."""
HEAD_LEAD_BLOCKS_MAX = 4
"""A head further above the source than this is voted for at once."""
VOTE_ROUND_TRIPS = 2
"""Round trips of votes, beyond one block interval, before the head is voted for instead."""


class Refusal(StrEnum):
    """Why the journal does not release a vote."""

    TARGET_NOT_ABOVE = "target_not_above"
    SOURCE_BELOW = "source_below"
    STOPPED = "stopped"


class VoteJournal:
    """What the sealer has signed, as far as it matters for what it may sign next.

    The node's storage writes each vote durably before it is released, and gives the votes back in
    order at start. A vote is recorded once, however often it is said. A vote of our own key that is
    not in here was made by a copy of the key or before a restore: it stops the key for good (threats
    50, 57).
    """

    def __init__(self, votes: Iterable[SignedVote] = (), *, stopped: bool = False) -> None:
        self.stopped = stopped
        self.highest_target = 0
        self.highest_source = 0
        self._released: dict[Vote, SignedVote] = {}
        self._records = 0
        self._floor = 0
        for vote in votes:
            self.record(vote)

    @property
    def latest(self) -> SignedVote | None:
        """The vote recorded last, whose target is the highest, or None."""
        return next(reversed(self._released.values()), None)

    def released(self, vote: Vote) -> SignedVote | None:
        """Return this vote as it was signed when it was recorded, or None: it is a new one."""
        return self._released.get(vote)

    def refusal(self, vote: Vote) -> Refusal | None:
        """Return why this vote may not be released, or None if it may."""
        if self.stopped:
            return Refusal.STOPPED
        if vote in self._released:
            return None
        if vote.target.height <= self.highest_target:
            return Refusal.TARGET_NOT_ABOVE
        if vote.source.height < self.highest_source:
            return Refusal.SOURCE_BELOW
        return None

    def record(self, vote: SignedVote) -> None:
        """Take in a vote that was made durable."""
        self._records += 1
        self._released.setdefault(vote.vote, vote)
        if len(self._released) > JOURNAL_VOTES_MAX:
            del self._released[next(iter(self._released))]
        if self._records >= JOURNAL_VOTES_MAX:
            # Older ones may be gone: from here, or from the journal's file when that was compacted.
            oldest = next(iter(self._released))
            self._floor = max(self._floor, oldest.target.height - 1)
        self.highest_target = max(self.highest_target, vote.vote.target.height)
        self.highest_source = max(self.highest_source, vote.vote.source.height)

    def recognises(self, vote: SignedVote) -> bool:
        """Tell whether a vote of our own key is one we released, or too old to tell."""
        return vote.vote.target.height <= self._floor or vote.vote in self._released

    def stop(self) -> None:
        """Stop the key for good."""
        self.stopped = True


class Voter:
    """Chooses the link to vote for next."""

    def __init__(self, set_id: int) -> None:
        self._set_id = set_id
        self._source: Checkpoint | None = None
        self._since_ms = 0

    def choose(
        self,
        head: BlockNode,
        justified: Container[BlockHash],
        *,
        now_ms: int,
        patience_ms: int,
    ) -> Vote | None:
        """Return the vote to cast for the fork-choice head, or None while there is none.

        ``now_ms`` is a monotonic clock. ``patience_ms`` is one block interval and two vote round
        trips: how long the link to the source's child may take before the head is the target.
        """
        source = highest_justified(head, justified)
        child = head.ancestor(source.height + 1)
        if child is None:
            self._source = None
            return None
        if self._source != source.checkpoint:
            self._source, self._since_ms = source.checkpoint, now_ms
        impatient = now_ms - self._since_ms >= patience_ms
        far = head.height - source.height > HEAD_LEAD_BLOCKS_MAX
        target = head if impatient or far else child
        return Vote(set_id=self._set_id, source=source.checkpoint, target=target.checkpoint)
