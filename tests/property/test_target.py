"""The difficulty rule against exact rational arithmetic, and the compact form over all targets."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from consensus.target import asert_target, bits_to_target, block_work, target_to_bits

TARGETS = st.integers(0, 255).flatmap(lambda width: st.integers(1 << width, (2 << width) - 1))
DURATIONS = st.integers(1, 10**9)


def _formula(anchor_target: int, easiest_target: int, behind: int, half_life: int) -> int:
    """Return the specification's formula, each step as a rational number before it is rounded."""
    exponent = math.trunc(Fraction(behind * 65536, half_life))
    shift = math.floor(Fraction(exponent, 65536))
    x = exponent - 65536 * shift
    cubic = (195766423245049 * x + 971821376 * x**2 + 5127 * x**3) / Fraction(2**48)
    factor = 1 + Fraction(math.floor(cubic + Fraction(1, 2)), 65536)
    target = math.floor(anchor_target * factor * Fraction(2) ** shift)
    return max(1, min(target, easiest_target))


@given(target=TARGETS)
def test_bits_round_a_target_down_by_little(target: int) -> None:
    """The compact form keeps at least 15 bits of a target, and reads back as it was written."""
    bits = target_to_bits(target)
    rounded = bits_to_target(bits)
    assert rounded <= target
    assert (target - rounded) << 15 <= target
    assert target_to_bits(rounded) == bits


@given(one=TARGETS, other=TARGETS)
def test_harder_targets_take_more_work(one: int, other: int) -> None:
    """Work never grows as the target does, and target and work span all hashes."""
    easier, harder = max(one, other), min(one, other)
    assert block_work(easier) <= block_work(harder)
    assert block_work(one) * (one + 1) <= 2**256 < (block_work(one) + 1) * (one + 1)


@given(
    anchor_target=TARGETS,
    easiest_target=TARGETS,
    elapsed=st.integers(-(10**12), 10**12),
    height_delta=st.integers(0, 10**9),
    block_interval=st.integers(1, 10**6),
    half_life=st.integers(10**6, 10**12),
)
def test_asert_is_the_formula(
    anchor_target: int,
    easiest_target: int,
    elapsed: int,
    height_delta: int,
    block_interval: int,
    half_life: int,
) -> None:
    """Shifts of integers and rational arithmetic give one target for any chain."""
    computed = asert_target(
        anchor_target=anchor_target,
        easiest_target=easiest_target,
        elapsed=elapsed,
        height_delta=height_delta,
        block_interval=block_interval,
        half_life=half_life,
    )
    behind = elapsed - block_interval * height_delta
    # Beyond this many half-lives the rational number is too long to write out; the limit holds.
    if abs(behind) // half_life > 600:
        assert computed == (easiest_target if behind > 0 else 1)
    else:
        assert computed == _formula(anchor_target, easiest_target, behind, half_life)


@given(
    anchor_target=TARGETS,
    behind=st.integers(-(10**9), 10**9),
    later=st.integers(0, 10**9),
    half_life=DURATIONS,
)
def test_later_blocks_never_get_harder_targets(
    anchor_target: int, behind: int, later: int, half_life: int
) -> None:
    """The more a chain is behind its schedule, the easier its next target."""

    def target(elapsed: int) -> int:
        return asert_target(
            anchor_target=anchor_target,
            easiest_target=2**256 - 1,
            elapsed=elapsed,
            height_delta=0,
            block_interval=1,
            half_life=half_life,
        )

    assert target(behind) <= target(behind + later)


@given(
    elapsed=st.integers(-(10**9), 10**9),
    height_delta=st.integers(0, 10**5),
    block_interval=st.integers(1, 10**4),
    half_life=DURATIONS,
    scale=st.integers(1, 10**6),
)
def test_the_unit_of_time_does_not_matter(
    elapsed: int, height_delta: int, block_interval: int, half_life: int, scale: int
) -> None:
    """Seconds and milliseconds give the same target."""

    def target(units: int) -> int:
        return asert_target(
            anchor_target=2**200,
            easiest_target=2**250,
            elapsed=elapsed * units,
            height_delta=height_delta,
            block_interval=block_interval * units,
            half_life=half_life * units,
        )

    assert target(1) == target(scale)
