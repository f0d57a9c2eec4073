"""Attestations in the mempool: what waits when another took its revision."""

from __future__ import annotations

from node.core.effects import TransactionStatus
from node.core.mempool import Mempool
from tests.factories import make_network

NETWORK = make_network()


def test_a_taken_revision_leaves_the_pool_with_its_reason() -> None:
    """Of two for one revision the second is rejected once a block has the first; others stay."""
    state, pool = NETWORK.state(), Mempool(NETWORK.genesis_hash)
    first, second = NETWORK.attest(b"a"), NETWORK.attest(b"b", sequence=1)
    other = NETWORK.attest(subject="scoring 2.0", sequence=2)
    for transaction in (first, second, other):
        pool.add(pool.check(transaction, state, height=1))
    delta = state.apply(first)
    assert pool.connect([first]) == []
    (dropped,) = pool.drop_barred(delta.after)
    assert (dropped.transaction, dropped.code) == (second, "already_attested")
    assert dropped.status is TransactionStatus.REJECTED
    assert list(pool) == [other.txid]


def test_a_revision_that_a_reorganisation_frees_bars_nothing() -> None:
    """The block that had it is gone: what waits for it stays."""
    state, pool = NETWORK.state(), Mempool(NETWORK.genesis_hash)
    waiting = NETWORK.attest()
    pool.add(pool.check(waiting, state, height=1))
    undone = state.undo(state.apply(waiting))
    assert pool.drop_barred(undone.after) == []
    assert waiting.txid in pool
