"""Tests of node.core.timing, and of an engine whose wall clock is set (threat 56)."""

from __future__ import annotations

import pytest

from ledger.blocks import NONCE_BYTES, decode_header
from node.core import limits
from node.core.effects import Disconnect, StartMining
from node.core.messages import GetBlocks, GetHeaders, Headers
from node.core.timing import Now, StepWatch
from tests.unit.node.core.bench import Bench, Made

HOUR_MS = 3_600_000

TWO_HOURS_MS = 2 * HOUR_MS
STEPS = (TWO_HOURS_MS, -TWO_HOURS_MS)


def asked_headers(bench: Bench, member: str) -> int:
    """Return how often the last event asked a member for headers."""
    return len(bench.sent(member, GetHeaders))


def real_blocks(bench: Bench, count: int, *, ahead_ms: int = 0) -> list[Made]:
    """Return blocks in a row that are sealed now, or ahead of it, one a second."""
    first_ms = bench.wall_ms + ahead_ms - bench.chain.genesis.header.time_ms
    made = [bench.block(bench.genesis, step_ms=first_ms)]
    while len(made) < count:
        made.append(bench.block(made[-1]))
    return made


def test_threat_56_a_step_is_told_once() -> None:
    """Time that passes is no step; one of more than two seconds is, either way; small ones add."""
    watch, limit = StepWatch(), limits.CLOCK_STEP_MS_MAX
    assert watch.step_ms(Now(wall_ms=10_000, monotonic_ms=0)) is None
    assert watch.step_ms(Now(wall_ms=10_000 + TWO_HOURS_MS, monotonic_ms=TWO_HOURS_MS)) is None
    assert watch.step_ms(Now(wall_ms=limit + 1, monotonic_ms=0)) == limit + 1 - 10_000
    assert watch.step_ms(Now(wall_ms=2 * limit + 1, monotonic_ms=0)) is None
    assert watch.step_ms(Now(wall_ms=2 * limit + 2, monotonic_ms=0)) == limit + 1
    assert watch.step_ms(Now(wall_ms=2 * limit + 3, monotonic_ms=1)) is None


@pytest.mark.parametrize("step_ms", STEPS)
def test_threat_56_a_clock_that_is_set_gives_an_alert(step_ms: int) -> None:
    """The note says by how much, once."""
    bench = Bench()
    bench.tick()
    assert not bench.notes("clock_stepped")
    bench.wall_ms += step_ms
    bench.tick()
    assert [note.fields for note in bench.notes("clock_stepped")] == [{"step_ms": step_ms}]
    bench.tick()
    assert not bench.notes("clock_stepped")


@pytest.mark.parametrize("step_ms", STEPS)
def test_threat_56_waits_go_by_the_monotonic_clock(step_ms: int) -> None:
    """Neither a hello nor a block is given up early, or waited for longer."""
    bench = Bench()
    bench.connect("bank2", "bank3")
    block = bench.block(bench.genesis)
    bench.announce("bank2", block.sealed)
    bench.announce("bank3", block.sealed)
    bench.meet("regulator")
    bench.wall_ms += step_ms
    bench.tick(limits.STALL_MS_MIN - 1)
    assert not bench.sent("bank3", GetBlocks)
    bench.tick(1)
    assert [message.hashes for message in bench.sent("bank3", GetBlocks)] == [(block.hash,)]
    bench.tick(limits.HELLO_MS_MAX - limits.STALL_MS_MIN - 1)
    assert not bench.wanted(Disconnect)
    bench.tick(1)
    assert [cut.code for cut in bench.wanted(Disconnect)] == ["hello_timeout"]


@pytest.mark.parametrize("step_ms", STEPS)
def test_threat_56_the_template_is_renewed_with_the_time_of_the_wall(step_ms: int) -> None:
    """At its pace, and never with a time that is not after the parent's."""
    bench = Bench(is_mining=True)
    bench.wall_ms += step_ms
    bench.tick(limits.TEMPLATE_TIME_MS - 1)
    assert not bench.wanted(StartMining)
    bench.tick(1)
    (job,) = bench.wanted(StartMining)
    expected_ms = max(bench.wall_ms, bench.chain.genesis.header.time_ms + 1)
    assert decode_header(job.work_prefix + bytes(NONCE_BYTES)).time_ms == expected_ms


def test_threat_56_set_back_it_parks_honest_headers_and_takes_them_when_right() -> None:
    """No peer is blamed for a time that only our clock finds early, or asked again and again."""
    bench = Bench()
    blocks = real_blocks(bench, 5)
    bench.connect("bank2", "bank3")
    bench.wall_ms -= TWO_HOURS_MS
    for member in ("bank2", "bank3"):
        bench.announce(member, blocks[-1].sealed)
        assert asked_headers(bench, member) == 1
        bench.answer_headers(member, *blocks)
        assert len(bench.notes("head_from_future")) == 1
    assert bench.punished() is None
    assert bench.engine.status().is_syncing
    for made in blocks:
        bench.announce("bank2", made.sealed)
        assert not asked_headers(bench, "bank2")
    for _ in range(100):
        bench.tick()
        assert not asked_headers(bench, "bank2") + asked_headers(bench, "bank3")
    bench.wall_ms += TWO_HOURS_MS
    bench.tick()
    assert blocks[0].hash in bench.engine.chain.tree
    bench.answer_headers("bank2", *blocks)
    assert blocks[-1].hash in bench.engine.chain.tree


def test_threat_56_headers_that_become_early_in_the_middle_are_no_offence() -> None:
    """The clock fell behind while the chain grew: what comes before its time is taken."""
    bench = Bench()
    past = bench.row(bench.genesis, 2)
    early_ms = bench.wall_ms + HOUR_MS - past[-1].sealed.header.time_ms
    future = [bench.block(past[-1], step_ms=early_ms)]
    future.append(bench.block(future[0]))
    bench.connect("bank2", tip=future[-1].sealed)
    bench.receive("bank2", Headers(headers=tuple(m.sealed for m in (*past, *future))))
    assert bench.punished() is None
    assert past[-1].hash in bench.engine.chain.tree
    assert future[0].hash not in bench.engine.chain.tree


def test_threat_56_one_peer_ahead_of_time_does_not_make_us_unready() -> None:
    """Its head waits; the others' chain goes on, and that is all there is to fetch."""
    bench = Bench()
    (early,) = real_blocks(bench, 1, ahead_ms=TWO_HOURS_MS)
    bench.connect("bank2", "bank3")
    bench.announce("bank2", early.sealed)
    assert bench.notes("head_from_future")
    assert not bench.engine.status().is_syncing
    assert not asked_headers(bench, "bank2")
    bench.deliver("bank3", bench.block(bench.genesis))
    assert bench.height == 1
