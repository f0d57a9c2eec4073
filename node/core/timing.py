"""The two clocks that a node is given, and how a step of one of them is noticed.

The wall clock says what time it is for everyone; operators and NTP may set it back or ahead by
hours. The monotonic clock says only how much time passed, and always goes forward. Every wait,
timeout, rate and patience goes by the monotonic one. The wall clock decides two things: the time
that our own blocks carry, and which headers are from the future.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.core import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One moment, on both clocks."""

    wall_ms: int
    """Milliseconds since 1970-01-01 UTC."""
    monotonic_ms: int
    """Milliseconds since some moment of this run of the node; never goes back."""


class StepWatch:
    """Notices when the wall clock is set, against the monotonic one."""

    def __init__(self) -> None:
        self._offset_ms: int | None = None

    def step_ms(self, now: Now) -> int | None:
        """Return how far the wall clock stepped since it last did, forward positive; else None.

        Small steps add up, so that a clock cannot be led away unnoticed.
        """
        offset_ms = now.wall_ms - now.monotonic_ms
        if self._offset_ms is None:
            self._offset_ms = offset_ms
        step_ms = offset_ms - self._offset_ms
        if abs(step_ms) <= limits.CLOCK_STEP_MS_MAX:
            return None
        self._offset_ms = offset_ms
        return step_ms
