"""One run: the nodes, their network, their customers, what befalls them, what must hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from random import Random

from consensus.headers import ChainRules
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.parameters import Parameters
from node.core.effects import Disconnect, Effect, Halt, Note, Reply
from node.core.events import Event, FrameReceived, Tick
from tests.factories import GENESIS_TIME_MS, make_network
from tests.factories import Network as Register
from tests.simulation.customers import Customers
from tests.simulation.faults import Faults
from tests.simulation.invariants import InvariantBroken, Invariants
from tests.simulation.machine import Machine, Surroundings
from tests.simulation.network import Host, Network
from tests.simulation.scenario import Attack, Scenario
from tests.simulation.settlement import check_settlement, head_height, is_whole, unsettled
from tests.simulation.timeline import Timeline
from tests.simulation.traitor import Traitor

GENESIS_BITS = 0x200FFFFF
"""Sixteen hashes a block in the mean, so that nonces are real and cost little."""
EASIEST_BITS = 0x207FFFFF
"""Two hashes a block: ASERT may ease the work to an eighth for those that a partition leaves."""
ACCOUNTS = 8
WHOLE_MS_MAX = 20_000
"""Time in which a healed network must stand again, all sessions of it."""
QUIET_BLOCKS = 10
"""Blocks within which finality must have resumed then."""
QUIET_MS_MAX = 60_000
"""Time for that."""
FAR_DELAY_MS_MIN = 100
"""One way from node to node: from here on every other block has a rival."""
FAR_QUIET_MS_MAX = 240_000
"""Time where nodes are so far apart and one of them is faulty: all others must vote for the same two
blocks in a row, which with rivals is a matter of chance."""
STEP_MS = 500

Log = Callable[[str], None]


@cache
def make_register(nodes: int) -> Register:
    """Return the genesis of a network of so many nodes, with its secrets."""
    parameters = Parameters(easiest_bits=EASIEST_BITS, genesis_bits=GENESIS_BITS)
    return make_network(banks=nodes - 1, accounts=ACCOUNTS, parameters=parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    seed: int
    nodes: int
    attack: str
    virtual_ms: int
    final_height: int
    accepted: int
    """Transactions that a node accepted."""
    crashes: int
    partitions: int
    clock_steps: int
    """Times that a wall clock was set wrong."""
    clock_alerts: int
    """Times that a node told of its clock being set, right or wrong."""
    evidence: int
    """Pairs of conflicting votes that honest nodes found."""
    frames: int
    trace: str
    """Hash over all events and what they led to: equal for equal seeds."""


class World:
    """Everything of one run; a ``Watcher`` of its own machines."""

    def __init__(self, seed: int, *, log: Log | None = None) -> None:
        self.scenario = Scenario.of(seed)
        self._log = log
        self._trace = hashlib.sha256()
        self._verdicts: dict[tuple[bytes, bytes, bytes], bool] = {}
        self._timeline = Timeline(GENESIS_TIME_MS)
        register = make_register(self.scenario.nodes)
        genesis = register.genesis
        sealers = genesis.sealers()
        rules = ChainRules(
            genesis_hash=register.genesis_hash, parameters=genesis.parameters, sealers=sealers
        )
        hosts: dict[MemberId, Host] = {}
        self._network = Network(self._timeline, self.scenario, self._random("network"), hosts)
        around = Surroundings(
            timeline=self._timeline,
            network=self._network,
            register=register,
            rules=rules,
            verify=self._verify,
            watcher=self,
        )
        members = list(sealers.keys)
        is_attacked = self.scenario.attack is not Attack.NONE
        traitor = self._random("traitor").choice(members) if is_attacked else None
        self._traitor = self._make_traitor(traitor, around) if traitor is not None else None
        self.machines = [self._make(member, around) for member in members if member != traitor]
        hosts.update({machine.member: machine for machine in self._all})
        self.invariants = Invariants({machine.member for machine in self.machines})
        self._arrivals = self._random("arrivals")
        self._customers = Customers(register, self._all, self._random("customers"))
        self._faults = Faults(
            self.scenario,
            self._timeline,
            self._network,
            self.machines,
            self.invariants,
            self._random("faults"),
        )

    @property
    def _all(self) -> list[Machine]:
        return [*self.machines, *([self._traitor] if self._traitor is not None else [])]

    def _random(self, name: str) -> Random:
        """Return the randomness of one part, so that parts do not disturb each other's."""
        return Random(f"{self.scenario.seed} {name}")

    def _make(self, member: MemberId, around: Surroundings) -> Machine:
        random = self._random(member)
        machine = Machine(member, around, random, self._skew_ms(random))
        machine.on_reply = partial(self._on_reply, machine)
        return machine

    def _make_traitor(self, member: MemberId, around: Surroundings) -> Traitor:
        random = self._random(member)
        return Traitor(member, around, random, self._skew_ms(random), self.scenario.attack)

    def _skew_ms(self, random: Random) -> int:
        return random.randint(-self.scenario.skew_ms_max, self.scenario.skew_ms_max)

    def _verify(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Judge a signature once for all nodes."""
        item = (public_key, signature, message)
        verdict = self._verdicts.get(item)
        if verdict is None:
            verdict = self._verdicts[item] = verify(*item)
        return verdict

    # --- the run -----------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the scenario to its end.

        Raises:
            InvariantBroken: something happened that must not, or did not happen that must.
        """
        for machine in self._all:
            machine.start()
        self._network.start()
        self._faults.start()
        self._submit_later()
        self._timeline.run_until(GENESIS_TIME_MS + self.scenario.busy_ms)
        self._faults.stop()
        self._network.is_lossy = False
        self._settle()
        return self._outcome()

    def plan(self, after_ms: int, action: Callable[[], None]) -> None:
        """Plan something of a test's own, so many virtual milliseconds into the run."""
        self._timeline.after(after_ms, action)

    def _submit_later(self) -> None:
        mean_ms = self.scenario.submit_every_ms
        delay_ms = 1 + int(self._arrivals.expovariate(1 / mean_ms))
        self._timeline.after(delay_ms, self._submit)

    def _submit(self) -> None:
        if self._timeline.now_ms < GENESIS_TIME_MS + self.scenario.busy_ms:
            self._customers.submit()
            self._submit_later()

    def _settle(self) -> None:
        """Let quiet come, and check what must hold then."""
        self._wait("not_whole", WHOLE_MS_MAX, lambda: is_whole(self.machines))
        healed = head_height(self.machines)
        until = healed + QUIET_BLOCKS
        is_far = self.scenario.delay_ms >= FAR_DELAY_MS_MIN
        is_slow = is_far and self.scenario.attack is not Attack.NONE
        settled_ms = FAR_QUIET_MS_MAX if is_slow else QUIET_MS_MAX
        self._wait("stuck", QUIET_MS_MAX, lambda: head_height(self.machines) >= until)
        self._wait("unsettled", settled_ms, lambda: not unsettled(self.machines, healed))
        check_settlement(self.machines, self.invariants)
        self._check_evidence()

    def _check_evidence(self) -> None:
        is_double = self.scenario.attack is Attack.DOUBLE_VOTES
        has_voted_twice = is_double and self._traitor is not None and self._traitor.deeds
        if has_voted_twice and not self.invariants.evidence_found:
            raise InvariantBroken("no_evidence", "a member voted twice and nobody noticed")

    def _wait(self, name: str, most_ms: int, is_reached: Callable[[], bool]) -> None:
        end_ms = self._timeline.now_ms + most_ms
        while not is_reached():
            if self._timeline.now_ms >= end_ms:
                raise InvariantBroken(name, unsettled(self.machines, 0) or f"after {most_ms} ms")
            self._timeline.run_until(self._timeline.now_ms + STEP_MS)

    def _outcome(self) -> Outcome:
        return Outcome(
            seed=self.scenario.seed,
            nodes=self.scenario.nodes,
            attack=self.scenario.attack.value,
            virtual_ms=self._timeline.now_ms - GENESIS_TIME_MS,
            final_height=max(self.invariants.final, default=0),
            accepted=len(self.invariants.acknowledged),
            crashes=self._faults.crashes,
            partitions=self._faults.partitions,
            clock_steps=self._faults.clock_steps,
            clock_alerts=self.invariants.clock_alerts,
            evidence=self.invariants.evidence_found,
            frames=self._network.frames,
            trace=self._trace.hexdigest(),
        )

    # --- what is seen ------------------------------------------------------------------------

    def on_event(self, machine: Machine, event: Event | None) -> None:
        """Put an event into the trace."""
        frame = event.frame if isinstance(event, FrameReceived) else b""
        if not isinstance(event, Tick):
            what = f"{self._timeline.now_ms} {machine.member} {type(event).__name__} "
            self._trace.update(what.encode() + frame)

    def on_effects(self, machine: Machine, effects: Sequence[Effect]) -> None:
        """Hold a call's effects against the invariants, and show what is of interest."""
        for effect in effects:
            self._trace.update(type(effect).__name__.encode())
            if self._log is not None:
                self._show(machine, effect)
        self.invariants.check(machine, effects)

    def on_fault(self, machine: Machine, what: str) -> None:
        """Show what befell a machine."""
        self._say(machine, what)

    def _on_reply(self, machine: Machine, reply: Reply) -> None:
        self.invariants.acknowledge(machine, reply)

    def _show(self, machine: Machine, effect: Effect) -> None:
        if isinstance(effect, Note):
            fields = " ".join(f"{name}={value}" for name, value in effect.fields.items())
            self._say(machine, f"{effect.name} {fields}")
        elif isinstance(effect, Disconnect | Halt):
            self._say(machine, str(effect))

    def _say(self, machine: Machine, what: str) -> None:
        if self._log is not None:
            seconds = (self._timeline.now_ms - GENESIS_TIME_MS) / 1_000
            self._log(f"{seconds:9.3f} {machine.member:<10} {what}")
