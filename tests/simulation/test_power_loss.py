"""Every node of a network loses its power at once, and one comes back on an old backup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.core.effects import StopVoting
from tests.simulation import invariants
from tests.simulation.scenario import Scenario
from tests.simulation.world import World

CALM = 10  # a seed of a network without faults; the tests add theirs
NODES = 4
STALLED_MS, BACKUP_MS, LOST_MS, BACK_MS, LATE_MS = 8_000, 9_000, 12_000, 14_000, 17_000


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a network of four nodes that nothing befalls."""
    calm = replace(Scenario.of(CALM), nodes=NODES, busy_ms=20_000)
    monkeypatch.setattr(Scenario, "of", lambda _: calm)
    return World(CALM)


def test_threat_57_a_common_loss_of_power_stops_no_key(world: World) -> None:
    """All forget what they had in memory, find on disk what they heard, and go on."""

    def lose_power() -> None:
        for machine in world.machines:
            machine.crash()

    def come_back() -> None:
        for machine in world.machines:
            machine.start()
        for machine in world.machines:
            engine = machine.engine
            assert engine is not None
            others = [other.member for other in world.machines if other is not machine]
            assert all(engine.finality.tally.votes_of(member) for member in others)

    world.plan(LOST_MS, lose_power)
    world.plan(BACK_MS, come_back)
    assert world.run().final_height > 0
    assert not any(machine.journal.is_stopped for machine in world.machines)


def test_threat_57_a_backup_put_back_after_a_common_loss_of_power_never_votes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last votes made nothing final, one node heard them, and that node lost its power too.

    Two nodes of four are down, so votes justify nothing and no certificate holds them.
    """
    monkeypatch.delitem(invariants._CHECKS, StopVoting)  # here a key has to stop
    restored, witness, *others = world.machines
    backup: list[int] = []

    def stall() -> None:
        for machine in others:
            machine.crash()

    def back_up() -> None:
        backup.append(len(restored.journal.votes))

    def lose_power() -> None:
        assert len(restored.journal.votes) > backup[0], "it voted after the backup"
        for machine in (restored, witness):
            machine.crash()
        del restored.journal.votes[backup[0] :]
        restored.wipe()
        world.invariants.excuse(restored.member)

    def come_back() -> None:
        for machine in (restored, witness, others[0]):
            machine.start()

    world.plan(STALLED_MS, stall)
    world.plan(BACKUP_MS, back_up)
    world.plan(LOST_MS, lose_power)
    world.plan(BACK_MS, come_back)
    world.plan(LATE_MS, others[1].start)
    outcome = world.run()
    assert restored.journal.is_stopped
    assert len(restored.journal.votes) == backup[0]
    assert outcome.final_height > 0
    assert outcome.evidence == 0
