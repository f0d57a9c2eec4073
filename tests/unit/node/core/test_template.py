"""Block templates: fair order, the block's limits, and sequences that unlock one another."""

from __future__ import annotations

from dataclasses import replace

from ledger.parameters import Parameters
from ledger.transactions import NONCE_BYTES, SignedTransaction
from node.core.effects import StartMining, StopMining
from node.core.events import NonceFound
from node.core.template import Template
from tests.factories import EASIEST_BITS, make_network
from tests.unit.node.core.bench import Bench


def mining_bench(**parameters: int) -> Bench:
    """Return a bench of a node that mines, with some parameters of its own."""
    chosen = replace(Parameters(easiest_bits=EASIEST_BITS, genesis_bits=EASIEST_BITS), **parameters)
    return Bench(make_network(parameters=chosen), is_mining=True)


def pay(bench: Bench, sequence: int, *, payer: str = "alice", legs: int = 1) -> SignedTransaction:
    """Return a payment to carol."""
    return bench.network.transfer(
        *[bench.network.leg(payer, "carol", 1)] * legs,
        sequence=sequence,
        nonce=sequence.to_bytes(NONCE_BYTES),
    )


def template(bench: Bench) -> Template:
    """Return a template on the head, filled with all that waits."""
    chain = bench.engine.chain
    made = Template(chain, chain.head, (), bench.member)
    made.fill(bench.engine.mempool.fair_order())
    return made


def test_a_gap_is_closed_inside_the_template() -> None:
    """What came ahead of its lane follows as soon as the one before it is in."""
    bench = mining_bench()
    bench.submit(*(pay(bench, sequence) for sequence in (3, 2, 1)))
    assert template(bench).transactions == []
    bench.submit(pay(bench, 0))
    assert [t.body.actors[0].sequence for t in template(bench).transactions] == [0, 1, 2, 3]


def test_a_template_grows_by_what_arrives() -> None:
    """Arrivals go on top of what is in, and unlock what was parked in the same template."""
    bench = mining_bench()
    bench.submit(pay(bench, 1))
    made = template(bench)
    assert made.transactions == []
    root = made.header(bench.wall_ms).state_root
    bench.submit(pay(bench, 0))
    assert made.fill([p for p in bench.engine.mempool.fair_order() if p.lanes[0][1] == 0])
    assert [t.body.actors[0].sequence for t in made.transactions] == [0, 1]
    assert made.header(bench.wall_ms).state_root != root
    assert made.header(bench.wall_ms).state_root == template(bench).header(bench.wall_ms).state_root


def test_legs_are_limited() -> None:
    """A batch that does not fit is left out; a smaller one that fits goes in."""
    bench = mining_bench(block_legs_max=5)
    bench.submit(pay(bench, 0, legs=3), pay(bench, 0, payer="bob", legs=3))
    bench.submit(pay(bench, 1, legs=2))
    assert [t.leg_count for t in template(bench).transactions] == [3, 2]


def test_signatures_are_limited() -> None:
    """A block holds no more signatures than its parameter says."""
    bench = mining_bench(block_signatures_max=2)
    bench.submit(*(pay(bench, sequence) for sequence in range(3)))
    assert len(template(bench).transactions) == 2


def test_bytes_are_limited() -> None:
    """A full block stays within the block's bytes, with room for what is not transactions."""
    bench = mining_bench(block_bytes_max=128 * 1024)
    bench.submit(*(pay(bench, sequence, legs=200) for sequence in range(12)))
    made = template(bench)
    total = sum(len(t.raw) for t in made.transactions)
    assert 0 < len(made.transactions) < 12
    assert total <= 64 * 1024


def test_the_time_is_after_the_parent() -> None:
    """A clock that lags behind the parent's time does not make an invalid block."""
    bench = mining_bench()
    header = template(bench).header(0)
    assert header.time_ms == bench.chain.genesis.header.time_ms + 1


def test_a_solved_template_is_the_next_head() -> None:
    """The nonce completes a block that passes the one validator and carries the transactions."""
    bench = mining_bench()
    bench.submit(pay(bench, 0))
    bench.tick(300)
    (job,) = bench.wanted(StartMining)
    sealed = bench.chain.mine(template(bench).header(bench.wall_ms))
    bench.handle(NonceFound(job_id=job.job_id, nonce=sealed.header.nonce))
    assert bench.height == 1
    assert bench.store.location(pay(bench, 0).txid) == (1, 0)


def test_a_nonce_of_an_old_job_is_ignored() -> None:
    """A solution that comes after its job was replaced makes no block."""
    bench = mining_bench()
    assert bench.handle(NonceFound(job_id=0, nonce=bytes(8))) == []
    assert bench.height == 0


def test_the_diversity_gap_stops_the_miner() -> None:
    """Who sealed the last block waits for another's, and mines on."""
    bench = mining_bench()
    bench.connect("bank2")
    first = bench.block(bench.genesis, sealer="bank1")
    bench.deliver("bank2", first)
    assert bench.wanted(StopMining)
    bench.deliver("bank2", bench.block(first, sealer="bank2"))
    assert bench.wanted(StartMining)
