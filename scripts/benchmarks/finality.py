"""How long a block waits for finality as votes travel slower, under virtual time.

Four production engines of the simulator seal and vote; blocks travel in milliseconds, and votes
alone are delayed, since a vote that is late is what finality waits for. A latency runs from a
block's sealing to its finality at one node; every node counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

from consensus.headers import ChainRules
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.keys import verify
from node.core.effects import CommitChain, Effect, StoreFinality
from node.core.events import Event
from node.core.messages import Votes, decode_message
from scripts.benchmarks.measure import Better, Figure, quantile, spread_of
from tests.factories import GENESIS_TIME_MS
from tests.simulation.machine import Machine, Surroundings
from tests.simulation.network import Host, Network
from tests.simulation.scenario import Attack, Scenario
from tests.simulation.timeline import Timeline
from tests.simulation.world import make_register

NODES = 4
DELAYS_INTERVALS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""One-way delays of votes, block intervals."""
BLOCK_DELAY_MS, JITTER_MS = 5, 5
"""What everything else takes, one way."""
WARM_UP_BLOCKS = 20
"""Blocks at the start that are not counted: sessions are made and round trips learned."""
FRAME_BYTES_MAX = 5 * 1024 * 1024


class SlowVotes(Network):
    """The simulator's network, with votes that take ``vote_delay_ms`` on a way of their own."""

    vote_delay_ms = 0

    def send(self, sender: MemberId, receiver: MemberId, number: int, frame: bytes) -> None:
        """Carry a frame; votes overtake nothing and are overtaken by all that is faster."""
        message = decode_message(frame, bytes_max=FRAME_BYTES_MAX, block_bytes_max=FRAME_BYTES_MAX)
        session = self._sessions.get(frozenset((sender, receiver)))
        if not isinstance(message, Votes) or session is None or session.number != number:
            super().send(sender, receiver, number, frame)
            return
        arrive = partial(self._arrive, session, sender, receiver, frame)
        self._timeline.after(self.vote_delay_ms, arrive)


class Stopwatch:
    """Looks on and notes when a block was first connected, and when it became final where."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._sealed_ms: dict[BlockHash, int] = {}
        self.latencies_ms: list[int] = []
        """From sealing to finality, one entry a block and node, blocks of the warm-up left out."""

    def on_event(self, machine: Machine, event: Event | None) -> None:
        """Let events pass."""

    def on_effects(self, machine: Machine, effects: Sequence[Effect]) -> None:  # noqa: ARG002
        """Note the times of blocks that this call connects or makes final."""
        now_ms = self._timeline.now_ms
        for effect in effects:
            if isinstance(effect, CommitChain):
                for connected in effect.connected:
                    if connected.block.header.height > WARM_UP_BLOCKS:
                        self._sealed_ms.setdefault(connected.block.hash, now_ms)
            elif isinstance(effect, StoreFinality):
                self.latencies_ms += [
                    now_ms - self._sealed_ms[block_hash]
                    for block_hash in effect.finalized
                    if block_hash in self._sealed_ms
                ]

    def on_fault(self, machine: Machine, what: str) -> None:
        """Let faults pass; there are none."""


def measure_finality(*, is_quick: bool) -> list[Figure]:
    """Measure median and p95 of block to final at several vote delays, in block intervals."""
    seeds, blocks = (1, 20) if is_quick else (3, 150)
    return [
        figure
        for delay in (DELAYS_INTERVALS[:1] if is_quick else DELAYS_INTERVALS)
        for figure in _figures(delay, [latencies(delay, blocks, seed) for seed in range(seeds)])
    ]


def latencies(delay_intervals: float, blocks: int, seed: int) -> list[float]:
    """Return the latencies, block intervals, of a run of about so many blocks."""
    register = make_register(NODES)
    genesis = register.genesis
    interval_ms = genesis.parameters.target_block_ms
    timeline = Timeline(GENESIS_TIME_MS)
    hosts: dict[MemberId, Host] = {}
    network = SlowVotes(timeline, _calm(seed), Random(f"{seed} network"), hosts)
    network.vote_delay_ms = round(delay_intervals * interval_ms)
    stopwatch = Stopwatch(timeline)
    around = Surroundings(
        timeline=timeline,
        network=network,
        register=register,
        rules=ChainRules(
            genesis_hash=register.genesis_hash,
            parameters=genesis.parameters,
            sealers=genesis.sealers(),
        ),
        verify=verify,
        watcher=stopwatch,
    )
    machines = [
        Machine(member, around, Random(f"{seed} {member}"), 0) for member in genesis.sealers().keys
    ]
    hosts.update({machine.member: machine for machine in machines})
    for machine in machines:
        machine.start()
    network.start()
    timeline.run_until(GENESIS_TIME_MS + (WARM_UP_BLOCKS + blocks) * interval_ms)
    return [latency_ms / interval_ms for latency_ms in stopwatch.latencies_ms]


def _calm(seed: int) -> Scenario:
    """Return the scenario in which nothing breaks."""
    return Scenario(
        seed=seed,
        nodes=NODES,
        busy_ms=0,
        delay_ms=BLOCK_DELAY_MS,
        jitter_ms=JITTER_MS,
        loss=0,
        skew_ms_max=0,
        crash_every_ms=None,
        partition_every_ms=None,
        clock_step_every_ms=None,
        wipe=False,
        submit_every_ms=1_000,
        attack=Attack.NONE,
    )


def _figures(delay: float, runs: list[list[float]]) -> list[Figure]:
    """Return the figures of one vote delay from the latencies of several seeds."""
    together = [latency for run in runs for latency in run]
    return [
        Figure(
            name=f"block to final, votes take {delay:g} intervals, {name}",
            value=quantile(together, share),
            unit="intervals",
            better=Better.LOWER,
            spread=spread_of([quantile(run, share) for run in runs]),
            runs=len(runs),
            detail={"samples": len(together), "nodes": NODES, "vote_delay_intervals": delay},
        )
        for name, share in (("median", 0.5), ("p95", 0.95))
    ]
