"""Proof-of-work targets: their compact form, their work, and the ASERT difficulty rule.

A target is an integer from 1 to 2^256 - 1; a block's hash, read as a big-endian integer, must not
exceed it. A header carries it as *bits*, Bitcoin's compact form: one byte of size and three bytes
of mantissa. All arithmetic is on integers, so that every node gets the same result.
"""

from typing import Final

from ledger.errors import InvalidHeader

TARGET_BITS: Final = 256
"""Width of a target, in bits."""

BITS_MAX: Final = 2**32 - 1
"""Largest value of the header's bits."""

_MANTISSA_MASK: Final = 0x007F_FFFF
_NEGATIVE_BIT: Final = 0x0080_0000

_RADIX: Final = 65536
"""One, in the fixed-point arithmetic of ASERT: 16 bits stand after the point."""


def bits_to_target(bits: int) -> int:
    """Return the target that `bits` stands for, from 1 to 2^256 - 1.

    Raises:
        InvalidHeader: with the code ``bits_range`` (not 32 bits), ``bits_negative``,
            ``bits_overflow`` or ``bits_zero``.
    """
    if not 0 <= bits <= BITS_MAX:
        raise InvalidHeader("bits_range", f"{bits} does not fit in 32 bits", bits=bits)
    size, mantissa = bits >> 24, bits & _MANTISSA_MASK
    shift = 8 * (size - 3)
    target = mantissa << shift if shift >= 0 else mantissa >> -shift
    if target == 0:
        raise InvalidHeader("bits_zero", f"bits {bits:#010x} stand for a target of 0", bits=bits)
    if bits & _NEGATIVE_BIT:
        detail = f"bits {bits:#010x} stand for a negative target"
        raise InvalidHeader("bits_negative", detail, bits=bits)
    if target.bit_length() > TARGET_BITS:
        detail = f"bits {bits:#010x} stand for a target of more than {TARGET_BITS} bits"
        raise InvalidHeader("bits_overflow", detail, bits=bits)
    return target


def target_to_bits(target: int) -> int:
    """Return the compact form of a target, rounded down to 23 significant bits or a few fewer.

    Raises:
        ValueError: `target` is not from 1 to 2^256 - 1.
    """
    if not 0 < target < 1 << TARGET_BITS:
        raise ValueError(f"a target is from 1 to 2^{TARGET_BITS} - 1, not {target}")
    size = (target.bit_length() + 7) // 8
    shift = 8 * (size - 3)
    mantissa = target >> shift if shift >= 0 else target << -shift
    if mantissa & _NEGATIVE_BIT:  # The mantissa's top bit is a sign: make room for it.
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def block_work(target: int) -> int:
    """Return the hashes that a block of this target takes on average, rounded down."""
    return (1 << TARGET_BITS) // (target + 1)


def asert_target(
    *,
    anchor_target: int,
    easiest_target: int,
    elapsed: int,
    height_delta: int,
    block_interval: int,
    half_life: int,
) -> int:
    """Return the target of the block after the one at which `elapsed` is read.

    The rule is aserti3-2d (Bitcoin Cash specification of 2020-11-15): the target doubles for each
    half-life that the chain is behind its schedule, and halves for each that it is ahead. It
    depends on the anchor and on the parent alone, never on the path between them.

    `elapsed` is the time at the parent less the time of the schedule's start, and `height_delta`
    the number of block intervals scheduled for it. Bitcoin Cash starts the schedule at the parent
    of its anchor block, so its `height_delta` is the height of the parent above the anchor, plus
    one. Our anchor is genesis, which has no parent: the schedule starts at genesis itself, and
    `height_delta` is the parent's height.

    `elapsed`, `block_interval` and `half_life` share any one unit; Sunlit's is milliseconds of the
    header's clock. The result is from 1 to `easiest_target`, not yet rounded to its compact form.
    """
    behind = elapsed - block_interval * height_delta
    exponent = _divide_toward_zero(behind * _RADIX, half_life)
    shift, fraction = exponent >> 16, exponent & (_RADIX - 1)
    # From here the target is certain to exceed every limit; the shift itself could fill memory.
    if shift > TARGET_BITS:
        return easiest_target
    scaled = anchor_target * _exponential(fraction)
    shift -= 16
    target = scaled << shift if shift >= 0 else scaled >> -shift
    return min(max(target, 1), easiest_target)


def _exponential(fraction: int) -> int:
    """Return 65536 · 2^(fraction / 65536), for fractions of 16 bits, within 0.013 %.

    The cubic and its rounding are the specification's.
    """
    cubic = 195766423245049 * fraction + 971821376 * fraction**2 + 5127 * fraction**3
    return _RADIX + (cubic + 2**47 >> 48)


def _divide_toward_zero(dividend: int, divisor: int) -> int:
    """Return the quotient as the specification's C++ truncates it; ``//`` would round down."""
    quotient = abs(dividend) // divisor
    return quotient if dividend >= 0 else -quotient
