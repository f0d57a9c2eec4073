"""The mempool: one transaction a sequence, parked ahead of its lane, within limits, in fair order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest
from msgspec import structs

from ledger.errors import InvalidTransaction
from ledger.hashing import BlockHash, TxId
from ledger.transactions import NONCE_BYTES, SignedTransaction
from node.core import limits, mempool
from node.core.effects import TransactionStatus
from node.core.mempool import EXPIRY_SLACK, Mempool
from node.core.pooled import PooledTransaction
from tests.factories import OPENING_BALANCE, MemoryState, Network, make_network
from tests.refusals import refuses


@pytest.fixture(scope="module")
def network() -> Network:
    """Return a network of three banks and six accounts."""
    return make_network(accounts=6)


@pytest.fixture
def state(network: Network) -> MemoryState:
    """Return the state of block 0."""
    return network.state()


@pytest.fixture
def pool(network: Network) -> Mempool:
    """Return an empty mempool."""
    return Mempool(network.genesis_hash)


def pay(
    network: Network,
    sequence: int = 0,
    *,
    payer: str = "alice",
    amount: int = 1,
    nonce: int = 0,
    valid_until: int = 1_000,
) -> SignedTransaction:
    """Return a payment to bob, or of bob to alice."""
    payee = "alice" if payer == "bob" else "bob"
    return network.transfer(
        network.leg(payer, payee, amount),
        sequence=sequence,
        nonce=nonce.to_bytes(NONCE_BYTES),
        valid_until=valid_until,
    )


def put(pool: Mempool, state: MemoryState, *transactions: SignedTransaction) -> None:
    """Check and add transactions."""
    for transaction in transactions:
        pool.add(pool.check(transaction, state, height=1))


def test_threat_18_a_gap_is_parked_up_to_its_limit(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A transaction waits up to 1,024 sequences ahead of its lane, and no further."""
    put(pool, state, pay(network, limits.PARKED_PER_LANE_MAX))
    assert len(pool) == 1
    with refuses(InvalidTransaction, "sequence_gap"):
        pool.check(pay(network, limits.PARKED_PER_LANE_MAX + 1), state, height=1)


def test_threat_28_the_same_sequence_with_another_body_is_a_conflict(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """What waits is not replaced; the refusal names the lane's next sequence."""
    put(pool, state, pay(network))
    with pytest.raises(InvalidTransaction) as refusal:
        pool.check(pay(network, nonce=1), state, height=1)
    assert refusal.value.code == "sequence_conflict"
    assert refusal.value.fields == {"sequence": 0, "lane": 0, "expected": 0}


def test_threat_28_a_used_sequence_is_a_conflict(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A sequence that a block used is as taken as one that waits."""
    state.apply(pay(network))
    with refuses(InvalidTransaction, "sequence_conflict"):
        pool.check(pay(network, nonce=1), state, height=2)


def test_threat_19_a_block_settles_which_of_two_transactions_won(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """The loser leaves the mempool with the reason, whichever arrived first here."""
    loser, winner = pay(network), pay(network, nonce=1)
    put(pool, state, loser)
    (rejected,) = pool.connect([winner])
    assert (rejected.txid, rejected.code) == (loser.txid, "sequence_conflict")
    assert rejected.status is TransactionStatus.REJECTED
    assert len(pool) == pool.bytes_total == 0


def test_threat_27_bytes_are_capped(network: Network, state: MemoryState) -> None:
    """A flood fills the mempool and no more memory; what leaves makes room again."""
    first, second = pay(network), pay(network, 1)
    pool = Mempool(network.genesis_hash, bytes_max=len(first.raw) + len(second.raw) - 1)
    put(pool, state, first)
    with refuses(InvalidTransaction, "mempool_full"):
        pool.check(second, state, height=1)
    pool.remove(first.txid)
    put(pool, state, second)


def test_threat_27_an_account_is_capped(
    network: Network, pool: Mempool, state: MemoryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One account cannot take the room of the others."""
    monkeypatch.setattr(limits, "MEMPOOL_ACCOUNT_TRANSACTIONS_MAX", 3)
    put(pool, state, *(pay(network, sequence) for sequence in range(3)))
    with refuses(InvalidTransaction, "account_mempool_full"):
        pool.check(pay(network, 3), state, height=1)
    put(pool, state, pay(network, payer="bob"))


def test_money_is_not_spent_twice_while_it_waits(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A second spend of the same money is refused at once; what comes in may be spent."""
    put(pool, state, pay(network, amount=99_999_999))
    with refuses(InvalidTransaction, "insufficient_funds"):
        pool.check(pay(network, 1, amount=2), state, height=1)
    put(pool, state, pay(network, payer="bob", amount=199_999_999))


def test_money_is_not_redeemed_and_spent_while_it_waits(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A waiting redemption takes money as a payment does."""
    put(pool, state, network.redeem(network.entry("alice", OPENING_BALANCE)))
    with refuses(InvalidTransaction, "insufficient_funds"):
        pool.check(pay(network, 1), state, height=1)


def test_money_must_be_there_before_it_moves_on(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """Legs go in order: what comes back later pays for no leg before, also when asked again."""
    all_of_it = OPENING_BALANCE
    circle = network.transfer(
        network.leg("alice", "bob", all_of_it), network.leg("bob", "alice", all_of_it)
    )
    pooled = pool.check(circle, state, height=1)
    assert pool.still_allows(pooled, state)
    put(pool, state, network.transfer(network.leg("alice", "carol", 1), lane=1))
    assert not pool.still_allows(pooled, state)
    with refuses(InvalidTransaction, "insufficient_funds"):
        pool.check(circle, state, height=1)


def test_a_payment_that_another_node_took_the_money_for_is_rejected(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """When a block spends what a waiting payment needs, that one goes, newest first, and no more."""
    small = pay(network, amount=1_000)
    large = pay(network, 1, amount=OPENING_BALANCE - 1_000)
    put(pool, state, small, large)
    elsewhere = network.transfer(network.leg("alice", "carol", OPENING_BALANCE // 2), lane=3)
    delta = state.apply(elsewhere)
    assert pool.connect([elsewhere]) == []
    (rejected,) = pool.drop_unfunded(delta.after)
    assert (rejected.txid, rejected.status) == (large.txid, TransactionStatus.REJECTED)
    assert rejected.code == "insufficient_funds"
    assert small.txid in pool
    assert pool.drop_unfunded(delta.after) == []


class Untraversed(dict[TxId, PooledTransaction]):
    """All that waits, of which nothing is found but by its id."""

    def __iter__(self) -> NoReturn:
        raise AssertionError

    def __reversed__(self) -> NoReturn:
        raise AssertionError

    def items(self) -> NoReturn:
        raise AssertionError


def test_threat_27_what_one_account_cannot_pay_costs_no_look_at_all_others(
    network: Network, pool: Mempool, state: MemoryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of its payments may go at once, while hundreds of thousands of others wait."""
    waiting = [pay(network, sequence, amount=OPENING_BALANCE // 4) for sequence in range(4)]
    put(pool, state, *waiting, pay(network, payer="carol"))
    delta = state.apply(network.transfer(network.leg("alice", "dave", OPENING_BALANCE), lane=3))
    monkeypatch.setattr(pool, "_pooled", Untraversed(pool._pooled))
    rejected = pool.drop_unfunded(delta.after)
    assert [one.txid for one in rejected] == [t.txid for t in reversed(waiting)]
    assert len(pool) == 1


def test_whoever_waits_for_money_that_does_not_come_is_dropped_too(
    network: Network, state: MemoryState
) -> None:
    """Bob would spend what alice cannot pay him any more; in whatever order their balances are seen."""
    due = pay(network, amount=OPENING_BALANCE)
    spends = network.transfer(network.leg("bob", "carol", OPENING_BALANCE + 2))
    changed = state.apply(network.transfer(network.leg("alice", "bob", 1), lane=3)).after
    for keys in (sorted(changed), sorted(changed, reverse=True)):
        pool = Mempool(network.genesis_hash)
        put(pool, network.state(), due, spends)
        rejected = pool.drop_unfunded({key: changed[key] for key in keys})
        assert [one.txid for one in rejected] == [due.txid, spends.txid]
        assert len(pool) == 0


def test_expired_transactions_leave_with_the_reason(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A transaction leaves once no block may hold it any more, and not a block sooner."""
    early, late = pay(network, valid_until=5), pay(network, 1, valid_until=6)
    put(pool, state, early, late)
    assert pool.expire(5) == []
    (expired,) = pool.expire(6)
    assert (expired.txid, expired.status) == (early.txid, TransactionStatus.EXPIRED)
    assert list(pool) == [late.txid]


def test_an_expired_transaction_is_refused(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """The window is checked against the height of the next block."""
    with refuses(InvalidTransaction, "expired"):
        pool.check(pay(network, valid_until=5), state, height=6)


def test_a_transaction_may_wait_for_its_validity(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """One that becomes valid later is kept until then."""
    later = network.transfer(network.leg("alice", "bob", 1), valid_from=50, valid_until=60)
    put(pool, state, later)
    assert later.txid in pool


def test_validity_that_begins_too_far_ahead_is_refused(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """What no block of the next hours may hold would keep its place and its sequence for nothing."""
    leg, ahead = network.leg("alice", "bob", 1), 7 + limits.VALID_FROM_AHEAD_MAX
    with refuses(InvalidTransaction, "not_yet_valid"):
        late = network.transfer(leg, valid_from=ahead + 1, valid_until=ahead + 9)
        pool.check(late, state, height=7)
    soon = network.transfer(leg, valid_from=ahead, valid_until=ahead)
    assert pool.check(soon, state, height=7).transaction is soon


def test_expiries_of_what_left_are_dropped(
    network: Network, pool: Mempool, state: MemoryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy year does not fill memory with the expiries of transactions long in blocks."""
    monkeypatch.setattr(mempool, "EXPIRY_SLACK", 4)
    for sequence in range(40):
        transaction = pay(network, nonce=sequence)
        put(pool, state, transaction)
        pool.remove(transaction.txid)
    assert len(pool._expiry) <= 4 + 1 < EXPIRY_SLACK


def members(pool: Mempool) -> Iterator[str]:
    """Yield whose turn it is."""
    return (pooled.member for pooled in pool.fair_order())


def test_members_take_turns(network: Network, pool: Mempool, state: MemoryState) -> None:
    """A member that floods gets one transaction a round, as the others do."""
    put(pool, state, *(pay(network, sequence) for sequence in range(4)))
    put(pool, state, pay(network, payer="bob"), pay(network, payer="carol"))
    assert list(members(pool)) == ["bank1", "bank2", "bank3", "bank1", "bank1", "bank1"]


def test_a_member_keeps_its_order_of_arrival(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """Within a member, first come, first served; a removal in between hurts nobody."""
    transactions = [pay(network, sequence) for sequence in range(3)]
    put(pool, state, *transactions)
    order = pool.fair_order()
    assert next(order).transaction is transactions[0]
    pool.remove(transactions[1].txid)
    assert next(order).transaction is transactions[2]
    assert next(order, None) is None


def test_removal_leaves_nothing_behind(network: Network, pool: Mempool, state: MemoryState) -> None:
    """Bytes, lanes, flows, members and counts are those of what waits."""
    transaction = pay(network)
    put(pool, state, transaction)
    assert pool.remove(transaction.txid) is not None
    assert pool.remove(transaction.txid) is None
    assert (len(pool), pool.bytes_total) == (0, 0)
    assert [pool._lanes, pool._by_member, pool._flows, pool._actor_counts] == [{}, {}, {}, {}]


def test_another_chain_is_refused(network: Network, pool: Mempool, state: MemoryState) -> None:
    """The cheapest check comes first."""
    body = structs.replace(pay(network).body, genesis_hash=BlockHash(bytes(32)))
    foreign = structs.replace(pay(network), body=body)
    with refuses(InvalidTransaction, "wrong_chain"):
        pool.check(foreign, state, height=1)
