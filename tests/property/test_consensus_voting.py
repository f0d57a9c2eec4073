"""Honest journals never form evidence, whatever heads their voters are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consensus.evidence import find_evidence, offence_of
from consensus.tree import BlockNode, BlockTree
from consensus.votes import Checkpoint, SignedVote, Vote
from consensus.voting import Refusal, VoteJournal, Voter
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from tests.chains import ChainBuilder
from tests.factories import make_network

NETWORK = make_network(accounts=0)
PATIENCE_MS = 1_400
BANK = MemberId("bank1")

HEIGHTS = st.integers(0, 8)


def _signed(vote: Vote) -> SignedVote:
    """Return a vote whose signature nobody asks for here."""
    return SignedVote(member=BANK, vote=vote, signature=bytes(64))


def _bushy_tree(parents: list[int]) -> tuple[BlockTree, list[BlockNode]]:
    """Return a tree in which block i + 1 stands on the block of that number."""
    chain = ChainBuilder(NETWORK)
    blocks = [chain.genesis]
    for parent in parents:
        blocks.append(chain.child(blocks[-1 - parent % len(blocks)]))
    tree = chain.tree(blocks[1:])
    return tree, list(tree)


@given(
    parents=st.lists(st.sampled_from((0, 0, 0, 1, 3, 7)), min_size=1, max_size=14),
    views=st.lists(
        st.tuples(st.integers(0, 14), st.sets(st.integers(0, 14)), st.integers(0, 3_000)),
        min_size=2,
        max_size=30,
    ),
)
def test_votes_for_any_heads_are_never_evidence(
    parents: list[int], views: list[tuple[int, set[int], int]]
) -> None:
    """A voter that is shown any heads, justified blocks and times releases no two that conflict."""
    _, nodes = _bushy_tree(parents)
    voter, journal, released = Voter(0), VoteJournal(), list[SignedVote]()
    now_ms = 0
    for head, justified, waited_ms in views:
        now_ms += waited_ms
        known = {nodes[at % len(nodes)].hash for at in justified}
        vote = voter.choose(nodes[head % len(nodes)], known, now_ms=now_ms, patience_ms=PATIENCE_MS)
        if vote is None or journal.refusal(vote) is not None:
            continue
        assert find_evidence(_signed(vote), released) is None
        if not journal.recognises(_signed(vote)):
            journal.record(_signed(vote))
            released.append(_signed(vote))


def _checkpoints(height: int, branch: int) -> Checkpoint:
    return Checkpoint(height=height, hash=BlockHash(bytes([height, branch]).ljust(32)))


VOTES = st.builds(
    lambda source, step, source_branch, target_branch: Vote(
        set_id=0,
        source=_checkpoints(source, source_branch),
        target=_checkpoints(source + step, target_branch),
    ),
    HEIGHTS,
    st.integers(1, 5),
    st.integers(0, 1),
    st.integers(0, 1),
)


@given(wanted=st.lists(VOTES, max_size=30), restart=st.integers(0, 30))
def test_a_journal_releases_no_two_votes_that_conflict(wanted: list[Vote], restart: int) -> None:
    """Any votes asked for, with a restart in between: those released form no evidence."""
    journal, released = VoteJournal(), list[SignedVote]()
    for at, vote in enumerate(wanted):
        if at == restart:
            journal = VoteJournal(released)
        if journal.refusal(vote) is not None:
            continue
        assert all(offence_of(vote, other.vote) is None for other in released)
        if not journal.recognises(_signed(vote)):
            journal.record(_signed(vote))
            released.append(_signed(vote))
    assert all(journal.refusal(vote.vote) is None for vote in released)


@given(first=VOTES, second=VOTES)
def test_a_journal_refuses_every_vote_that_conflicts(first: Vote, second: Vote) -> None:
    """The refusals cover both of Casper's rules: what conflicts in either order is refused."""
    journal = VoteJournal([_signed(first)])
    if offence_of(first, second) is not None:
        assert journal.refusal(second) in {Refusal.TARGET_NOT_ABOVE, Refusal.SOURCE_BELOW}


@given(one=VOTES, other=VOTES)
def test_an_offence_does_not_depend_on_the_order(one: Vote, other: Vote) -> None:
    """Two votes conflict or they do not; a vote never conflicts with itself."""
    assert offence_of(one, other) is offence_of(other, one)
    assert offence_of(one, one) is None
