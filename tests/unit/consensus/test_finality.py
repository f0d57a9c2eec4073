"""The tally: quorums of distinct members, links that justify and finalize, evidence, pruning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus import finality
from consensus.evidence import Evidence, Offence
from consensus.finality import FinalityTally
from consensus.votes import Checkpoint
from ledger.errors import InvalidProof
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.keys import verify
from tests.chains import Tallied, checkpoint


@pytest.fixture
def tallied() -> Tallied:
    """Return a tally over six blocks."""
    return Tallied()


def test_genesis_is_justified_and_final(tallied: Tallied) -> None:
    """Before any vote the root is both, with no certificate."""
    root = checkpoint(tallied.chain.genesis)
    assert tallied.tally.final == root
    assert tallied.tally.highest_justified == root
    assert tallied.tally.certificate_for(root.hash) is None
    assert tallied.tally.advance(tallied.tree).justified == []


def test_a_quorum_of_distinct_members_justifies(tallied: Tallied) -> None:
    """Two of four change nothing, the third justifies the target."""
    tallied.link(0, 1, (0, 1))
    assert tallied.justified == []
    tallied.link(0, 1, (2,))
    assert tallied.justified == [1]
    assert tallied.final == 0
    certificate = tallied.tally.certificate_for(tallied.blocks[1].hash)
    assert certificate is not None
    certificate.validate(tallied.chain.rules.sealers, tallied.chain.genesis.hash, verify)
    assert tallied.tally.highest_justified == checkpoint(tallied.blocks[1])


def test_threat_45_a_repeated_vote_counts_once(tallied: Tallied) -> None:
    """The same member's vote heard thrice is one vote."""
    for _ in range(3):
        tallied.link(0, 1, (0, 1))
    assert tallied.justified == []
    assert len(tallied.tally.votes_of(tallied.chain.members[0])) == 1
    assert tallied.evidence == []


def test_threat_45_forged_and_foreign_votes_are_refused(tallied: Tallied) -> None:
    """A wrong signature, a stranger's vote and another set's vote raise and are not counted."""
    chain = tallied.chain
    tallied.link(0, 1, (0, 1))
    vote = chain.votes(chain.genesis, tallied.blocks[1], chain.members[2:3])[0]
    for bad, code in [
        (replace(vote, signature=bytes(64)), "bad_vote_signature"),
        (replace(vote, member=chain.members[3]), "bad_vote_signature"),
        (replace(vote, member=MemberId("stranger")), "not_sealer"),
        (replace(vote, vote=replace(vote.vote, set_id=1)), "wrong_sealer_set"),
    ]:
        with pytest.raises(InvalidProof, match=code):
            tallied.tally.add(bad, verify)
        assert not tallied.tally.knows(bad)
    tallied.tally.advance(tallied.tree)
    assert tallied.justified == []


def test_threat_45_a_forged_copy_of_a_counted_vote_changes_nothing(tallied: Tallied) -> None:
    """A second signature under a vote that is counted replaces nothing, good or bad."""
    tallied.link(0, 1)
    before = tallied.tally.certificate_for(tallied.blocks[1].hash)
    for vote in tallied.chain.votes(tallied.chain.genesis, tallied.blocks[1]):
        assert tallied.tally.add(replace(vote, signature=bytes(64)), verify) is None
    tallied.tally.advance(tallied.tree)
    assert tallied.tally.certificate_for(tallied.blocks[1].hash) == before


def test_a_consecutive_link_finalizes_its_source(tallied: Tallied) -> None:
    """The change names the certificate that moved the final block."""
    tallied.link(0, 1)
    tallied.vote(tallied.blocks[1], tallied.blocks[2], (0, 1, 3))
    change = tallied.tally.advance(tallied.tree)
    assert change.finalized is not None
    assert change.finalized.vote == tallied.chain.link(tallied.blocks[1], tallied.blocks[2])
    assert [c.vote.target.height for c in change.justified] == [2]
    assert tallied.tally.final == checkpoint(tallied.blocks[1])


def test_a_link_over_heights_only_justifies(tallied: Tallied) -> None:
    """Finality waits for the next consecutive link, which then makes all before it final."""
    tallied.link(0, 3)
    assert (tallied.justified, tallied.final) == ([3], 0)
    tallied.link(3, 5)
    assert (tallied.justified, tallied.final) == ([3, 5], 0)
    tallied.link(5, 6)
    assert tallied.final == 5


def test_a_link_waits_for_its_source(tallied: Tallied) -> None:
    """Quorums that arrive in reverse are settled together once the first link is there."""
    tallied.link(2, 3)
    tallied.link(1, 2)
    assert (tallied.justified, tallied.final) == ([], 0)
    tallied.vote(tallied.blocks[0], tallied.blocks[1], (0, 1, 2))
    change = tallied.tally.advance(tallied.tree)
    assert [c.vote.target.height for c in change.justified] == [1, 2, 3]
    assert tallied.final == 2


def test_a_quorum_waits_for_its_block(tallied: Tallied) -> None:
    """A quorum whose target is not here is settled once its block came."""
    late = tallied.chain.child(tallied.blocks[6])
    tallied.link(0, 6)
    tallied.vote(tallied.blocks[6], late, (0, 1, 2))
    tallied.tally.advance(tallied.tree)
    assert (tallied.justified, tallied.final) == ([6], 0)
    tallied.tree.insert(late)
    assert tallied.tally.advance(tallied.tree).finalized is not None
    assert tallied.final == 6


def test_a_target_with_a_wrong_height_is_never_justified(tallied: Tallied) -> None:
    """A vote that puts a known hash at another height names no block."""
    chain = tallied.chain
    link = replace(
        chain.link(tallied.blocks[0], tallied.blocks[2]),
        target=Checkpoint(height=1, hash=tallied.blocks[2].hash),
    )
    tallied.add([chain.sign(member, link) for member in chain.members])
    assert tallied.tally.advance(tallied.tree).justified == []


def test_certificates_count_as_their_votes(tallied: Tallied) -> None:
    """A certificate justifies without its votes, and its votes are known for evidence."""
    chain = tallied.chain
    certificate = chain.certificate(tallied.blocks[0], tallied.blocks[1])
    tallied.tally.add_certificate(certificate)
    change = tallied.tally.advance(tallied.tree)
    assert change.justified == [certificate]
    assert [tallied.tally.knows(vote) for vote in certificate.votes()] == [True] * 3
    tallied.tally.add_certificate(certificate)
    assert tallied.tally.advance(tallied.tree).justified == []
    assert len(tallied.tally.votes_of(chain.members[0])) == 1


def test_stored_certificates_restore_the_tally(tallied: Tallied) -> None:
    """A new tally from the final block and the certificates above it stands where the old stood."""
    for height in range(4):
        tallied.link(height, height + 1)
    fresh = FinalityTally(tallied.chain.rules, tallied.tally.final)
    fresh.restore([c for c in tallied.tally.justified.values() if c is not None], ())
    fresh.advance(tallied.tree)
    assert fresh.final == tallied.tally.final
    assert fresh.highest_justified == tallied.tally.highest_justified


def test_threat_57_stored_votes_count_again(tallied: Tallied) -> None:
    """Those of an open link, with one that came since, and each once however it came back."""
    open_votes = tallied.chain.votes(tallied.blocks[0], tallied.blocks[1], tallied.chain.members)
    certificate = tallied.chain.certificate(tallied.blocks[1], tallied.blocks[2])
    fresh = FinalityTally(tallied.chain.rules, tallied.tally.final)
    fresh.restore([certificate], [*open_votes[:2], *certificate.votes()])
    assert fresh.advance(tallied.tree).justified == []
    assert fresh.add(open_votes[2], verify) is None
    change = fresh.advance(tallied.tree)
    assert [one.vote.target.height for one in change.justified] == [1, 2]
    assert fresh.take_evidence() == []
    assert len(fresh.votes_of(tallied.chain.members[0])) == 2


def test_a_late_fourth_vote_changes_nothing(tallied: Tallied) -> None:
    """Votes beyond the quorum are kept, and neither justify nor finalize again."""
    tallied.link(0, 1)
    tallied.link(1, 2)
    tallied.vote(tallied.blocks[1], tallied.blocks[2], (3,))
    change = tallied.tally.advance(tallied.tree)
    assert (change.justified, change.finalized) == ([], None)


def test_what_lies_below_the_final_block_is_forgotten(tallied: Tallied) -> None:
    """Justified blocks and links below the final block go; votes stay as evidence."""
    tallied.link(0, 5, (3,))
    tallied.link(3, 4)
    tallied.link(0, 1)
    tallied.link(1, 2)
    tallied.link(2, 3, (0, 1, 2, 3))
    assert tallied.final == 3
    assert set(tallied.tally.justified) == {tallied.blocks[3].hash, tallied.blocks[4].hash}
    late = tallied.chain.votes(tallied.blocks[0], tallied.blocks[2], tallied.chain.members)
    tallied.add(late[3:])
    assert late[3] in tallied.tally.votes_of(tallied.chain.members[3])
    assert tallied.tally.advance(tallied.tree).justified == []


def test_links_over_the_final_block_justify_nothing(tallied: Tallied) -> None:
    """A source below the final block is forgotten, so no link can start from it."""
    tallied.link(0, 1)
    tallied.link(1, 2)
    tallied.link(0, 5, (0, 1, 3))
    assert (tallied.justified, tallied.final) == ([1, 2], 1)


def test_threat_43_a_double_vote_is_evidence_and_counts_on_both_links(tallied: Tallied) -> None:
    """Both votes count, so that nodes agree whichever came first, and both are kept."""
    fork = tallied.chain.extend(tallied.chain.genesis, 1)[0]
    tallied.tree.insert(fork)
    tallied.vote(tallied.blocks[0], fork, (0,))
    tallied.vote(tallied.blocks[0], tallied.blocks[1], (0, 1, 2))
    assert [found.offence for found in tallied.evidence] == [Offence.DOUBLE_VOTE]
    assert {tallied.evidence[0].first, tallied.evidence[0].second} == set(
        tallied.tally.votes_of(tallied.chain.members[0])
    )
    tallied.tally.advance(tallied.tree)
    assert tallied.justified == [1]


@pytest.mark.parametrize("links", [((0, 4), (1, 2)), ((1, 2), (0, 4))])
def test_threat_44_a_surround_vote_is_evidence(
    tallied: Tallied, links: tuple[tuple[int, int], ...]
) -> None:
    """Evidence comes with the second of the two votes, whichever it is."""
    for source, target in links:
        assert tallied.evidence == []
        tallied.link(source, target, (1,))
    assert [found.offence for found in tallied.evidence] == [Offence.SURROUND_VOTE]


@pytest.mark.parametrize("certificate_first", [True, False])
def test_threat_43_votes_inside_certificates_are_evidence_too(
    tallied: Tallied, certificate_first: bool
) -> None:
    """A vote that conflicts with one inside a certificate is found in either order of arrival."""
    chain, fork = tallied.chain, tallied.chain.child(tallied.chain.genesis)
    certificate = chain.certificate(chain.genesis, tallied.blocks[1])
    double = chain.votes(chain.genesis, fork, chain.members[:1])
    found: list[Evidence] = []
    if certificate_first:
        tallied.tally.add_certificate(certificate)
    tallied.add(double)
    if not certificate_first:
        tallied.tally.add_certificate(certificate)
    found = [*tallied.evidence, *tallied.tally.take_evidence()]
    assert [item.offence for item in found] == [Offence.DOUBLE_VOTE]
    assert double[0] in {found[0].first, found[0].second}
    assert tallied.tally.take_evidence() == []


def test_threat_47_a_stall_does_not_silence_the_votes_after_it(
    tallied: Tallied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of four vote for each head while the others are away; once they are back it is final.

    Only the links with the highest targets are counted, so old votes make room for new ones.
    """
    monkeypatch.setattr(finality, "LINKS_PER_MEMBER_MAX", 3)
    for height in range(1, 6):
        tallied.link(0, height, (0, 1))
    tallied.link(0, 6, (0, 1, 2, 3))
    assert tallied.justified == [6]
    late = tallied.chain.child(tallied.blocks[6])
    tallied.tree.insert(late)
    tallied.vote(tallied.blocks[6], late, (0, 1, 2))
    tallied.tally.advance(tallied.tree)
    assert tallied.final == 6


def test_the_links_counted_do_not_depend_on_the_order(
    tallied: Tallied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member's low links give way whether they came before or after the high ones."""
    monkeypatch.setattr(finality, "LINKS_PER_MEMBER_MAX", 3)
    for height in (6, 1, 5, 2, 4, 3):
        tallied.link(0, height, (0, 1))
    for height in (1, 2, 3, 4):
        tallied.link(0, height, (2,))
    assert tallied.justified == [4]


def test_a_justified_fork_beside_the_final_chain_is_normal(tallied: Tallied) -> None:
    """A block that was justified and then overtaken by honest votes stops nobody."""
    fork = tallied.chain.child(tallied.chain.genesis)
    tallied.tree.insert(fork)
    tallied.vote(tallied.chain.genesis, fork, (0, 1, 2))
    tallied.tally.advance(tallied.tree)
    tallied.link(0, 3)
    tallied.link(3, 4)
    assert tallied.final == 3
    assert tallied.evidence == []


def test_open_votes_are_those_above_the_final_block(tallied: Tallied) -> None:
    """A peer that connects is told every vote on links above the final block, and no other."""
    tallied.link(0, 1)
    tallied.link(1, 2)
    tallied.link(2, 3, (3, 1))
    told = tallied.tally.open_votes()
    links = [(vote.member, vote.vote.target.height) for vote in told]
    members = tallied.chain.members
    assert links == [*((member, 2) for member in members[:3]), (members[1], 3), (members[3], 3)]
    fresh = Tallied()
    fresh.add(told)
    assert [fresh.tally.knows(vote) for vote in told] == [True] * 5


def test_certificates_are_kept_for_blocks_after_their_targets_are_final(
    tallied: Tallied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sealer finds every link above a height, lowest first, down to the bound below the final."""
    monkeypatch.setattr(finality, "CERTIFIED_HEIGHTS_KEPT", 2)
    for height in range(5):
        tallied.link(height, height + 1)
    assert tallied.final == 4
    for above, targets in [(5, []), (3, [4, 5]), (0, [2, 3, 4, 5])]:
        kept = tallied.tally.certificates_above(above)
        assert [certificate.vote.target.height for certificate in kept] == targets


def test_unknown_hashes_have_no_certificate(tallied: Tallied) -> None:
    """Asking for a block that is not justified gives None, and no votes for who has not voted."""
    assert tallied.tally.certificate_for(BlockHash(bytes(32))) is None
    assert tallied.tally.votes_of(tallied.chain.members[0]) == ()
