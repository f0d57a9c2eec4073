"""Freezes in the engine: what waits for a block when an account's status changes, and templates."""

from __future__ import annotations

import pytest

from ledger.errors import InvalidTransaction
from ledger.transactions import NONCE_BYTES, Signature, SignedTransaction, assemble
from node.core.effects import StartMining, TransactionStatus
from node.core.events import NonceFound
from node.core.mempool import Mempool
from node.core.template import Template
from tests.factories import MemoryState, Network, make_network
from tests.refusals import refuses
from tests.unit.node.core.bench import Bench


@pytest.fixture(scope="module")
def network() -> Network:
    """Return a network of three banks and three accounts."""
    return make_network()


@pytest.fixture
def state(network: Network) -> MemoryState:
    """Return the state of block 0."""
    return network.state()


@pytest.fixture
def pool(network: Network) -> Mempool:
    """Return an empty mempool."""
    return Mempool(network.genesis_hash)


@pytest.fixture
def bench() -> Bench:
    """Return an engine of bank1 that has met bank2."""
    bench = Bench()
    bench.connect("bank2")
    return bench


def pay(network: Network, payer: str, payee: str, lane: int = 0) -> SignedTransaction:
    """Return a payment of 1."""
    return network.transfer(network.leg(payer, payee, 1), lane=lane)


def put(pool: Mempool, state: MemoryState, *transactions: SignedTransaction) -> None:
    """Check and add transactions."""
    for transaction in transactions:
        pool.add(pool.check(transaction, state, height=1))


def forged(transaction: SignedTransaction) -> SignedTransaction:
    """Return a transaction whose signatures do not hold."""
    broken = tuple(
        Signature(s.public_key, bytes([s.signature[0] ^ 1]) + s.signature[1:])
        for s in transaction.signatures
    )
    return assemble(transaction.body, broken)


def test_debits_of_a_frozen_account_leave_and_credits_stay(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """Whatever lane they wait in, alone or with others, payments and redemptions; with the reason."""
    debits = [
        pay(network, "alice", "bob"),
        pay(network, "alice", "bob", lane=15),
        network.redeem(network.entry("alice", 1), account_sequence=1),
        network.transfer(network.leg("carol", "bob", 1), network.leg("alice", "bob", 1), lane=3),
    ]
    credit = pay(network, "bob", "alice")
    put(pool, state, *debits, credit)
    freeze = network.freeze("alice")
    delta = state.apply(freeze)
    assert pool.connect([freeze]) == []
    dropped = pool.drop_barred(delta.after)
    assert {retired.txid for retired in dropped} == {debit.txid for debit in debits}
    assert {(r.status, r.code) for r in dropped} == {(TransactionStatus.REJECTED, "account_frozen")}
    assert list(pool) == [credit.txid]
    with refuses(InvalidTransaction, "account_frozen"):
        pool.check(debits[0], state, height=2)
    assert pool.drop_barred(delta.after) == []


def test_measures_that_another_overtook_leave(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """A second freeze would wait for a million blocks; one of another account stays."""
    first, second = network.freeze("alice"), network.freeze("alice", sequence=1)
    other = network.freeze("bob", sequence=2)
    put(pool, state, first, second, other)
    delta = state.apply(first)
    pool.connect([first])
    (dropped,) = pool.drop_barred(delta.after)
    assert (dropped.txid, dropped.code) == (second.txid, "already_frozen")
    assert list(pool) == [other.txid]


def test_an_unfreeze_drops_nothing_that_pays(
    network: Network, pool: Mempool, state: MemoryState
) -> None:
    """What changed and is active bars no debit, nor does an account that was just opened."""
    state.apply(network.freeze("alice"))
    credit = pay(network, "bob", "alice")
    put(pool, state, credit)
    delta = state.apply(network.unfreeze("alice", sequence=1))
    assert pool.drop_barred(delta.after) == []
    assert list(pool) == [credit.txid]


def test_a_waiting_payment_is_rejected_when_its_account_is_frozen(bench: Bench) -> None:
    """The block that freezes retires it once it is final; who asks again is told the reason."""
    payment = pay(bench.network, "alice", "bob")
    bench.submit(payment)
    freezing = bench.block(bench.genesis, bench.network.freeze("alice"))
    child = bench.block(freezing)
    bench.deliver("bank2", freezing, child)
    assert len(bench.engine.mempool) == 0
    bench.finalize("bank2", bench.genesis, freezing, child)
    (outcome,) = bench.submit(payment)
    assert (outcome.status, outcome.code) == (TransactionStatus.REJECTED, "account_frozen")


def test_a_freeze_that_a_reorganisation_undoes_waits_again(bench: Bench) -> None:
    """The disconnected freeze is back in the mempool, and the account may pay meanwhile."""
    freeze = bench.network.freeze("alice")
    first = bench.block(bench.genesis, freeze)
    bench.deliver("bank2", first)
    (outcome,) = bench.submit(pay(bench.network, "alice", "bob"))
    assert outcome.code == "account_frozen"
    bench.deliver("bank2", *bench.row(bench.genesis, 2))
    assert bench.engine.chain.head.hash != first.hash
    assert freeze.txid in bench.engine.mempool
    later = bench.network.transfer(
        bench.network.leg("alice", "bob", 1), lane=1, nonce=b"\x01" * NONCE_BYTES
    )
    (outcome,) = bench.submit(later)
    assert outcome.status is TransactionStatus.PENDING


def test_a_template_takes_no_debit_after_the_freeze() -> None:
    """Members take turns: one payment, the freeze, and the next payment stays out of the block."""
    bench = Bench(is_mining=True)
    leg = bench.network.leg("alice", "bob", 1)
    payments = [bench.network.transfer(leg, sequence=sequence) for sequence in range(2)]
    freeze = bench.network.freeze("alice")
    bench.submit(payments[0], freeze, payments[1])
    chain = bench.engine.chain
    made = Template(chain, chain.head, (), bench.member)
    made.fill(bench.engine.mempool.fair_order())
    assert [t.txid for t in made.transactions] == [payments[0].txid, freeze.txid]
    bench.tick(300)
    (job,) = bench.wanted(StartMining)
    sealed = bench.chain.mine(made.header(bench.wall_ms))
    bench.handle(NonceFound(job_id=job.job_id, nonce=sealed.header.nonce))
    assert bench.height == 1
    assert payments[1].txid in bench.engine.mempool.displaced


def test_threat_63_a_freeze_is_told_to_holders_only(bench: Bench) -> None:
    """A signature that does not hold learns nothing of a status, of an account or a measure."""
    bench.deliver("bank2", bench.block(bench.genesis, bench.network.freeze("alice")))
    payment = pay(bench.network, "alice", "bob")
    again = bench.network.freeze("alice", sequence=1)
    idle = bench.network.unfreeze("bob", sequence=1)
    for transaction, code in (
        (payment, "account_frozen"),
        (again, "already_frozen"),
        (idle, "not_frozen"),
    ):
        (outcome,) = bench.submit(forged(transaction))
        assert outcome.code == "invalid_signature"
        (outcome,) = bench.submit(transaction)
        assert outcome.code == code
