"""Blocks on their way in: a wrong body says nothing of its header, a wrong header condemns it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.blocks import Block, SealedHeader
from ledger.hashing import HASH_BYTES
from ledger.transactions import NONCE_BYTES, Signature, SignedTransaction, assemble
from node.core import limits
from node.core.effects import CommitChain, Send, StoreBlock, VerifySignatures
from node.core.messages import BlockMessage, GetBlocks, MessageType, NotFound, Tip
from tests.unit.node.core.bench import Bench, Made


@pytest.fixture
def bench() -> Bench:
    """Return a node with two peers."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    return bench


def pay(bench: Bench, sequence: int = 0, *, nonce: int = 0) -> SignedTransaction:
    """Return a payment of alice's."""
    return bench.network.transfer(
        bench.network.leg("alice", "bob", 5), sequence=sequence, nonce=nonce.to_bytes(NONCE_BYTES)
    )


def with_body(made: Made, *transactions: SignedTransaction) -> Made:
    """Return the block's header with another body."""
    return replace(made, block=replace(made.block, transactions=transactions))


def resealed(bench: Bench, made: Made, block: Block) -> Made:
    """Return a block whose header commits to what a rule forbids, mined and sealed anew."""
    sealed = bench.chain.mine(block.header)
    return replace(made, block=replace(block, sealed=sealed))


def test_a_block_connects(bench: Bench) -> None:
    """Header, body, signatures, state, head."""
    block = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", block)
    assert bench.engine.chain.head.hash == block.hash
    assert bench.store.location(pay(bench).txid) == (1, 0)


def test_what_waits_here_is_not_verified_again(bench: Bench) -> None:
    """The very bytes were verified when they were admitted; others under the same id were not."""
    bench.submit(pay(bench))
    waiting = pay(bench)
    other = assemble(waiting.body, (Signature(waiting.signatures[0].public_key, bytes([1]) * 64),))
    bench.deliver("bank2", bench.block(bench.genesis, other))
    assert len(bench.wanted(VerifySignatures)) == 1
    assert bench.punished() == ("bank2", "invalid_signature")
    block = bench.block(bench.genesis, waiting)
    bench.deliver("bank3", block)
    assert not bench.wanted(VerifySignatures)
    assert bench.engine.chain.head.hash == block.hash


def test_threat_31_a_wrong_state_root_costs_who_delivered_it(bench: Bench) -> None:
    """The block is invalid for good, and nobody validates it before passing it on."""
    block = bench.block(bench.genesis, pay(bench), state_root=bytes(HASH_BYTES))
    bench.deliver("bank2", block)
    assert bench.punished() == ("bank2", "wrong_state_root")
    assert bench.height == 0
    bench.announce("bank3", bench.block(block).sealed)
    assert bench.punished() == ("bank3", "invalid_ancestor")


def test_threat_31_wrong_bits_are_refused(bench: Bench) -> None:
    """The target is the chain's, not the miner's."""
    bits = bench.chain.genesis.header.bits
    bench.announce("bank2", bench.block(bench.genesis, bits=bits - 1).sealed)
    assert bench.punished() == ("bank2", "wrong_bits")


def test_threat_31_a_wrong_tx_root_costs_the_sender(bench: Bench) -> None:
    """A body that the header does not commit to is the sender's doing."""
    block = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", with_body(block, pay(bench, nonce=1)))
    assert bench.punished() == ("bank2", "wrong_tx_root")


@pytest.mark.parametrize("copies", [0, 2])
def test_threat_32_a_wrong_body_does_not_poison_the_good_block(bench: Bench, copies: int) -> None:
    """After a body with too few or duplicated transactions the right one is taken (CVE-2012-2459)."""
    block = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", with_body(block, *[pay(bench)] * copies))
    assert bench.punished() == ("bank2", "wrong_transaction_count")
    bench.deliver("bank3", block)
    assert bench.engine.chain.head.hash == block.hash


def test_threat_32_a_broken_seal_does_not_poison_the_good_header(bench: Bench) -> None:
    """The hash does not cover the seal: the same header with the right one is taken."""
    block = bench.block(bench.genesis)
    bench.announce("bank2", replace(block.sealed, seal=bytes(64)))
    assert bench.punished() == ("bank2", "bad_seal")
    bench.deliver("bank3", block)
    assert bench.engine.chain.head.hash == block.hash


def test_threat_17_a_replayed_transaction_in_a_block_is_refused(bench: Bench) -> None:
    """A block that holds what the chain holds already is invalid; nothing is applied twice."""
    first = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", first)
    honest = bench.block(first, pay(bench, 1))
    draft = bench.chain.draft(first.sealed, transactions=(pay(bench),))
    replay = Block(sealed=bench.chain.mine(draft), transactions=(pay(bench),), certificates=())
    bench.deliver("bank3", replace(honest, block=replay))
    assert bench.punished() == ("bank3", "sequence_conflict")
    assert bench.engine.chain.head.hash == first.hash


def test_threat_17_a_bad_signature_in_a_block_is_refused(bench: Bench) -> None:
    """The sealer vouched for the signatures: the block is invalid, and its deliverer out."""
    good = pay(bench)
    forged = assemble(good.body, (Signature(good.signatures[0].public_key, bytes(64)),))
    block = bench.block(bench.genesis, forged)
    bench.deliver("bank2", block)
    assert bench.punished() == ("bank2", "invalid_signature")
    assert bench.height == 0
    assert bench.deliver("bank3", bench.block(block))
    assert bench.punished() == ("bank3", "invalid_ancestor")


def test_threat_37_only_sealers_seal(bench: Bench) -> None:
    """A header that names somebody without the role is refused before its body is asked for."""
    foreign = bench.chain.draft(bench.genesis.sealed, sealer=bench.hello("stranger").member)
    header_bytes = foreign.encode()
    unsealed = SealedHeader(header=foreign, header_bytes=header_bytes, seal=bytes(64))
    nonce = 0
    while unsealed.hash[0] >= 0x7F:
        nonce += 1
        solved = foreign.with_nonce(nonce.to_bytes(8))
        unsealed = SealedHeader(header=solved, header_bytes=solved.encode(), seal=bytes(64))
    bench.announce("bank2", unsealed)
    assert bench.punished() == ("bank2", "bad_seal")


def test_threat_37_the_diversity_gap_is_kept(bench: Bench) -> None:
    """With four sealers nobody seals two blocks in a row, whatever its hash power."""
    first = bench.block(bench.genesis, sealer="bank2")
    bench.deliver("bank2", first)
    bench.announce("bank2", bench.block(first, sealer="bank2").sealed)
    assert bench.punished() == ("bank2", "diversity")


def test_threat_42_an_oversized_block_is_refused(bench: Bench) -> None:
    """A block over the limit is refused by its length, before it is parsed."""
    block = bench.block(bench.genesis)
    bench.announce("bank2", block.sealed)
    most = bench.rules.parameters.block_bytes_max
    bench.receive("bank2", BlockMessage(block=bytes(most + 1)))
    assert bench.punished() == ("bank2", "bad_bytes")


def test_what_is_not_validated_is_served_to_nobody(bench: Bench) -> None:
    """A block that is stored but not connected would cost us our name with whoever gets it."""
    main = bench.row(bench.genesis, 2)
    bench.deliver("bank2", *main)
    side = bench.block(bench.genesis, step_ms=2_000)
    bench.deliver("bank3", side)
    assert bench.store.block_bytes(side.hash) is not None
    bench.receive("bank2", GetBlocks(hashes=(side.hash, main[0].hash)))
    assert [message.hashes for message in bench.sent("bank2", NotFound)] == [(side.hash,)]
    assert [m.block for m in bench.sent("bank2", BlockMessage)] == [main[0].block.encode()]


def push(bench: Bench, member: str, made: Made) -> None:
    """Let a member send a block that nobody asked for."""
    bench.receive(member, BlockMessage(block=made.block.encode()))


def test_a_sealers_own_new_block_is_taken_unasked(bench: Bench) -> None:
    """It spares the announcement and the request; the announcement that follows asks for nothing."""
    block = bench.block(bench.genesis, pay(bench), sealer="bank2")
    push(bench, "bank2", block)
    assert bench.engine.chain.head.hash == block.hash
    bench.announce("bank2", block.sealed)
    assert not bench.sent("bank2", GetBlocks)
    push(bench, "bank2", block)
    assert bench.effects == []


def test_threat_36_a_pushed_block_without_its_parent_leaves_no_body(bench: Bench) -> None:
    """Its header is parked as an announced one is; the body is asked for once it has a place."""
    parent = bench.block(bench.genesis, sealer="bank3")
    block = bench.block(parent, sealer="bank2")
    push(bench, "bank2", block)
    assert not bench.wanted(StoreBlock)
    bench.deliver("bank3", parent)
    assert bench.height == 1
    bench.tick()
    assert [m.hashes for m in bench.sent("bank3", GetBlocks)] == []
    bench.announce("bank2", block.sealed)
    assert [m.hashes for m in bench.sent("bank2", GetBlocks)] == [(block.hash,)]


def test_threat_31_a_pushed_block_is_judged_like_any_other(bench: Bench) -> None:
    """Header, body and state cost its sender the same as those of a block that was asked for."""
    block = bench.block(bench.genesis, pay(bench), sealer="bank2")
    push(bench, "bank2", with_body(block, pay(bench, nonce=1)))
    assert bench.punished() == ("bank2", "wrong_tx_root")
    wrong = bench.block(bench.genesis, sealer="bank3", state_root=bytes(HASH_BYTES))
    push(bench, "bank3", wrong)
    assert bench.punished() == ("bank3", "wrong_state_root")


def test_threat_39_a_push_below_the_last_final_block_counts_by_its_announcement(
    bench: Bench,
) -> None:
    """An honest peer that has not heard what is final sends both: one of them is held against it."""
    blocks = bench.row(bench.genesis, 3)
    bench.deliver("bank3", *blocks)
    bench.finalize("bank3", bench.genesis, *blocks)
    fork = bench.block(bench.genesis, sealer="bank2", step_ms=2_000)
    push(bench, "bank2", fork)
    assert not bench.notes("peer_misbehaved")
    bench.announce("bank2", fork.sealed)
    (note,) = bench.notes("peer_misbehaved")
    assert note.fields["code"] == "below_final"


def test_a_block_that_nobody_asked_for_scores(bench: Bench) -> None:
    """It is another's, or large: it costs ten points, and us no more than its header."""
    block = bench.block(bench.genesis, sealer="bank3")
    push(bench, "bank2", block)
    (note,) = bench.notes("peer_misbehaved")
    assert (note.fields["code"], note.fields["score"]) == ("block_unasked", 10)
    assert not bench.wanted(StoreBlock)
    assert bench.height == 0


def test_threat_42_a_large_block_is_not_taken_unasked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is small may come without being asked for; it is asked for when it is announced."""
    block = bench.block(bench.genesis, sealer="bank2")
    monkeypatch.setattr(limits, "PUSHED_BLOCK_BYTES_MAX", len(block.block.encode()) - 1)
    push(bench, "bank2", block)
    (note,) = bench.notes("peer_misbehaved")
    assert note.fields["code"] == "block_unasked"
    bench.deliver("bank2", block)
    assert bench.height == 1


def test_our_own_new_block_is_pushed_before_it_is_announced() -> None:
    """To those who are near its parent; the others fetch blocks in order."""
    bench = Bench(is_mining=True)
    far = [bench.genesis]
    for sealer in ("bank2", "bank3") * 2:
        far.append(bench.block(far[-1], sealer=sealer))
    del far[0]
    bench.connect("bank3", tip=far[-1].sealed)
    bench.answer_headers("bank3", *far)
    for made in far:
        bench.receive("bank3", BlockMessage(block=made.block.encode()))
    assert bench.height == 4
    bench.connect("bank2")
    bench.mine()
    own = bench.engine.chain.head
    assert (own.height, own.sealed.header.sealer) == (5, "bank1")
    numbers = [send.frame[1] for send in bench.wanted(Send) if send.member == "bank3"]
    assert numbers == [MessageType.BLOCK, MessageType.TIP]
    assert not bench.sent("bank2", BlockMessage)
    assert bench.sent("bank2", Tip)


def test_our_own_block_is_not_pushed_when_it_is_large_or_came_from_a_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node whose data were wiped fetches its own old blocks: they are nobody's news."""
    bench = Bench(is_mining=True)
    bench.connect("bank2", "bank3")
    bench.deliver("bank2", bench.block(bench.genesis, sealer="bank1"))
    assert bench.height == 1
    assert not bench.sent("bank3", BlockMessage)
    bench = Bench(is_mining=True)
    bench.connect("bank2")
    monkeypatch.setattr(limits, "PUSHED_BLOCK_BYTES_MAX", 100)
    bench.mine()
    assert bench.height == 1
    assert bench.sent("bank2", Tip)
    assert not bench.sent("bank2", BlockMessage)


def test_a_longer_branch_takes_the_head(bench: Bench) -> None:
    """The store is told what goes off and on; what the old branch held waits again."""
    old = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", old)
    new = bench.row(bench.genesis, 2)
    bench.deliver("bank3", *new)
    moves = bench.wanted(CommitChain)
    assert [b.hash for b in moves[-1].disconnected] == [old.hash]
    assert [c.block.hash for c in moves[-1].connected] == [made.hash for made in new]
    assert pay(bench).txid in bench.engine.mempool


def test_a_disconnected_transaction_waits_again_however_full_the_mempool_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was acknowledged: the limits are for what is not."""
    waiting = [pay(bench, sequence) for sequence in range(3)]
    bench.deliver("bank2", bench.block(bench.genesis, *waiting))
    for limit in ("MEMPOOL_ACCOUNT_TRANSACTIONS_MAX", "SUBMISSIONS_IN_FLIGHT_MAX"):
        monkeypatch.setattr(limits, limit, 0)
    monkeypatch.setattr(limits, "PARKED_PER_LANE_MAX", 1)
    bench.deliver("bank3", *bench.row(bench.genesis, 2))
    assert list(bench.engine.mempool) == [transaction.txid for transaction in waiting]


def test_a_disconnected_transaction_without_a_chance_is_retired(bench: Bench) -> None:
    """If the new branch used its sequence otherwise and is final, the store keeps the reason."""
    old = bench.block(bench.genesis, pay(bench))
    bench.deliver("bank2", old)
    rival = bench.block(bench.genesis, pay(bench, nonce=1))
    blocks = [rival, *bench.row(rival, 2)]
    bench.deliver("bank3", *blocks)
    assert bench.engine.chain.head.height == 3
    assert bench.store.retirement(pay(bench).txid) is None
    bench.finalize("bank3", bench.genesis, *blocks)
    retirement = bench.store.retirement(pay(bench).txid)
    assert retirement is not None
    assert retirement.code == "sequence_conflict"
