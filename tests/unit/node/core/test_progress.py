"""What a node tells of a chain that goes on: stale blocks, censorship, eclipse."""

from __future__ import annotations

import pytest

from node.core import limits
from tests.unit.node.core.bench import Bench


@pytest.fixture
def bench() -> Bench:
    """Return a node with two peers."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    return bench


def test_threat_38_stale_blocks_are_told_by_sealer(bench: Bench) -> None:
    """When a block is final, the others of its height are stale, each once, with its sealer."""
    stale = bench.block(bench.genesis, sealer="bank3")
    blocks = [bench.block(bench.genesis, step_ms=2_000, sealer="bank2")]
    blocks.append(bench.block(blocks[0], sealer="bank1"))
    bench.deliver("bank2", stale, *blocks)
    bench.finalize("bank2", bench.genesis, *blocks)
    (note,) = bench.notes("block_stale")
    assert note.fields == {"height": 1, "sealer": "bank3"}
    assert [n.fields["sealers"] for n in bench.notes("finalized")] == [{"bank2": 1}]


def test_threat_40_what_every_block_could_have_held_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is parked or not valid yet is not passed over, and what waits a shorter time neither."""
    monkeypatch.setattr(limits, "PASSED_OVER_BLOCKS", 3)
    leg = bench.network.leg("alice", "bob", 1)
    left_out = bench.network.transfer(leg)
    parked = bench.network.transfer(leg, lane=1, sequence=1)
    later = bench.network.transfer(leg, lane=2, valid_from=20)
    bench.submit(left_out, parked, later)
    blocks = bench.row(bench.genesis, 6)
    bench.deliver("bank2", *blocks[:-1])
    assert not bench.notes("transactions_passed_over")
    bench.deliver("bank2", blocks[-1])
    (note,) = bench.notes("transactions_passed_over")
    assert note.fields == {"count": 1, "blocks": 3, "oldest": left_out.txid.hex()}
    taken = bench.block(blocks[-1], left_out)
    bench.deliver("bank2", taken, *bench.row(taken, 3))
    assert bench.height == 10
    assert not bench.notes("transactions_passed_over")


def test_threat_49_the_head_is_unsafe_while_all_peers_may_be_liars() -> None:
    """One of four sealers may be faulty, so two others must be connected, whose hello was taken."""
    bench = Bench()
    assert not bench.engine.status().is_head_safe
    bench.connect("bank2")
    bench.meet("bank3")
    assert not bench.engine.status().is_head_safe
    bench.receive("bank3", bench.hello("bank3"))
    assert bench.engine.status().is_head_safe
    bench.leave("bank2")
    assert not bench.engine.status().is_head_safe
