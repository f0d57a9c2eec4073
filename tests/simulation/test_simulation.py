"""A hundred seeds, each a network with faults of its own; `scripts/simulate` runs more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from ledger.parameters import Parameters
from tests.simulation import __main__ as command
from tests.simulation import world
from tests.simulation.invariants import InvariantBroken
from tests.simulation.scenario import Attack, Scenario
from tests.simulation.world import World

SEEDS = 100
SEEDS_PER_CHUNK = 5
INTERVAL_MS = Parameters().target_block_ms


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_CHUNK))
def test_invariants_hold(first: int) -> None:
    """Money, finality, votes, promises and liveness survive crashes, partitions and a traitor."""
    for seed in range(first, first + SEEDS_PER_CHUNK):
        outcome = World(seed).run()
        assert outcome.final_height > 0, f"scripts/simulate --replay {seed}"


def test_a_seed_replays_to_the_byte() -> None:
    """Two runs of one seed see the same events and do the same; another seed does not."""
    seed = next(seed for seed in range(SEEDS) if Scenario.of(seed).attack is Attack.GARBAGE)
    lines: list[str] = []
    assert World(seed).run() == World(seed, log=lines.append).run()
    assert lines
    assert World(seed).run().trace != World(seed + 1).run().trace


def test_the_seeds_cover_every_attack_and_fault() -> None:
    """What the scenarios may draw, a hundred of them do draw."""
    scenarios = [Scenario.of(seed) for seed in range(SEEDS)]
    assert {scenario.attack for scenario in scenarios} == set(Attack)
    assert {scenario.nodes for scenario in scenarios} == {4, 5, 7}
    assert any(scenario.clock_step_every_ms for scenario in scenarios)
    assert any(scenario.wipe for scenario in scenarios)
    assert any(scenario.loss for scenario in scenarios)
    assert any(scenario.crash_every_ms and scenario.partition_every_ms for scenario in scenarios)


@pytest.mark.parametrize("seed", [10, 20, 30])
def test_threat_56_a_network_outlives_clocks_that_are_set(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A clock at a time is hours or seconds off for a while, and nothing else is wrong.

    Nobody is blamed, blocks become final meanwhile, and who was off is with the others again as
    soon as its clock is.
    """
    calm = replace(Scenario.of(seed), clock_step_every_ms=2_000)
    monkeypatch.setattr(Scenario, "of", lambda _: calm)
    outcome = World(seed).run()
    assert outcome.clock_steps > 2
    assert outcome.clock_alerts > outcome.clock_steps
    # A node of four or more that is off costs the blocks that it seals, and no more.
    assert outcome.final_height > calm.busy_ms / INTERVAL_MS / 2


def test_a_failure_names_its_seed_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line is what to type next; the exit status is 1."""

    def fail(*_: object) -> None:
        raise InvariantBroken("conservation", "money was made")

    monkeypatch.setattr(world, "check_settlement", fail)
    result = CliRunner().invoke(command.simulate, ["--first", "10", "--seeds", "1"])
    assert result.exit_code == 1
    assert "seed 10 failed: conservation: money was made" in result.stderr
    assert result.stderr.splitlines()[-1] == "replay it with: scripts/simulate --replay 10"
    assert result.stdout == ""


def test_a_summary_is_json() -> None:
    """Data on stdout, progress on stderr."""
    result = CliRunner().invoke(command.simulate, ["--first", "10", "--seeds", "1", "--json"])
    assert result.exit_code == 0
    assert '"seed": 10' in result.stdout
    assert "seed 10" in result.stderr
