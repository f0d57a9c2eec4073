"""Block templates: fair order, the block's limits, and sequences that unlock one another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ledger import limits
from ledger.blocks import Block
from ledger.parameters import Parameters
from ledger.transactions import NONCE_BYTES, SignedTransaction
from node.core.effects import StartMining, StopMining
from node.core.events import NonceFound
from node.core.template import FRAME_BYTES, Template
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


@pytest.mark.parametrize("block_bytes_max", [64 * 1024, 128 * 1024])
def test_bytes_are_limited(block_bytes_max: int) -> None:
    """A full block stays within the block's bytes and is nearly full, also where blocks are smallest."""
    bench = mining_bench(block_bytes_max=block_bytes_max)
    bench.submit(*(pay(bench, sequence, legs=200) for sequence in range(16)))
    made = template(bench)
    assert 0 < len(made.transactions) < 16
    sealed = bench.chain.mine(made.header(bench.wall_ms))
    block = Block(sealed=sealed, transactions=tuple(made.transactions), certificates=())
    larger = len(block.encode()) + len(made.transactions[0].raw)
    assert len(block.encode()) <= block_bytes_max < larger + limits.BLOCK_ENVELOPE_BYTES


def test_certificates_are_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many sealers they are large; a block over the limit would cost its sealer every peer."""
    bench = mining_bench()
    bench.connect("bank2")
    blocks = bench.row(bench.genesis, 4)
    bench.deliver("bank2", *blocks)
    links = [bench.chain.certificate(a.sealed, b.sealed) for a, b in pairwise(blocks[:3])]
    links.insert(0, bench.chain.certificate(bench.genesis.sealed, blocks[0].sealed))
    room = sum(len(link.encode()) + FRAME_BYTES for link in links[:2])
    parameters = bench.rules.parameters
    envelope = parameters.block_bytes_max - room
    monkeypatch.setattr(limits, "BLOCK_ENVELOPE_BYTES", envelope)
    bench.finalize("bank2", bench.genesis, *blocks[:3])
    bench.deliver("bank2", bench.block(blocks[3], sealer="bank3"))
    mined = bench.mine()
    assert mined.certificates == tuple(link.encode() for link in links[:2])


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
