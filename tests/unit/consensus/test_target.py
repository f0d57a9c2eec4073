"""Targets, their compact form and the difficulty rule, judged by exact arithmetic."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest

from consensus.target import asert_target, bits_to_target, block_work, target_to_bits
from ledger.errors import InvalidHeader

TARGET_MAX = 2**256 - 1
ANCHOR_TARGET = 2**220 + 12345
EASIEST_TARGET = 2**240
BLOCK_INTERVAL_MS = 1_000
HALF_LIFE_MS = 120_000


def _target(elapsed_ms: int, height: int) -> int:
    """Return the target of the block after `height`, on a chain like the development network's."""
    return asert_target(
        anchor_target=ANCHOR_TARGET,
        easiest_target=EASIEST_TARGET,
        elapsed=elapsed_ms,
        height_delta=height,
        block_interval=BLOCK_INTERVAL_MS,
        half_life=HALF_LIFE_MS,
    )


@pytest.mark.parametrize(
    ("bits", "target"),
    [
        (0x01120000, 0x12),
        (0x02123400, 0x1234),
        (0x03123456, 0x123456),
        (0x04123456, 0x12345600),
        (0x05009234, 0x92340000),
        (0x1D00FFFF, 0xFFFF << 208),
        (0x20123456, 0x123456 << 232),
        (0x207FFFFF, 0x7FFFFF << 232),
        (0x2100FFFF, 0xFFFF << 240),
    ],
)
def test_compact_form(bits: int, target: int) -> None:
    """Bits and target stand for each other, as in Bitcoin."""
    assert bits_to_target(bits) == target
    assert target_to_bits(target) == bits


@pytest.mark.parametrize(
    ("bits", "code"),
    [
        (-1, "bits_range"),
        (2**32, "bits_range"),
        (0x00000000, "bits_zero"),
        (0x00123456, "bits_zero"),
        (0x01003456, "bits_zero"),
        (0x03000000, "bits_zero"),
        (0x04800000, "bits_zero"),
        (0xFF000000, "bits_zero"),
        (0x01FEDCBA, "bits_negative"),
        (0x04923456, "bits_negative"),
        (0x1D80FFFF, "bits_negative"),
        (0x21010000, "bits_overflow"),
        (0x22000100, "bits_overflow"),
        (0x23000001, "bits_overflow"),
        (0xFF123456, "bits_overflow"),
    ],
)
def test_threat_31_bits_without_a_target_are_refused(bits: int, code: str) -> None:
    """Bits that stand for nothing, a negative number or too large a one have their own codes."""
    with pytest.raises(InvalidHeader) as refusal:
        bits_to_target(bits)
    assert refusal.value.code == code
    assert refusal.value.fields == {"bits": bits}


@pytest.mark.parametrize("target", [-1, 0, TARGET_MAX + 1])
def test_numbers_that_are_no_target_have_no_bits(target: int) -> None:
    """The compact form is asked only for targets."""
    with pytest.raises(ValueError, match="target"):
        target_to_bits(target)


def test_bits_round_down() -> None:
    """Rounding never makes a target easier."""
    assert bits_to_target(target_to_bits(0x12345678)) == 0x12345600
    assert bits_to_target(target_to_bits(TARGET_MAX)) == 0xFFFF << 240


@pytest.mark.parametrize(
    ("target", "hashes"),
    [(TARGET_MAX, 1), (2**255 - 1, 2), (0xFFFF << 208, 0x100010001), (1, 2**255)],
)
def test_work_is_the_expected_number_of_hashes(target: int, hashes: int) -> None:
    """The easiest target takes one hash; Bitcoin's easiest takes 4,295,032,833."""
    assert block_work(target) == hashes


@pytest.mark.parametrize("height", [0, 1, 1_000, 10**12])
def test_a_chain_on_schedule_keeps_its_target(height: int) -> None:
    """Counted from genesis, one interval a block is neither early nor late."""
    assert _target(height * BLOCK_INTERVAL_MS, height) == ANCHOR_TARGET


@pytest.mark.parametrize("half_lives", range(-30, 20))
def test_the_target_doubles_with_each_half_life(half_lives: int) -> None:
    """Whole half-lives shift the target by whole bits, and only those."""
    late = _target(500 * BLOCK_INTERVAL_MS + half_lives * HALF_LIFE_MS, 500)
    assert late == math.floor(ANCHOR_TARGET * Fraction(2) ** half_lives)


def test_a_quotient_is_cut_toward_zero() -> None:
    """A block early by less than one part of the fixed point counts as on time, as one late does."""
    for behind_ms in (-1, 1):
        assert _target(10 * BLOCK_INTERVAL_MS + behind_ms, 10) == ANCHOR_TARGET
    assert _target(10 * BLOCK_INTERVAL_MS - 2, 10) < ANCHOR_TARGET
    assert _target(10 * BLOCK_INTERVAL_MS + 2, 10) > ANCHOR_TARGET


def test_the_cubic_stays_within_its_documented_error() -> None:
    """Every fraction of a half-life is within 0.013 % of the exact power of two; none falls."""
    factors = [
        asert_target(
            anchor_target=2**200,
            easiest_target=EASIEST_TARGET,
            elapsed=fraction,
            height_delta=0,
            block_interval=1,
            half_life=65536,
        )
        for fraction in range(65536)
    ]
    errors = (
        abs(factor / 2 ** (200 + fraction / 65536) - 1) for fraction, factor in enumerate(factors)
    )
    assert max(errors) < 0.00013
    assert all(earlier <= later for earlier, later in pairwise(factors))


@pytest.mark.parametrize("late_ms", [10**6, 10**9, 2**63, 2**200])
def test_threat_34_the_easiest_target_is_a_limit(late_ms: int) -> None:
    """However late a chain claims to be, the target stays within its limit, and costs no memory."""
    assert _target(20 * HALF_LIFE_MS + late_ms, 0) == EASIEST_TARGET


@pytest.mark.parametrize("early_ms", [10**9, 2**63, 2**200])
def test_the_hardest_target_is_one(early_ms: int) -> None:
    """However early a chain is, some hash would still do."""
    assert _target(-early_ms, 0) == 1
