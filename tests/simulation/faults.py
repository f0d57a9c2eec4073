"""What befalls the nodes: crashes at every point of a call, lost data, partitions, wrong clocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from tests.simulation.invariants import Invariants
from tests.simulation.machine import CrashPoint, Machine
from tests.simulation.network import Network
from tests.simulation.scenario import Scenario
from tests.simulation.timeline import Timeline

DOWN_MS = (200, 10_000)
PARTED_MS = (1_000, 12_000)
CLOCK_WRONG_MS = (500, 10_000)
HOURS_MS = 2 * 3_600_000
SECONDS_MS = 20_000


class Faults:
    """Breaks things at random until told to stop."""

    def __init__(
        self,
        scenario: Scenario,
        timeline: Timeline,
        network: Network,
        machines: Sequence[Machine],
        invariants: Invariants,
        random: Random,
    ) -> None:
        self._scenario = scenario
        self._timeline = timeline
        self._network = network
        self._machines = machines
        self._invariants = invariants
        self._random = random
        self._is_over = False
        self.crashes = 0
        self.partitions = 0
        self.clock_steps = 0
        self._is_a_clock_wrong = False
        # The same ones all the time: what several members in turn took for the present, hours ahead,
        # would become final, and nobody could build on it for as long.
        faulty = (len(machines) - 1) // 3
        self._untimely = Random(f"untimely {scenario.seed}").sample(list(machines), max(1, faulty))

    def start(self) -> None:
        """Plan the first of each kind."""
        self._repeat(self._scenario.crash_every_ms, self._crash)
        self._repeat(self._scenario.partition_every_ms, self._part)
        self._repeat(self._scenario.clock_step_every_ms, self._set_clock)
        if self._scenario.wipe:
            self._timeline.after(self._random.randrange(self._scenario.busy_ms), self._wipe)

    def stop(self) -> None:
        """Break nothing more; heal the network, set the clocks, start whoever is down."""
        self._is_over = True
        self._network.heal()
        for machine in self._machines:
            machine.crash_at = None
            machine.set_clock(0)
            self._restart(machine)

    def _repeat(self, mean_ms: int | None, action: Callable[[], None]) -> None:
        if mean_ms is None or self._is_over:
            return

        def act() -> None:
            if not self._is_over:
                action()
                self._repeat(mean_ms, action)

        self._timeline.after(1 + int(self._random.expovariate(1 / mean_ms)), act)

    def _crash(self) -> None:
        """Doom a node: it stops at its next call, somewhere in its effects."""
        machine = self._random.choice(self._machines)
        if not machine.is_up:
            return
        self.crashes += 1
        machine.crash_at = self._random.choice(list(CrashPoint))
        self._timeline.after(self._random.randrange(*DOWN_MS), partial(self._restart, machine))

    def _restart(self, machine: Machine) -> None:
        if not machine.is_up and not machine.halted:
            machine.start()

    def _wipe(self) -> None:
        machine = self._random.choice(self._machines)
        if self._is_over or not machine.is_up:
            return
        machine.crash()
        machine.wipe()
        self._invariants.excuse(machine.member)
        self._timeline.after(self._random.randrange(*DOWN_MS), partial(self._restart, machine))

    def _set_clock(self) -> None:
        """Set the wall clock of one of few nodes wrong for a while, as a faulty member's may be."""
        if self._is_a_clock_wrong:
            return
        self._is_a_clock_wrong = True
        self.clock_steps += 1
        machine = self._random.choice(self._untimely)
        seconds_ms = self._random.randrange(-SECONDS_MS, SECONDS_MS)
        machine.set_clock(self._random.choice((HOURS_MS, -HOURS_MS, seconds_ms)))

        def set_right() -> None:
            machine.set_clock(0)
            self._is_a_clock_wrong = False

        self._timeline.after(self._random.randrange(*CLOCK_WRONG_MS), set_right)

    def _part(self) -> None:
        members = [machine.member for machine in self._machines]
        self.partitions += 1
        self._network.partition(
            self._random.sample(members, self._random.randrange(1, len(members)))
        )
        self._timeline.after(self._random.randrange(*PARTED_MS), self._network.heal)
