"""Finality at a node: what it votes, what makes it stop, what it keeps against others."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from consensus.evidence import Offence
from consensus.votes import SignedVote
from node.core import limits
from node.core.chain import CoreFault
from node.core.effects import (
    CommitChain,
    Halt,
    RecordVote,
    Send,
    StopMining,
    StopVoting,
    StoreCertificate,
    StoreEvidence,
    StoreFinality,
)
from node.core.messages import BlockMessage, GetMemberVotes, MemberVotes, Tip, Votes
from tests.unit.node.core.bench import Bench, Made

PEERS = ("bank2", "bank3", "regulator")


@pytest.fixture
def bench() -> Bench:
    """Return a node with three peers, which told that they heard no vote of ours."""
    bench = Bench()
    bench.connect(*PEERS)
    bench.recover_votes(*PEERS)
    return bench


def hear(bench: Bench, source: Made, target: Made, *members: str) -> None:
    """Let one peer bring the votes of members for a link."""
    bench.receive("bank2", Votes(votes=bench.votes(source, target, *members)))


def test_a_vote_is_recorded_before_it_is_sent(bench: Bench) -> None:
    """The first block gets our vote, from genesis, in the journal and then at every peer."""
    block = bench.block(bench.genesis)
    effects = bench.deliver("bank2", block)
    (vote,) = bench.votes_cast()
    assert (vote.source.height, vote.target.hash) == (0, block.hash)
    sent = [e for e in effects if isinstance(e, Send) and e.frame[1] == 12]
    record = next(e for e in effects if isinstance(e, RecordVote))
    assert [send.member for send in sent] == list(PEERS)
    assert effects.index(record) < min(effects.index(send) for send in sent)


def test_a_quorum_justifies_and_the_next_finalizes(bench: Bench) -> None:
    """With our own vote, two more make three of four."""
    first, second = bench.row(bench.genesis, 2)
    bench.deliver("bank2", first)
    hear(bench, bench.genesis, first, "bank2", "bank3")
    assert bench.wanted(StoreCertificate)
    assert not bench.wanted(StoreFinality)
    bench.deliver("bank2", second)
    hear(bench, first, second, "bank2", "bank3")
    (final,) = bench.wanted(StoreFinality)
    assert final.root.hash == first.hash
    assert bench.engine.status().final.height == 1


def test_a_vote_is_passed_on_once(bench: Bench) -> None:
    """New votes go to everyone but who brought them; known ones to nobody."""
    block = bench.block(bench.genesis)
    bench.deliver("bank2", block)
    hear(bench, bench.genesis, block, "bank3")
    assert {send.member for send in bench.wanted(Send)} == {"bank3", "regulator"}
    hear(bench, bench.genesis, block, "bank3")
    assert not bench.wanted(Send)


def test_an_unanswered_vote_is_sent_again(bench: Bench) -> None:
    """While the target of our latest vote is not justified, it is repeated."""
    bench.deliver("bank2", bench.block(bench.genesis))
    bench.tick(5_000)
    assert [len(bench.sent(peer, Votes)) for peer in PEERS] == [1, 1, 1]


def test_threat_43_a_double_vote_is_kept_and_shown(bench: Bench) -> None:
    """Two targets at one height by one member become evidence here and at every peer."""
    one, other = bench.block(bench.genesis), bench.block(bench.genesis, step_ms=2_000)
    bench.deliver("bank2", one)
    hear(bench, bench.genesis, one, "bank3")
    hear(bench, bench.genesis, other, "bank3")
    (stored,) = bench.wanted(StoreEvidence)
    assert stored.evidence.offence is Offence.DOUBLE_VOTE
    pair = (stored.evidence.first, stored.evidence.second)
    assert all(pair in [m.votes for m in bench.sent(peer, Votes)] for peer in PEERS)
    assert bench.punished() is None
    assert len(bench.store.recover().evidence) == 1


def test_threat_44_a_surround_vote_is_kept(bench: Bench) -> None:
    """A link that spans over another of the same member is evidence."""
    blocks = bench.row(bench.genesis, 3)
    bench.deliver("bank2", *blocks)
    hear(bench, blocks[0], blocks[1], "bank3")
    hear(bench, bench.genesis, blocks[2], "bank3")
    (stored,) = bench.wanted(StoreEvidence)
    assert stored.evidence.offence is Offence.SURROUND_VOTE


def test_threat_43_evidence_counts_once(bench: Bench) -> None:
    """The same pair, heard again from another peer, adds nothing."""
    one, other = bench.block(bench.genesis), bench.block(bench.genesis, step_ms=2_000)
    hear(bench, bench.genesis, one, "bank3")
    hear(bench, bench.genesis, other, "bank3")
    votes = bench.votes(bench.genesis, one, "bank3") + bench.votes(bench.genesis, other, "bank3")
    bench.receive("regulator", Votes(votes=votes))
    assert not bench.wanted(StoreEvidence)


def test_threat_43_one_traitors_pairs_do_not_hide_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is limited by member, also after a restart."""
    monkeypatch.setattr(limits, "EVIDENCE_PER_MEMBER_MAX", 1)
    rivals = [bench.block(bench.genesis, step_ms=step) for step in (1_000, 2_000, 3_000)]
    for made in rivals:
        hear(bench, bench.genesis, made, "bank3")
    assert len(bench.store.recover().evidence) == 1
    restarted = Bench(bench.network, store=bench.store)
    restarted.connect(*PEERS)
    kept = 0
    for member in ("bank3", "regulator"):
        for made in rivals[:2]:
            hear(restarted, restarted.genesis, made, member)
            kept += len(restarted.wanted(StoreEvidence))
    assert kept == 1


def test_threat_45_a_forged_vote_costs_its_sender(bench: Bench) -> None:
    """A signature that does not hold ends the session for a day; the vote counts for nobody."""
    block = bench.block(bench.genesis)
    (vote,) = bench.votes(bench.genesis, block, "bank3")
    forged = SignedVote(member=vote.member, vote=vote.vote, signature=bytes(64))
    bench.receive("bank2", Votes(votes=(forged,)))
    assert bench.punished() == ("bank2", "bad_vote_signature")
    assert bench.engine.finality.tally.votes_of(vote.member) == ()


def test_threat_45_a_vote_of_nobody_costs_its_sender(bench: Bench) -> None:
    """Only sealers vote."""
    block = bench.block(bench.genesis)
    (vote,) = bench.votes(bench.genesis, block, "bank3")
    stranger = bench.hello("stranger").member
    foreign = SignedVote(member=stranger, vote=vote.vote, signature=vote.signature)
    bench.receive("bank2", Votes(votes=(foreign,)))
    assert bench.punished() == ("bank2", "not_sealer")


def test_threat_45_a_flood_of_votes_is_dropped_without_blame(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traitor's votes beyond its budget are not looked at, and whoever passed them on is honest."""
    monkeypatch.setattr(limits, "VOTES_PER_BUDGET_MAX", 2)
    blocks = bench.row(bench.genesis, 4)
    for block in blocks:
        hear(bench, bench.genesis, block, "bank3")
    (sealer,) = {vote.member for vote in bench.votes(bench.genesis, blocks[0], "bank3")}
    assert len(bench.engine.finality.tally.votes_of(sealer)) == 2
    assert bench.punished() is None
    bench.tick(limits.VOTE_BUDGET_MS)
    hear(bench, bench.genesis, blocks[3], "bank3")
    assert len(bench.engine.finality.tally.votes_of(sealer)) == 3


def test_threat_45_a_repeated_vote_counts_once(bench: Bench) -> None:
    """Three copies of one member's vote are no quorum."""
    block = bench.block(bench.genesis)
    bench.deliver("bank2", block)
    hear(bench, bench.genesis, block, "bank3", "bank3", "bank3")
    assert not bench.wanted(StoreCertificate)


def test_threat_46_a_vote_of_another_set_costs_its_sender(bench: Bench) -> None:
    """Votes are judged by the set in force."""
    block = bench.block(bench.genesis)
    (vote,) = bench.votes(bench.genesis, block, "bank3")
    other = type(vote.vote)(set_id=7, source=vote.vote.source, target=vote.vote.target)
    member = vote.member
    bench.receive("bank2", Votes(votes=(bench.chain.sign(member, other),)))
    assert bench.punished() == ("bank2", "wrong_sealer_set")


def test_threat_47_without_a_quorum_blocks_go_on_and_the_status_says_so(bench: Bench) -> None:
    """Eleven blocks past the last final one finality counts as stalled."""
    blocks = bench.row(bench.genesis, limits.FINALITY_LAG_LIVE_MAX + 1)
    bench.deliver("bank2", *blocks[:-1])
    assert bench.engine.status().is_live
    bench.deliver("bank2", blocks[-1])
    status = bench.engine.status()
    assert (status.head.height, status.final.height, status.is_live) == (11, 0, False)


def test_threat_48_conflicting_certificates_stop_the_node(bench: Bench) -> None:
    """Two quorums for one height: the node keeps both votes of each in both, names them, and halts."""
    one, other = bench.block(bench.genesis), bench.block(bench.genesis, step_ms=2_000)
    bench.deliver("bank2", one)
    hear(bench, bench.genesis, one, *PEERS)
    certificate = bench.chain.certificate(bench.genesis.sealed, other.sealed)
    tip = Tip(head=one.sealed, justified=certificate.encode(), final=b"")
    bench.receive("bank3", tip)
    (halt,) = bench.wanted(Halt)
    assert halt.code == "conflicting_certificates"
    assert "bank2" in halt.detail
    kept = bench.store.recover().evidence
    assert {evidence.first.member for evidence in kept} == {v for v, _ in certificate.signatures}
    assert all(
        {e.first.vote.target.hash, e.second.vote.target.hash} == {one.hash, other.hash}
        for e in kept
    )
    assert bench.tick() == []
    again = Bench(bench.network, store=bench.store)
    assert not again.wanted(StoreEvidence)


def test_threat_48_a_certificate_against_what_is_final_stops_the_node(bench: Bench) -> None:
    """Also below the last final block, where nothing could be chosen any more."""
    blocks = bench.row(bench.genesis, 4)
    bench.deliver("bank2", *blocks)
    for source, target in pairwise([bench.genesis, *blocks]):
        hear(bench, source, target, *PEERS)
    assert bench.engine.status().final.height == 3
    other = bench.block(bench.genesis, step_ms=2_000)
    certificate = bench.chain.certificate(bench.genesis.sealed, other.sealed)
    bench.receive("bank3", Tip(head=blocks[3].sealed, justified=b"", final=certificate.encode()))
    assert [halt.code for halt in bench.wanted(Halt)] == ["conflicting_certificates"]


def test_threat_50_an_unknown_vote_of_our_own_stops_the_key(bench: Bench) -> None:
    """A vote that our journal lacks was made by a copy of the key, or before a restore."""
    block = bench.block(bench.genesis)
    hear(bench, bench.genesis, block, "bank1")
    (stop,) = bench.wanted(StopVoting)
    assert stop.vote.vote.target.hash == block.hash
    bench.deliver("bank2", block)
    assert bench.votes_cast() == []
    assert not bench.engine.status().is_voting


def test_threat_50_our_own_votes_are_recognised(bench: Bench) -> None:
    """What we sent and hear again stops nothing."""
    block = bench.block(bench.genesis)
    bench.deliver("bank2", block)
    hear(bench, bench.genesis, block, "bank1")
    assert not bench.wanted(StopVoting)
    assert bench.engine.status().is_voting


def test_threat_57_no_vote_before_a_quorum_less_one_answered() -> None:
    """After a start the node asks what votes of its own the others heard, and waits for two."""
    bench = Bench()
    bench.connect(*PEERS)
    bench.tick(limits.RECOVERY_ASK_MS)
    assert all(bench.sent(peer, GetMemberVotes) for peer in PEERS)
    bench.deliver("bank2", bench.block(bench.genesis))
    assert bench.votes_cast() == []
    bench.recover_votes("bank2")
    bench.recover_votes("bank2")
    assert bench.votes_cast() == []
    bench.recover_votes("bank3")
    assert len(bench.votes_cast()) == 1


def test_threat_57_a_restored_backup_never_votes() -> None:
    """An answer that brings a vote which the restored journal lacks stops the key."""
    bench = Bench()
    bench.connect(*PEERS)
    block = bench.block(bench.genesis)
    lost = bench.votes(bench.genesis, block, "bank1")
    bench.receive("bank2", MemberVotes(member=bench.member, votes=lost))
    assert bench.wanted(StopVoting)
    bench.recover_votes("bank3", "regulator")
    bench.deliver("bank2", block)
    assert bench.votes_cast() == []


def test_threat_57_a_node_that_started_again_tells_which_votes_it_heard(bench: Bench) -> None:
    """Also of links that justified nothing, after all nodes lost their power at once."""
    block = bench.block(bench.genesis)
    bench.deliver("bank2", block)
    hear(bench, bench.genesis, block, "bank3")
    heard = bench.votes(bench.genesis, block, "bank3")
    restarted = Bench(bench.network, store=bench.store)
    restarted.connect(*PEERS)
    restarted.receive("bank3", GetMemberVotes(member=heard[0].member))
    (answer,) = restarted.sent("bank3", MemberVotes)
    assert answer.votes == heard
    hear(restarted, restarted.genesis, block, "bank2", "regulator")
    assert restarted.wanted(StoreCertificate), "votes heard before count again"


def test_threat_57_a_vote_heard_before_a_start_makes_evidence_after_it(bench: Bench) -> None:
    """Once: the pair is kept from then on, and found by no later start."""
    one, other = bench.block(bench.genesis), bench.block(bench.genesis, step_ms=2_000)
    hear(bench, bench.genesis, one, "bank3")
    restarted = Bench(bench.network, store=bench.store)
    restarted.connect(*PEERS)
    hear(restarted, restarted.genesis, other, "bank3")
    (stored,) = restarted.wanted(StoreEvidence)
    assert stored.evidence.offence is Offence.DOUBLE_VOTE
    again = Bench(bench.network, store=bench.store)
    assert not again.wanted(StoreEvidence)
    assert len(again.store.recover().evidence) == 1


def test_threat_57_a_kept_journal_votes_on() -> None:
    """Votes that the journal holds are recognised after a restart, and count again."""
    before = Bench()
    block = before.block(before.genesis)
    kept = before.votes(before.genesis, block, "bank1")
    bench = Bench(before.network, votes=kept)
    bench.connect(*PEERS)
    bench.receive("bank2", MemberVotes(member=bench.member, votes=kept))
    bench.recover_votes("bank3")
    assert bench.engine.status().is_voting
    bench.deliver("bank2", block)
    assert bench.votes_cast() == []
    hear(bench, bench.genesis, block, "bank2", "bank3")
    assert bench.wanted(StoreCertificate)


def test_a_vote_that_is_due_again_after_a_start_is_said_and_not_recorded_again() -> None:
    """Patience is new: the child is due once more, though the head was voted for since."""
    before = Bench()
    first, second = before.row(before.genesis, 2)
    kept = (
        *before.votes(before.genesis, first, "bank1"),
        *before.votes(before.genesis, second, "bank1"),
    )
    bench = Bench(before.network, votes=kept)
    bench.connect(*PEERS)
    bench.recover_votes(*PEERS)
    bench.deliver("bank2", first, second)
    assert bench.votes_cast() == []
    assert [(said.votes,) for said in bench.sent("bank3", Votes)] == [(kept[:1],)]
    bench.tick(5_000)
    assert bench.votes_cast() == []
    assert kept[1:] in [said.votes for said in bench.sent("bank3", Votes)]


def test_threat_57_answers_with_known_votes_cost_no_signature_each(bench: Bench) -> None:
    """Any member may send our old votes again and again: what the journal holds is not judged."""
    blocks = bench.row(bench.genesis, 3)
    bench.deliver("bank2", *blocks)
    for source, target in pairwise([bench.genesis, *blocks]):
        hear(bench, source, target, *PEERS)
    (kept,) = bench.votes(bench.genesis, blocks[0], "bank1")
    restarted = Bench(bench.network, store=bench.store, votes=(kept,))
    assert restarted.engine.status().final.height == 2
    restarted.connect(*PEERS)
    replayed = tuple(replace(kept, signature=bytes([n]) * 64) for n in range(3))
    restarted.receive("bank2", MemberVotes(member=restarted.member, votes=replayed))
    assert restarted.punished() is None
    restarted.recover_votes("bank3")
    assert restarted.engine.status().is_voting


def test_threat_57_a_journal_of_another_key_is_told(bench: Bench) -> None:
    """A node that was given another chain or key must not vote by the old one's journal."""
    kept = bench.votes(bench.genesis, bench.block(bench.genesis), "bank1")
    with pytest.raises(CoreFault, match="foreign_journal"):
        Bench(bench.network, votes=[replace(vote, signature=bytes(64)) for vote in kept])


def test_the_journal_forbids_what_it_must(bench: Bench) -> None:
    """After a reorganisation no second target at a height that has our vote is voted for."""
    bench.deliver("bank2", bench.block(bench.genesis))
    side = bench.block(bench.genesis, step_ms=2_000)
    bench.deliver("bank3", side, bench.block(side))
    assert bench.height == 2
    assert all(vote.target.height > 1 for vote in bench.votes_cast())


def test_a_block_that_votes_finalized_is_the_root_once_its_body_is_here() -> None:
    """Final by votes alone, it waits: no vote and no work on another branch, then the move."""
    bench = Bench(is_mining=True)
    bench.connect(*PEERS)
    bench.recover_votes(*PEERS)
    ours = bench.block(bench.genesis, sealer="bank2")
    bench.deliver("bank2", ours)
    theirs = [bench.block(bench.genesis, step_ms=2_000)]
    theirs.append(bench.block(theirs[0]))
    for made in theirs:
        bench.announce("bank3", made.sealed)
    for source, target in pairwise([bench.genesis, *theirs]):
        hear(bench, source, target, *PEERS)
    assert bench.engine.chain.head.hash == ours.hash
    assert bench.engine.status().final.height == 0
    assert bench.wanted(StopMining)
    assert bench.votes_cast() == []
    moves: list[type] = []
    for made in theirs:
        bench.receive("bank3", BlockMessage(block=made.block.encode()))
        moves += [type(e) for e in bench.effects if isinstance(e, CommitChain | StoreFinality)]
    assert moves == [CommitChain, StoreFinality, CommitChain]
    assert bench.engine.chain.head.hash == theirs[1].hash
    assert bench.engine.chain.tree.root.hash == theirs[0].hash


def test_a_chain_carries_certificates_also_below_its_last_final_block() -> None:
    """Votes may run ahead of blocks: what was not proved in time is proved by a later block."""
    bench = Bench()
    bench.connect(*PEERS)
    blocks = bench.row(bench.genesis, 4)
    bench.deliver("bank2", *blocks)
    for source, target in pairwise([bench.genesis, *blocks]):
        hear(bench, source, target, *PEERS)
    chain, tally = bench.engine.chain, bench.engine.finality.tally
    assert (chain.tree.root.height, chain.head.proved.final) == (3, 0)
    restarted = Bench(bench.network, store=bench.store)
    for node in (bench, restarted):
        links = node.engine.finality.tally.certificates_above(0)
        assert [link.vote.target.height for link in links] == [1, 2, 3, 4]
    proof = bench.block(blocks[3], certificates=tally.certificates_above(0))
    bench.deliver("bank2", proof)
    assert chain.head.proved.final == 3
