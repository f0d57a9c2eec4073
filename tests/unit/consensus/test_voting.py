"""How a sealer votes: what its journal refuses, and which target it chooses."""

from __future__ import annotations

import pytest

from consensus import voting
from consensus.tree import BlockNode
from consensus.votes import Checkpoint, SignedVote, Vote
from consensus.voting import HEAD_LEAD_BLOCKS_MAX, Refusal, VoteJournal, Voter
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from tests.chains import ChainBuilder

PATIENCE_MS = 1_400


def _vote(source: int, target: int, branch: str = "") -> Vote:
    return Vote(
        set_id=0,
        source=Checkpoint(height=source, hash=BlockHash(f"{source}".encode().ljust(32))),
        target=Checkpoint(height=target, hash=BlockHash(f"{target}{branch}".encode().ljust(32))),
    )


def _signed(vote: Vote) -> SignedVote:
    return SignedVote(member=MemberId("bank1"), vote=vote, signature=bytes(64))


def _journal(*votes: Vote) -> VoteJournal:
    return VoteJournal([_signed(vote) for vote in votes])


def test_an_empty_journal_allows_any_vote() -> None:
    """Nothing was signed, so nothing can conflict."""
    journal = VoteJournal()
    assert journal.refusal(_vote(0, 1)) is None
    assert journal.latest is None


def test_threat_43_a_target_at_or_below_the_highest_is_refused() -> None:
    """A journal signs one vote a target height, and no lower one later."""
    journal = _journal(_vote(0, 1), _vote(1, 5))
    assert journal.refusal(_vote(1, 5, "other")) is Refusal.TARGET_NOT_ABOVE
    assert journal.refusal(_vote(2, 5)) is Refusal.TARGET_NOT_ABOVE
    assert journal.refusal(_vote(1, 4)) is Refusal.TARGET_NOT_ABOVE
    assert journal.refusal(_vote(1, 6)) is None


def test_threat_44_a_source_below_the_highest_is_refused() -> None:
    """A later vote never reaches back under an earlier one's source."""
    journal = _journal(_vote(3, 4))
    assert journal.refusal(_vote(2, 5)) is Refusal.SOURCE_BELOW
    assert journal.refusal(_vote(3, 5)) is None
    assert journal.refusal(_vote(4, 5)) is None


def test_the_highest_source_need_not_be_the_latest_target() -> None:
    """Both marks are maxima over all votes, whatever order storage gives them back in."""
    journal = VoteJournal([_signed(_vote(4, 5)), _signed(_vote(0, 1))])
    assert (journal.highest_target, journal.highest_source) == (5, 4)
    assert journal.refusal(_vote(0, 2)) is Refusal.TARGET_NOT_ABOVE
    assert journal.refusal(_vote(0, 6)) is Refusal.SOURCE_BELOW


def test_the_same_vote_again_is_allowed() -> None:
    """Sending a vote again is no second vote."""
    journal = _journal(_vote(0, 1), _vote(1, 2), _vote(2, 3))
    for released in (_vote(0, 1), _vote(1, 2), _vote(2, 3)):
        assert journal.refusal(released) is None
    assert journal.latest == _signed(_vote(2, 3))


def test_threat_50_a_stopped_key_votes_no_more() -> None:
    """Once stopped, even a vote that was released before is refused, in a new process too."""
    journal = _journal(_vote(0, 1))
    journal.stop()
    assert journal.refusal(_vote(1, 2)) is Refusal.STOPPED
    assert journal.refusal(_vote(0, 1)) is Refusal.STOPPED
    assert VoteJournal(stopped=True).refusal(_vote(0, 1)) is Refusal.STOPPED


def test_threat_57_a_vote_of_our_own_that_the_journal_lacks_is_noticed() -> None:
    """A restored journal does not recognise what the key signed after the backup."""
    journal = _journal(_vote(0, 1), _vote(1, 2))
    assert journal.recognises(_signed(_vote(1, 2)))
    assert not journal.recognises(_signed(_vote(2, 3)))
    assert not journal.recognises(_signed(_vote(1, 2, "other")))
    assert not VoteJournal().recognises(_signed(_vote(0, 1)))


def test_votes_too_old_to_tell_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes that have left memory stop no key; those above them still do."""
    monkeypatch.setattr(voting, "JOURNAL_VOTES_MAX", 3)
    journal = _journal(*(_vote(height, height + 1) for height in range(5)))
    assert journal.recognises(_signed(_vote(0, 1)))
    assert journal.recognises(_signed(_vote(0, 2, "other")))
    assert not journal.recognises(_signed(_vote(0, 3, "other")))
    assert journal.refusal(_vote(0, 1)) is Refusal.TARGET_NOT_ABOVE


def test_threat_57_a_full_journal_that_was_read_back_may_have_older_votes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file was compacted: anyone could stop the key with one of its votes of long ago."""
    monkeypatch.setattr(voting, "JOURNAL_VOTES_MAX", 3)
    journal = _journal(*(_vote(height, height + 1) for height in range(10, 13)))
    assert journal.recognises(_signed(_vote(9, 10)))
    assert not journal.recognises(_signed(_vote(9, 11)))
    assert not journal.recognises(_signed(_vote(12, 14)))


def test_a_vote_that_is_recorded_twice_counts_once() -> None:
    """The latest is the highest, whatever was said again after it, and comes back as it was signed."""
    journal = _journal(_vote(0, 1), _vote(0, 2), _vote(0, 1))
    assert journal.latest == _signed(_vote(0, 2))
    assert journal.released(_vote(0, 1)) == _signed(_vote(0, 1))
    assert journal.released(_vote(0, 3)) is None


def test_threat_57_a_vote_said_again_hides_none_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old vote at the end of a journal must not make the node disown those that it pushed out."""
    monkeypatch.setattr(voting, "JOURNAL_VOTES_MAX", 3)
    said = [_vote(0, 6), _vote(0, 7), _vote(0, 6), _vote(7, 8), _vote(8, 9)]
    journal = _journal(*said)
    assert all(journal.recognises(_signed(vote)) for vote in said)


class Heads:
    """Nodes of a chain by height, and a voter that is shown them."""

    def __init__(self, length: int) -> None:
        self.chain = ChainBuilder()
        blocks = [self.chain.genesis, *self.chain.extend(self.chain.genesis, length)]
        self.tree = self.chain.tree(blocks[1:])
        self.nodes = [self.find(sealed.hash) for sealed in blocks]
        self.voter = Voter(self.chain.rules.sealers.set_id)

    def find(self, block_hash: BlockHash) -> BlockNode:
        node = self.tree.get(block_hash)
        assert node is not None
        return node

    def choose(self, head: BlockNode, *justified: int, now_ms: int = 0) -> tuple[int, int] | None:
        """Return the heights of the chosen link."""
        known = {self.nodes[height].hash for height in (0, *justified)}
        vote = self.voter.choose(head, known, now_ms=now_ms, patience_ms=PATIENCE_MS)
        if vote is None:
            return None
        for end in (vote.source, vote.target):
            node = head.ancestor(end.height)
            assert node is not None
            assert node.checkpoint == end
        return vote.source.height, vote.target.height


@pytest.fixture
def heads() -> Heads:
    """Return a chain of twelve blocks."""
    return Heads(12)


def test_a_voter_links_the_justified_block_to_its_child(heads: Heads) -> None:
    """The child is the target even under a higher head, so that the link can finalize."""
    assert heads.choose(heads.nodes[1]) == (0, 1)
    assert heads.choose(heads.nodes[3]) == (0, 1)
    assert heads.choose(heads.nodes[3], 1) == (1, 2)
    assert heads.choose(heads.nodes[3], 2) == (2, 3)


def test_a_voter_has_nothing_to_vote_for_at_a_justified_head(heads: Heads) -> None:
    """A target is above its source."""
    assert heads.choose(heads.nodes[0]) is None
    assert heads.choose(heads.nodes[2], 2) is None


def test_an_impatient_voter_votes_for_the_head(heads: Heads) -> None:
    """Once the child has not been justified for as long as patience lasts, the head is the target."""
    head = heads.nodes[3]
    assert heads.choose(head, now_ms=100) == (0, 1)
    assert heads.choose(head, now_ms=100 + PATIENCE_MS - 1) == (0, 1)
    assert heads.choose(head, now_ms=100 + PATIENCE_MS) == (0, 3)
    assert heads.choose(heads.nodes[4], now_ms=100 + PATIENCE_MS) == (0, 4)


def test_patience_starts_again_with_each_source(heads: Heads) -> None:
    """A new justified block gives its own child the full time."""
    head = heads.nodes[4]
    assert heads.choose(head, now_ms=0) == (0, 1)
    assert heads.choose(head, 1, now_ms=PATIENCE_MS) == (1, 2)
    assert heads.choose(head, 1, now_ms=2 * PATIENCE_MS - 1) == (1, 2)
    assert heads.choose(head, 1, now_ms=2 * PATIENCE_MS) == (1, 4)


def test_patience_starts_when_there_is_a_child(heads: Heads) -> None:
    """Waiting for a block to be mined is not waiting for votes."""
    assert heads.choose(heads.nodes[2], 2, now_ms=0) is None
    assert heads.choose(heads.nodes[2], 2, now_ms=10 * PATIENCE_MS) is None
    assert heads.choose(heads.nodes[4], 2, now_ms=11 * PATIENCE_MS) == (2, 3)
    assert heads.choose(heads.nodes[4], 2, now_ms=12 * PATIENCE_MS) == (2, 4)


def test_a_head_far_above_is_voted_for_at_once(heads: Heads) -> None:
    """More than four blocks above the source the child would only add to the delay."""
    assert heads.choose(heads.nodes[HEAD_LEAD_BLOCKS_MAX]) == (0, 1)
    assert heads.choose(heads.nodes[HEAD_LEAD_BLOCKS_MAX + 1]) == (0, HEAD_LEAD_BLOCKS_MAX + 1)


def test_the_source_is_on_the_heads_own_chain(heads: Heads) -> None:
    """A block justified on another branch is no source for this head."""
    fork = heads.find(heads.tree.insert(heads.chain.child(heads.nodes[1].sealed)).hash)
    assert heads.choose(fork, 1, 2) == (1, 2)
    assert heads.choose(heads.nodes[3], 1, 2) == (2, 3)
