"""Less work for blocks as often: what miners at rest would take goes to the other tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consensus.target import bits_to_target, target_to_bits
from node.config import MiningConfig

EASE: Final = 8
"""How many times less the nodes of a test's network search than those that `dev up` makes.

Four that search a tenth of the time take two fifths of a core; much less work than this, and a
block would be found in a single slice of the search, several nodes at a time.
"""
EASED_DUTY: Final = MiningConfig().duty / EASE
"""Share of one core."""


def eased(parameters: Mapping[str, int]) -> dict[str, int]:
    """Return consensus parameters under which a block takes `EASE` times fewer hashes."""
    target = bits_to_target(parameters["genesis_bits"]) * EASE
    assert target <= bits_to_target(parameters["easiest_bits"])
    return {**parameters, "genesis_bits": target_to_bits(target)}
