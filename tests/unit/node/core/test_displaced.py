"""What a head displaced: pending until that head is final, back when it is reorganised away."""

from __future__ import annotations

import pytest

from ledger.transactions import NONCE_BYTES, SignedTransaction
from node.core.effects import LogTransactions, RetireTransactions, TransactionStatus
from tests.factories import OPENING_BALANCE
from tests.unit.node.core.bench import Bench, Made


@pytest.fixture
def bench() -> Bench:
    """Return a node with two peers."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    return bench


def pay(
    bench: Bench, *, nonce: int = 0, amount: int = 1, lane: int = 0, valid_until: int = 1_000
) -> SignedTransaction:
    """Return a payment of alice's."""
    return bench.network.transfer(
        bench.network.leg("alice", "bob", amount),
        lane=lane,
        nonce=nonce.to_bytes(NONCE_BYTES),
        valid_until=valid_until,
    )


def status(bench: Bench, transaction: SignedTransaction) -> TransactionStatus | None:
    """Return what a customer who asks is told."""
    (outcome,) = bench.submit(transaction)
    return outcome.status


def reorganise(bench: Bench, *transactions: SignedTransaction) -> list[Made]:
    """Let two blocks on genesis replace the head at height 1; the first holds transactions."""
    first = bench.block(bench.genesis, *transactions, step_ms=2_000)
    blocks = [first, bench.block(first)]
    bench.deliver("bank3", *blocks)
    assert bench.engine.chain.head.hash == blocks[1].hash
    return blocks


def test_threat_19_the_loser_at_a_head_that_is_reorganised_away_wins_after_all(
    bench: Bench,
) -> None:
    """Nobody was told that it is rejected while it could still be in a block."""
    mine, rival = pay(bench), pay(bench, nonce=1)
    bench.submit(mine)
    bench.deliver("bank2", bench.block(bench.genesis, rival))
    assert len(bench.engine.mempool) == 0
    assert status(bench, mine) is TransactionStatus.PENDING
    assert bench.store.pending(mine.txid) == mine.raw
    blocks = reorganise(bench, mine)
    assert status(bench, mine) is TransactionStatus.INCLUDED
    assert status(bench, rival) is TransactionStatus.PENDING
    bench.finalize("bank3", bench.genesis, *blocks)
    (retired,) = bench.wanted(RetireTransactions)
    assert retired.included == (mine.txid,)
    assert [(one.txid, one.code) for one in retired.retired] == [(rival.txid, "sequence_conflict")]
    assert status(bench, mine) is TransactionStatus.FINAL
    assert status(bench, rival) is TransactionStatus.REJECTED


def test_both_of_a_conflict_wait_when_the_other_branch_holds_neither(bench: Bench) -> None:
    """One is in the mempool; the other is not given up while no chain decided against it."""
    mine, rival = pay(bench), pay(bench, nonce=1)
    bench.submit(mine)
    bench.deliver("bank2", bench.block(bench.genesis, rival))
    blocks = reorganise(bench)
    assert status(bench, mine) is status(bench, rival) is TransactionStatus.PENDING
    assert len(bench.engine.mempool) == len(bench.engine.mempool.displaced) == 1
    bench.finalize("bank3", bench.genesis, *blocks)
    assert not bench.wanted(RetireTransactions)
    waiting = bench.engine.mempool.get(next(iter(bench.engine.mempool)))
    assert waiting is not None
    loser = mine if waiting.txid == rival.txid else rival
    blocks += [bench.block(blocks[1], loser)]
    blocks += [bench.block(blocks[2])]
    bench.deliver("bank3", *blocks[2:])
    bench.finalize("bank3", *blocks[1:])
    assert status(bench, loser) is TransactionStatus.FINAL
    assert status(bench, waiting) is TransactionStatus.REJECTED


def test_an_expiry_is_undone_with_the_block_that_it_came_with(bench: Bench) -> None:
    """On the other branch the window is open still, and the transaction waits in the mempool."""
    late = pay(bench, valid_until=2)
    bench.submit(late)
    first = bench.block(bench.genesis)
    bench.deliver("bank2", first, bench.block(first))
    assert late.txid in bench.engine.mempool.displaced
    assert status(bench, late) is TransactionStatus.PENDING
    other = [bench.block(bench.genesis, step_ms=2_000)]
    other += [bench.block(other[0], late)]
    other += [bench.block(other[1])]
    bench.deliver("bank3", *other)
    assert status(bench, late) is TransactionStatus.INCLUDED


def test_money_that_is_back_with_a_reorganisation_lets_the_payment_wait_again(
    bench: Bench,
) -> None:
    """What another payment spent on the branch that is gone is there again."""
    mine, other = pay(bench, amount=OPENING_BALANCE), pay(bench, lane=1, nonce=1)
    bench.submit(mine)
    bench.deliver("bank2", bench.block(bench.genesis, other))
    assert mine.txid in bench.engine.mempool.displaced
    assert status(bench, mine) is TransactionStatus.PENDING
    reorganise(bench, mine)
    assert status(bench, mine) is TransactionStatus.INCLUDED


def test_who_saw_a_transaction_in_a_block_that_is_gone_finds_it_waiting(bench: Bench) -> None:
    """It came in a block alone; the log holds it before it is called pending."""
    seen = pay(bench)
    bench.deliver("bank2", bench.block(bench.genesis, seen))
    assert bench.store.pending(seen.txid) is None
    reorganise(bench)
    assert [log.transactions for log in bench.wanted(LogTransactions)] == [(seen,)]
    assert bench.store.pending(seen.txid) == seen.raw
    assert status(bench, seen) is TransactionStatus.PENDING
    assert seen.txid in bench.engine.mempool


def test_a_restart_tells_nothing_that_is_not_final(bench: Bench) -> None:
    """The log still holds what a head displaced, and the head may still go."""
    mine, rival = pay(bench), pay(bench, nonce=1)
    bench.submit(mine)
    bench.deliver("bank2", bench.block(bench.genesis, rival))
    restarted = Bench(bench.network, store=bench.store)
    restarted.connect("bank3")
    assert status(restarted, mine) is TransactionStatus.PENDING
    reorganise(restarted, mine)
    assert status(restarted, mine) is TransactionStatus.INCLUDED


def test_threat_27_what_is_displaced_counts_for_the_mempools_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing becomes final, expired transactions cannot pile up without end."""
    late = pay(bench, valid_until=1)
    bench.submit(late)
    bench.deliver("bank2", bench.block(bench.genesis))
    displaced = bench.engine.mempool.displaced
    assert displaced.bytes_total == len(late.raw)
    monkeypatch.setattr(bench.engine.mempool, "_bytes_max", 2 * len(late.raw) - 1)
    (outcome,) = bench.submit(pay(bench))
    assert outcome.code == "mempool_full"
    blocks = bench.row(bench.genesis, 3)
    bench.deliver("bank2", *blocks)
    bench.finalize("bank2", bench.genesis, *blocks)
    assert (len(displaced), displaced.bytes_total) == (0, 0)
    assert status(bench, pay(bench)) is TransactionStatus.PENDING
