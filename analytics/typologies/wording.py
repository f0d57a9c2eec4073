"""Measured facts as people read them: spans in a unit that fits, and ratios that stay readable."""

from __future__ import annotations

from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

UNITS_MIN: Final = 2
"""A unit is used from this many of it on."""
TIMES_MAX: Final = 1_000
"""Ratios above this say no more than that: the past was next to nothing."""
TIMES_ROUND_MIN: Final = 10
"""From this ratio on decimals say nothing."""


def within(span_ms: int) -> str:
    """Return a span of the chain's time, such as ``within 12 seconds`` or ``within 5.8 hours``."""
    if span_ms <= 0:
        return "in one block"
    return f"within {lasting(span_ms)}"


def lasting(span_ms: int) -> str:
    """Return a length of the chain's time, such as ``12 seconds`` or ``5.8 hours``; a second at least."""
    if span_ms < UNITS_MIN * MINUTE_MS:
        seconds = round(span_ms / SECOND_MS)
        return "a second" if seconds <= 1 else f"{seconds} seconds"
    if span_ms < UNITS_MIN * HOUR_MS:
        return f"{span_ms / MINUTE_MS:.0f} minutes"
    if span_ms < UNITS_MIN * DAY_MS:
        return f"{span_ms / HOUR_MS:.1f} hours"
    return f"{span_ms / DAY_MS:.1f} days"


def times(ratio: float) -> str:
    """Return a ratio, such as ``7.3 times``, ``42 times`` or ``over 1,000 times``."""
    if ratio > TIMES_MAX:
        return f"over {TIMES_MAX:,} times"
    return f"{ratio:,.0f} times" if ratio >= TIMES_ROUND_MIN else f"{ratio:.1f} times"
