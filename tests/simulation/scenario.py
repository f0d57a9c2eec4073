"""What a seed stands for: how many nodes, how bad the network, what breaks and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Attack(StrEnum):
    """What the one member that went over to the enemy does."""

    NONE = "none"
    DOUBLE_VOTES = "double_votes"
    FORGED_VOTES = "forged_votes"
    WITHHELD_BLOCKS = "withheld_blocks"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run. Times are virtual milliseconds."""

    seed: int
    """What everything here, and every later choice, follows from."""
    nodes: int
    """Members that seal; each has one node."""
    busy_ms: int
    """How long faults and customers go on; after it everything is healed."""
    delay_ms: int
    """One way from node to node."""
    jitter_ms: int
    """At most so much is added to a frame's delay."""
    loss: float
    """Chance that a frame is lost, and its session with it, as on a TLS stream."""
    skew_ms_max: int
    """How far a node's clock is off, at most, either way."""
    crash_every_ms: int | None
    """Mean time between crashes, somewhere in the network; None: nothing crashes."""
    partition_every_ms: int | None
    """Mean time between partitions; None: the network stays whole."""
    clock_step_every_ms: int | None
    """Mean time between wall clocks that are set wrong, each by hours or seconds, for a while; None:
    they only are as far off as they were."""
    wipe: bool
    """Whether one node loses its data, but not its keys and its vote journal."""
    submit_every_ms: int
    """Mean time between submissions of the customers."""
    attack: Attack
    """What one member does against the others."""

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """Return the scenario of a seed."""
        random = Random(f"scenario {seed}")
        is_calm = seed % 10 == 0
        is_far = random.random() < 0.15
        return cls(
            seed=seed,
            nodes=random.choices((4, 5, 7), (7, 2, 1))[0],
            busy_ms=random.randrange(20_000, 40_000),
            delay_ms=random.randrange(100, 400) if is_far else random.randrange(2, 60),
            jitter_ms=random.randrange(1, 200) if is_far else random.randrange(1, 40),
            loss=0 if is_calm else random.choice((0, 0, 0.0005, 0.002)),
            skew_ms_max=0 if is_calm else random.choice((0, 200, 2_000)),
            crash_every_ms=None if is_calm else random.choice((None, 3_000, 10_000)),
            partition_every_ms=None if is_calm else random.choice((None, 8_000, 15_000)),
            clock_step_every_ms=None if is_calm else Random(f"clocks {seed}").choice((None, 4_000)),
            wipe=not is_calm and random.random() < 0.2,
            submit_every_ms=random.choice((200, 400, 1_000)),
            attack=Attack.NONE if is_calm else _attack(random),
        )


def _attack(random: Random) -> Attack:
    attacks = [attack for attack in Attack if attack is not Attack.NONE]
    return random.choice(attacks) if random.random() < 0.35 else Attack.NONE
