"""Admission: what a customer is told, and what a peer's transactions may cost it."""

from __future__ import annotations

import pytest

from ledger.transactions import NONCE_BYTES, Signature, SignedTransaction, assemble
from node.core import limits
from node.core.effects import (
    LogTransactions,
    Reply,
    RetireTransactions,
    TransactionStatus,
    VerifySignatures,
)
from node.core.events import SignaturesVerified, TransactionsSubmitted
from node.core.messages import GetTransactions, Inventory, Transactions
from tests.unit.node.core.bench import Bench


@pytest.fixture
def bench() -> Bench:
    """Return a node with two peers."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    return bench


def pay(
    bench: Bench, sequence: int = 0, *, nonce: int = 0, amount: int = 1, valid_until: int = 1_000
) -> SignedTransaction:
    """Return a payment of alice's."""
    return bench.network.transfer(
        bench.network.leg("alice", "bob", amount),
        sequence=sequence,
        nonce=nonce.to_bytes(NONCE_BYTES),
        valid_until=valid_until,
    )


def forged(transaction: SignedTransaction) -> SignedTransaction:
    """Return the same body with a signature that does not hold: the same txid."""
    key = transaction.signatures[0].public_key
    return assemble(transaction.body, (Signature(key, bytes(64)),))


def test_an_accepted_transaction_is_durable_before_the_answer(bench: Bench) -> None:
    """The log comes before the reply, and a restart finds it."""
    (outcome,) = bench.submit(pay(bench))
    assert (outcome.status, outcome.is_new) == (TransactionStatus.PENDING, True)
    kinds = [type(e) for e in bench.effects if isinstance(e, LogTransactions | Reply)]
    assert kinds == [LogTransactions, Reply]
    restarted = Bench(bench.network, store=bench.store)
    assert pay(bench).txid in restarted.engine.mempool


def test_threat_28_the_same_bytes_get_the_same_answer(bench: Bench) -> None:
    """A retry is answered with where the transaction stands, and is not new."""
    bench.submit(pay(bench))
    (outcome,) = bench.submit(pay(bench))
    assert (outcome.status, outcome.is_new) == (TransactionStatus.PENDING, False)


def test_threat_28_another_body_with_the_same_sequence_is_refused(bench: Bench) -> None:
    """The client learns that its sequence is taken."""
    bench.submit(pay(bench))
    (outcome,) = bench.submit(pay(bench, nonce=1))
    assert (outcome.status, outcome.code) == (None, "sequence_conflict")


def test_threat_17_a_replay_is_answered_with_its_status(bench: Bench) -> None:
    """What a block holds is not applied again."""
    bench.deliver("bank2", bench.block(bench.genesis, pay(bench)))
    (outcome,) = bench.submit(pay(bench))
    assert (outcome.status, outcome.is_new) == (TransactionStatus.INCLUDED, False)
    assert not bench.wanted(LogTransactions)


def test_threat_18_a_gap_is_accepted_and_waits(bench: Bench) -> None:
    """Order of arrival is not order of sequence."""
    outcomes = bench.submit(pay(bench, 2), pay(bench, limits.PARKED_PER_LANE_MAX + 1))
    assert [outcome.code for outcome in outcomes] == ["", "sequence_gap"]


def test_threat_19_one_of_two_wins_the_same_everywhere() -> None:
    """Two nodes that hold different transactions of one sequence agree once a block decided."""
    one, other = Bench(), Bench(member="bank2")
    one.connect("bank3")
    other.connect("bank3")
    mine, yours = pay(one), pay(one, nonce=1)
    one.submit(mine)
    other.submit(yours)
    block = one.block(one.genesis, mine)
    for node in (one, other):
        node.deliver("bank3", block)
        assert node.engine.chain.head.hash == block.hash
        assert len(node.engine.mempool) == 0
    (outcome,) = other.submit(yours)
    assert outcome.status is TransactionStatus.PENDING
    child = one.block(block)
    other.deliver("bank3", child)
    other.finalize("bank3", one.genesis, block, child)
    (outcome,) = other.submit(yours)
    assert (outcome.status, outcome.code) == (TransactionStatus.REJECTED, "sequence_conflict")


def test_threat_1_bytes_that_are_no_transaction_are_refused(bench: Bench) -> None:
    """Each of a batch has its own answer."""
    outcomes = bench.submit(b"\xc1", pay(bench), b"")
    assert [outcome.status for outcome in outcomes] == [None, TransactionStatus.PENDING, None]
    assert [outcome.code for outcome in outcomes] == ["malformed", "", "malformed"]


def test_threat_63_only_who_signed_for_an_account_hears_what_it_lacks(bench: Bench) -> None:
    """A signature that does not hold learns nothing of the balance; the holder is told."""
    beyond = pay(bench, amount=2**62)
    (outcome,) = bench.submit(forged(beyond))
    assert (outcome.status, outcome.code) == (None, "invalid_signature")
    (outcome,) = bench.submit(beyond)
    assert (outcome.status, outcome.code) == (None, "insufficient_funds")


def test_an_empty_submission_is_answered(bench: Bench) -> None:
    """Nobody waits for ever."""
    assert bench.submit() == ()


def test_threat_24_a_broken_signature_is_refused_and_the_good_one_is_not_hurt(
    bench: Bench,
) -> None:
    """One txid under two signatures in one batch: each is judged by itself, in either order."""
    outcomes = bench.submit(forged(pay(bench)), pay(bench), forged(pay(bench)))
    codes = [outcome.code for outcome in outcomes]
    assert codes == ["invalid_signature", "", "invalid_signature"]
    assert pay(bench).txid in bench.engine.mempool


def test_threat_27_checks_in_flight_are_capped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood that outruns the verifier is turned away before it costs a signature."""
    monkeypatch.setattr(limits, "SUBMISSIONS_IN_FLIGHT_MAX", 2)
    raws = tuple(pay(bench, sequence).raw for sequence in range(3))
    effects = bench.engine.handle(TransactionsSubmitted(request_id=9, transactions=raws), bench.now)
    (job,) = [effect for effect in effects if isinstance(effect, VerifySignatures)]
    assert len(job.items) == 2
    effects = bench.engine.handle(
        SignaturesVerified(job_id=job.job_id, verdicts=(True, True)), bench.now
    )
    (reply,) = [effect for effect in effects if isinstance(effect, Reply)]
    assert [outcome.code for outcome in reply.outcomes] == ["", "", "mempool_full"]


def in_check(bench: Bench, request_id: int, transaction: SignedTransaction) -> VerifySignatures:
    """Submit a transaction and return the job that its signatures wait in."""
    submitted = TransactionsSubmitted(request_id=request_id, transactions=(transaction.raw,))
    effects = bench.engine.handle(submitted, bench.now)
    (job,) = [effect for effect in effects if isinstance(effect, VerifySignatures)]
    return job


def verdict(bench: Bench, job: VerifySignatures) -> str:
    """Tell the engine that the signatures of a job hold; return the code of its answer."""
    bench.handle(SignaturesVerified(job_id=job.job_id, verdicts=(True,) * len(job.items)))
    ((outcome,),) = [reply.outcomes for reply in bench.wanted(Reply)]
    return outcome.code


@pytest.mark.parametrize(
    ("sequences", "amount", "code"),
    [((0, 0), 1, "sequence_conflict"), ((0, 1), 60_000_000, "insufficient_funds")],
)
def test_threat_28_two_that_are_checked_at_once_cannot_both_be_taken(
    bench: Bench, sequences: tuple[int, int], amount: int, code: str
) -> None:
    """What came in while the signatures were checked stands against a sequence, or its money."""
    jobs = [
        in_check(bench, nonce, pay(bench, sequence, nonce=nonce, amount=amount))
        for nonce, sequence in enumerate(sequences)
    ]
    assert [verdict(bench, job) for job in jobs] == ["", code]
    assert len(bench.engine.mempool) == 1


def test_a_block_that_came_during_the_check_stands_against_it(bench: Bench) -> None:
    """The state is looked at once more when the head has moved."""
    job = in_check(bench, 9, pay(bench, nonce=1))
    bench.deliver("bank2", bench.block(bench.genesis, pay(bench)))
    assert verdict(bench, job) == "sequence_conflict"


def test_a_peer_hears_of_a_transaction_once(bench: Bench) -> None:
    """It is announced on the next tick to those who do not have it, and sent on request."""
    bench.submit(pay(bench))
    bench.tick()
    (inventory,) = bench.sent("bank2", Inventory)
    assert inventory.txids == (pay(bench).txid,)
    bench.receive("bank2", GetTransactions(txids=inventory.txids))
    (delivery,) = bench.sent("bank2", Transactions)
    assert delivery.transactions == (pay(bench).raw,)
    bench.tick()
    assert not bench.sent("bank2", Inventory)


def test_a_peers_transaction_is_announced_to_the_others(bench: Bench) -> None:
    """Not back to where it came from."""
    bench.receive("bank2", Transactions(transactions=(pay(bench).raw,)))
    assert bench.wanted(LogTransactions)
    bench.tick()
    assert not bench.sent("bank2", Inventory)
    assert bench.sent("bank3", Inventory)


def test_threat_13_a_full_mempool_is_announced_little_by_little(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once it would be more than a peer may announce in a second."""
    monkeypatch.setattr(limits, "INVENTORY_PER_TICK_MAX", 2)
    waiting = [pay(bench, sequence) for sequence in range(3)]
    bench.submit(*waiting)
    announced = []
    for _ in range(3):
        bench.tick()
        announced.append([len(message.txids) for message in bench.sent("bank2", Inventory)])
    assert announced == [[2], [1], []]


def test_threat_13_a_peer_is_sent_so_many_transactions_a_second(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for the same again and again fills no memory."""
    bench.submit(pay(bench))
    monkeypatch.setattr(limits, "SERVED_BYTES_PER_SECOND_MAX", 1)
    bench.receive("bank2", GetTransactions(txids=(pay(bench).txid,)))
    assert bench.sent("bank2", Transactions)
    bench.receive("bank2", GetTransactions(txids=(pay(bench).txid,)))
    assert not bench.sent("bank2", Transactions)


def test_threat_24_a_forged_transaction_costs_the_peer(bench: Bench) -> None:
    """No honest node passes on what it did not verify."""
    bench.receive("bank2", Transactions(transactions=(forged(pay(bench)).raw,)))
    assert bench.punished() == ("bank2", "invalid_signature")
    bench.receive("bank3", Transactions(transactions=(pay(bench).raw,)))
    assert pay(bench).txid in bench.engine.mempool


def test_threat_24_bytes_beside_a_transaction_do_not_block_it(bench: Bench) -> None:
    """A message with one malformed transaction begins no check that would never end."""
    bench.receive("bank2", Transactions(transactions=(pay(bench).raw, b"\xc1")))
    assert bench.punished() == ("bank2", "malformed")
    (outcome,) = bench.submit(pay(bench))
    assert outcome.status is TransactionStatus.PENDING


def test_a_peers_transaction_that_our_state_refuses_costs_nothing(bench: Bench) -> None:
    """Its state may be ahead of ours or behind."""
    poor = pay(bench, amount=10**17)
    bench.receive("bank2", Transactions(transactions=(poor.raw,)))
    assert bench.notes("transaction_refused")
    assert bench.punished() is None


def test_expiry_is_told(bench: Bench) -> None:
    """A transaction that no block took in time is expired once the block after it is final."""
    bench.submit(pay(bench, valid_until=1))
    blocks = bench.row(bench.genesis, 2)
    bench.deliver("bank2", *blocks)
    assert not bench.wanted(RetireTransactions)
    bench.finalize("bank2", bench.genesis, *blocks)
    (retired,) = bench.wanted(RetireTransactions)
    assert [r.status for r in retired.retired] == [TransactionStatus.EXPIRED]
    (outcome,) = bench.submit(pay(bench, valid_until=1))
    assert (outcome.status, outcome.code) == (TransactionStatus.EXPIRED, "expired")


def test_what_the_log_holds_and_no_block_may_is_retired_at_start(bench: Bench) -> None:
    """What the state no longer allows does not vanish in silence when the node starts."""
    poor = pay(bench, amount=10**17)
    bench.store.apply([LogTransactions(transactions=(poor, pay(bench)))])
    restarted = Bench(bench.network, store=bench.store)
    assert list(restarted.engine.mempool) == [pay(bench).txid]
    assert restarted.submit(poor)[0].status is TransactionStatus.PENDING
    blocks = restarted.row(restarted.genesis, 2)
    restarted.connect("bank2")
    restarted.deliver("bank2", *blocks)
    restarted.finalize("bank2", restarted.genesis, *blocks)
    retirement = bench.store.retirement(poor.txid)
    assert retirement is not None
    assert retirement.code == "insufficient_funds"
