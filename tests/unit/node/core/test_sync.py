"""Synchronisation: headers first, bodies from whoever has them, and nobody waited for in vain."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from consensus import tree
from consensus.tree import BlockNode
from ledger.blocks import NONCE_BYTES
from ledger.hashing import double_sha256
from node.core import limits, sync
from node.core.messages import BlockMessage, GetBlocks, GetHeaders, Headers, NotFound, Votes
from node.core.peers import Peer
from tests.unit.node.core.bench import Bench, Made


def asked(bench: Bench, member: str) -> list[bytes]:
    """Return the hashes of the blocks that a member was asked for."""
    return [block_hash for get in bench.sent(member, GetBlocks) for block_hash in get.hashes]


def finalize(bench: Bench, blocks: list[Made]) -> None:
    """Make the last block but one final, by votes of three members."""
    for source, target in pairwise([bench.genesis, *blocks]):
        votes = bench.votes(source, target, "bank2", "bank3", "regulator")
        bench.receive("bank2", Votes(votes=votes))


def test_headers_lead_to_bodies() -> None:
    """An unknown head is asked for by a locator, its chain's bodies then in order."""
    bench = Bench()
    blocks = bench.row(bench.genesis, 3)
    bench.connect("bank2", tip=blocks[2].sealed)
    assert bench.sent("bank2", GetHeaders)
    bench.answer_headers("bank2", *blocks)
    assert asked(bench, "bank2") == [made.hash for made in blocks]
    for made in blocks:
        bench.receive("bank2", BlockMessage(block=made.block.encode()))
    assert bench.height == 3


def test_blocks_on_their_way_do_not_make_a_node_unready() -> None:
    """Caught up means that at most two announced blocks are missing; a third one is a gap."""
    bench = Bench()
    blocks = bench.row(bench.genesis, limits.BLOCKS_ON_THEIR_WAY_MAX + 1)
    bench.connect("bank2")
    for made in blocks[:-1]:
        bench.announce("bank2", made.sealed)
        assert not bench.engine.status().is_syncing
    bench.announce("bank2", blocks[-1].sealed)
    assert bench.engine.status().is_syncing
    bench.receive("bank2", BlockMessage(block=blocks[0].block.encode()))
    assert not bench.engine.status().is_syncing


def test_a_head_far_ahead_makes_a_node_unready_before_its_headers_come() -> None:
    """What leads to an unknown head is asked for; how far it is away says whether much is missing."""
    near, far = Bench(), Bench()
    blocks = near.row(near.genesis, limits.BLOCKS_ON_THEIR_WAY_MAX + 1)
    near.connect("bank2", tip=blocks[-2].sealed)
    assert not near.engine.status().is_syncing
    far.connect("bank2", tip=blocks[-1].sealed)
    assert far.engine.status().is_syncing
    far.answer_headers("bank2", *blocks)
    assert far.engine.status().is_syncing


def test_threat_14_a_stalling_peer_is_given_up_on() -> None:
    """After two seconds the body is asked of another peer that announced the chain."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    assert asked(bench, "bank2") == [block.hash]
    bench.announce("bank3", block.sealed)
    assert asked(bench, "bank3") == []
    bench.tick(limits.STALL_MS_MIN - 1)
    assert asked(bench, "bank3") == []
    bench.tick(1)
    assert asked(bench, "bank3") == [block.hash]


def test_threat_14_patience_doubles_to_a_limit() -> None:
    """A peer alone is asked again, after 2, 4, 8, … and at most 64 seconds."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2")
    bench.announce("bank2", block.sealed)
    waits: list[int] = []
    waited_ms = 0
    while len(waits) < 7:
        waited_ms += 500
        bench.tick(500)
        if asked(bench, "bank2"):
            waits.append(waited_ms)
            waited_ms = 0
    assert waits == [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000]


def test_threat_14_a_peer_that_says_it_has_nothing_is_passed_over() -> None:
    """A block that one peer lacks is asked of the other at once."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    bench.announce("bank3", block.sealed)
    bench.receive("bank2", NotFound(hashes=(block.hash,)))
    assert asked(bench, "bank3") == [block.hash]


def test_threat_14_the_only_peer_that_has_a_block_is_asked_again() -> None:
    """It stalled once; the other is behind, and to wait for it could be to wait for ever."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    bench.tick(limits.STALL_MS_MIN)
    assert asked(bench, "bank3") == []
    assert asked(bench, "bank2") == [block.hash]


def test_threat_14_a_body_that_comes_late_is_taken() -> None:
    """A peer that was given up on and delivers after all is slow: its block is as good as another's."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    bench.announce("bank3", block.sealed)
    bench.tick(limits.STALL_MS_MIN)
    bench.receive("bank2", BlockMessage(block=block.block.encode()))
    assert bench.height == 1
    bench.receive("bank3", BlockMessage(block=block.block.encode()))
    assert not bench.notes("peer_misbehaved")
    for _ in range(limits.SCORE_MAX // limits.UNASKED_BLOCK_SCORE):
        assert bench.punished() is None
        bench.receive("bank3", BlockMessage(block=block.block.encode()))
    assert bench.punished() == ("bank3", "block_unasked")


def test_threat_14_a_peer_that_has_not_the_block_owes_it_no_more() -> None:
    """Its word that it lacks a block is the answer; one that it sends after it was not asked for."""
    bench = Bench()
    block = bench.block(bench.genesis, sealer="regulator")
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    bench.receive("bank2", NotFound(hashes=(block.hash,)))
    bench.receive("bank2", NotFound(hashes=(block.hash,)))
    bench.leave("bank3")
    bench.receive("bank2", BlockMessage(block=block.block.encode()))
    assert [note.fields["code"] for note in bench.notes("peer_misbehaved")] == ["block_unasked"]


def test_threat_14_headers_that_come_late_are_no_offence() -> None:
    """A slow link is not misbehaviour: an answer that was given up on is taken when it comes."""
    bench = Bench()
    blocks = bench.row(bench.genesis, 2)
    bench.connect("bank2", tip=blocks[1].sealed)
    bench.tick(limits.STALL_MS_MIN)
    bench.answer_headers("bank2", *blocks)
    bench.answer_headers("bank2", *blocks)
    assert bench.punished() is None
    bench.answer_headers("bank2", *blocks)
    assert bench.punished() == ("bank2", "unasked_headers")


def test_threat_36_orphans_are_parked_within_bounds() -> None:
    """Heads of unknown chains take 64 places a peer and no more; the peer is not punished."""
    bench = Bench()
    bench.connect("bank2")
    blocks = bench.row(bench.genesis, limits.ORPHANS_PER_PEER_MAX + 8)
    for made in blocks[2:]:
        bench.announce("bank2", made.sealed)
    peer = bench.engine.peers.get(bench.network.holders["bob"].member)
    assert peer is not None
    assert len(peer.parked) == limits.ORPHANS_PER_PEER_MAX
    assert blocks[2].hash not in peer.parked
    assert len(bench.engine.chain.tree) == 1


def test_threat_36_orphans_cost_work() -> None:
    """A header without work is not even parked."""
    bench = Bench()
    bench.connect("bank2")
    parent = bench.block(bench.genesis)
    header_bytes = _above_target(bench.chain.draft(parent.sealed).work_prefix())
    bench.announce("bank2", replace(parent.sealed, header_bytes=header_bytes))
    assert bench.punished() == ("bank2", "insufficient_work")


def _above_target(prefix: bytes) -> bytes:
    """Return header bytes whose hash misses the easiest target."""
    nonce = 0
    while double_sha256(prefix + nonce.to_bytes(NONCE_BYTES))[0] < 0x80:
        nonce += 1
    return prefix + nonce.to_bytes(NONCE_BYTES)


def test_threat_39_a_fork_below_the_last_final_block_is_refused() -> None:
    """Four of its headers cut a peer off; one alone may be an honest peer's that is behind."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    blocks = bench.row(bench.genesis, 4)
    bench.deliver("bank2", *blocks)
    finalize(bench, blocks)
    assert bench.engine.chain.tree.root.hash == blocks[2].hash
    for attempt in range(4):
        assert bench.punished() is None
        bench.announce("bank3", bench.block(blocks[0], step_ms=2_000 + attempt).sealed)
    assert bench.punished() == ("bank3", "below_final")
    assert bench.engine.chain.head.hash == blocks[3].hash


def test_threat_39_who_answers_from_a_fork_below_final_is_not_blamed() -> None:
    """A member that was cut off mined on; asked for its headers it gives them, and is asked no more.

    It learns the final chain from us meanwhile, and is heard again once it announces another head.
    """
    bench = Bench()
    bench.connect("bank2", "bank3")
    blocks = bench.row(bench.genesis, 4)
    first = bench.block(blocks[0], step_ms=2_000)
    fork = [first, *bench.row(first, 4)]
    bench.deliver("bank2", *blocks)
    finalize(bench, blocks)
    bench.announce("bank3", fork[-1].sealed)
    assert bench.sent("bank3", GetHeaders)
    bench.answer_headers("bank3", *fork)
    assert [note.fields["peer"] for note in bench.notes("branch_below_final")] == ["bank3"]
    for _ in range(10):
        bench.tick(500)
        assert not bench.sent("bank3", GetHeaders)
        assert bench.punished() is None
    peer = bench.engine.peers.get(bench.network.holders["bob"].member)
    assert peer is None or peer.score == 0
    after = bench.block(blocks[3])
    bench.announce("bank3", after.sealed)
    assert asked(bench, "bank3") == [after.hash]


def test_threat_39_final_blocks_themselves_are_known() -> None:
    """A peer that is behind announces what is final here: no offence, and nothing to fetch."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    blocks = bench.row(bench.genesis, 4)
    bench.deliver("bank2", *blocks)
    finalize(bench, blocks)
    bench.announce("bank3", blocks[0].sealed)
    assert bench.punished() is None
    assert not bench.sent("bank3", GetHeaders)


def test_threat_33_a_header_from_the_future_waits_for_its_time() -> None:
    """More than ten seconds ahead it is parked, and taken once the clock has come near."""
    bench = Bench()
    bench.connect("bank2")
    future_ms = bench.rules.parameters.future_ms_max
    ahead_ms = bench.wall_ms - bench.chain.genesis.header.time_ms + future_ms + 500
    block = bench.block(bench.genesis, step_ms=ahead_ms)
    bench.announce("bank2", block.sealed)
    assert asked(bench, "bank2") == []
    assert block.hash not in bench.engine.chain.tree
    assert bench.punished() is None
    bench.tick(500)
    assert asked(bench, "bank2") == [block.hash]


def test_threat_33_a_time_that_is_not_after_the_parent_is_refused() -> None:
    """Such a header is no one's honest mistake."""
    bench = Bench()
    bench.connect("bank2")
    genesis_ms = bench.chain.genesis.header.time_ms
    block = bench.block(bench.genesis, time_ms=genesis_ms, clock_ms=0)
    bench.announce("bank2", block.sealed)
    assert bench.punished() == ("bank2", "time_not_after_parent")


def test_threat_36_a_parked_header_without_room_is_no_offence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When its turn comes and the tree is full, nobody is to blame."""
    bench = Bench()
    bench.connect("bank2")
    future_ms = bench.rules.parameters.future_ms_max
    ahead_ms = bench.wall_ms - bench.chain.genesis.header.time_ms + future_ms + 500
    bench.announce("bank2", bench.block(bench.genesis, step_ms=ahead_ms).sealed)
    monkeypatch.setattr(tree, "NODES_MAX", 1)
    bench.tick(500)
    assert bench.notes("header_without_room")
    assert bench.punished() is None


def test_threat_14_a_peer_is_served_so_much_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asks for beyond that is not read from the disk; the next second begins anew."""
    bench = Bench()
    bench.connect("bank2")
    blocks = bench.row(bench.genesis, 2)
    bench.deliver("bank2", *blocks)
    monkeypatch.setattr(limits, "SERVED_BYTES_PER_SECOND_MAX", 1)
    hashes = tuple(made.hash for made in blocks)
    bench.wait(1_000)
    bench.receive("bank2", GetBlocks(hashes=hashes))
    assert [m.block for m in bench.sent("bank2", BlockMessage)] == [blocks[0].block.encode()]
    assert [m.hashes for m in bench.sent("bank2", NotFound)] == [hashes[1:]]
    bench.receive("bank2", GetHeaders(locator=(bench.genesis.hash,)))
    assert not bench.sent("bank2", Headers)
    bench.wait(1_000)
    bench.receive("bank2", GetHeaders(locator=(bench.genesis.hash,)))
    assert bench.sent("bank2", Headers)


def test_threat_33_a_parked_header_that_turns_out_wrong_costs_its_peer() -> None:
    """When its turn comes on a tick it is judged like any other; the node goes on."""
    bench = Bench()
    bench.connect("bank2")
    future_ms = bench.wall_ms + bench.rules.parameters.future_ms_max + 500
    bench.announce("bank2", bench.block(bench.genesis, time_ms=future_ms).sealed)
    assert bench.punished() is None
    bench.tick(500)
    assert bench.punished() == ("bank2", "wrong_clock")


def test_a_block_is_asked_for_once_while_its_signatures_are_checked() -> None:
    """A body whose verdicts are awaited is here already."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    payment = bench.network.transfer(bench.network.leg("alice", "bob", 5))
    block = bench.block(bench.genesis, payment)
    bench.announce("bank2", block.sealed)
    bench.announce("bank3", block.sealed)
    bench.receive("bank2", BlockMessage(block=block.block.encode()))
    assert asked(bench, "bank2") + asked(bench, "bank3") == []
    assert bench.height == 1


def test_headers_that_do_not_follow_each_other_are_refused() -> None:
    """An answer is a chain."""
    bench = Bench()
    blocks = bench.row(bench.genesis, 3)
    bench.connect("bank2", tip=blocks[2].sealed)
    bench.receive("bank2", Headers(headers=(blocks[0].sealed, blocks[2].sealed)))
    assert bench.punished() == ("bank2", "headers_no_chain")


def test_a_peer_that_leaves_frees_what_it_was_asked_for() -> None:
    """The other peer is asked at once."""
    bench = Bench()
    block = bench.block(bench.genesis)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", block.sealed)
    bench.announce("bank3", block.sealed)
    bench.leave("bank2")
    assert asked(bench, "bank3") == [block.hash]


def test_threat_14_a_peer_that_is_behind_does_not_slow_the_others_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has room and none of the blocks: they are not held against it one by one at each delivery."""
    bench = Bench()
    blocks = bench.row(bench.genesis, 40)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", blocks[-1].sealed)
    bench.answer_headers("bank2", *blocks)
    judged, judge = list[str](), sync._may_have

    def count(peer: Peer, node: BlockNode) -> bool:
        judged.append(peer.member)
        return judge(peer, node)

    monkeypatch.setattr(sync, "_may_have", count)
    bench.receive("bank2", BlockMessage(block=blocks[0].block.encode()))
    assert bench.height == 1
    assert judged == ["bank2", "bank3"], "one block, of either"
