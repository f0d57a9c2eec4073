"""Sequences, windows and signatures of new transactions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.identity import MemberId
from ledger.kinds import Transfer
from ledger.limits import LANES
from ledger.transactions import NONCE_BYTES, Actor
from tests.factories import make_account_id, make_network
from tests.unit.wallet.conftest import key_of
from wallet.building import VALIDITY_BLOCKS, next_actor, sign_transaction

ALICE, BANK1 = make_account_id("alice"), MemberId("bank1")


def test_a_first_transaction_takes_lane_zero_and_the_chains_next() -> None:
    """With nothing under way the lowest lane is as good as any; an unused lane is at 0."""
    assert next_actor(ALICE, {0: 7}, []) == Actor(ALICE, 0, 7)
    assert next_actor(ALICE, {}, []) == Actor(ALICE, 0, 0)


def test_transactions_under_way_spread_over_the_lanes() -> None:
    """Each of the first sixteen has a lane of its own; the next queues behind one of them."""
    pending: list[Actor] = []
    for _ in range(LANES + 1):
        pending.append(next_actor(ALICE, {0: 7}, pending))
    assert [actor.lane for actor in pending] == [*range(LANES), 0]
    assert pending[-1] == Actor(ALICE, 0, 8)


def test_members_have_one_lane() -> None:
    """Acts of a member queue in lane 0."""
    pending = [Actor(BANK1, 0, 3)]
    assert next_actor(BANK1, {0: 3}, pending) == Actor(BANK1, 0, 4)


def test_settled_and_foreign_transactions_do_not_count() -> None:
    """What the chain has consumed is free of the outbox, and others' sequences are others'."""
    pending = [Actor(ALICE, 0, 6), Actor(make_account_id("bob"), 0, 7), Actor(BANK1, 0, 7)]
    assert next_actor(ALICE, {0: 7}, pending) == Actor(ALICE, 0, 7)


def test_a_hole_is_filled_first() -> None:
    """When an earlier transaction failed, the next one takes its sequence and frees the rest."""
    pending = [Actor(ALICE, lane, 0) for lane in range(LANES)]
    pending += [Actor(ALICE, lane, 2) for lane in range(LANES)]
    assert next_actor(ALICE, {}, pending) == Actor(ALICE, 0, 1)


@given(count=st.integers(min_value=1, max_value=60), start=st.integers(0, 2**40))
def test_no_sequence_is_given_twice(count: int, start: int) -> None:
    """However many are under way, every new transaction has its own, and no lane has a hole."""
    pending: list[Actor] = []
    for _ in range(count):
        pending.append(next_actor(ALICE, dict.fromkeys(range(LANES), start), pending))
    assert len(set(pending)) == count
    for lane in range(LANES):
        taken = sorted(actor.sequence for actor in pending if actor.lane == lane)
        assert taken == list(range(start, start + len(taken)))


def test_a_signed_transaction_is_one_that_the_ledger_accepts() -> None:
    """Actors in any order and a key given twice still make the one canonical transaction."""
    network = make_network(banks=2, accounts=2)
    keys = [key_of(network, name) for name in ("bob", "alice")]
    holders = network.holders
    transaction = sign_transaction(
        Transfer(legs=(network.leg("alice", "bob", 5), network.leg("bob", "alice", 7))),
        actors=sorted((Actor(holders[name].id, 0, 0) for name in ("alice", "bob")), reverse=True),
        signers=[*keys, keys[0]],
        genesis_hash=network.genesis_hash,
        head_height=40,
        nonce=bytes(NONCE_BYTES),
        reference="swap",
    )
    assert (transaction.body.valid_from, transaction.body.valid_until) == (40, 40 + VALIDITY_BLOCKS)
    assert len(transaction.signatures) == 2
    network.state().apply(transaction, height=41)
