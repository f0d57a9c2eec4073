"""When the blocks of a market are, and which payments each holds: the same judged in memory and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from scripts.markets.payments import Planned

BEGAN_MS: Final = 1_735_689_600_000  # 2025-01-01T00:00:00Z
"""When every market begins: time of its genesis, milliseconds since 1970-01-01 UTC."""
BLOCK_MS: Final = 600_000
"""Time between two blocks while there are payments, milliseconds: two months keep within 10,000."""


class Placed(NamedTuple):
    """A payment with its number in the market."""

    number: int
    """Place in the plan, from 0."""
    payment: Planned
    """What is paid."""


class PlannedBlock(NamedTuple):
    """A block to come."""

    height: int
    """From 1 without a gap."""
    time_ms: int
    """Time of its header, milliseconds since 1970-01-01 UTC: the end of the span that it holds."""
    payments: tuple[Placed, ...]
    """At least one, in order of time."""


def planned_blocks(payments: Sequence[Planned]) -> Iterator[PlannedBlock]:
    """Yield the blocks that hold payments, which are in order of time; spans without any have none."""
    span, held, height = 0, list[Placed](), 0
    for number, payment in enumerate(payments):
        if held and payment.time_ms // BLOCK_MS != span:
            height += 1
            yield PlannedBlock(height, _end_of(span), tuple(held))
            held = []
        span = payment.time_ms // BLOCK_MS
        held.append(Placed(number, payment))
    if held:
        yield PlannedBlock(height + 1, _end_of(span), tuple(held))


def _end_of(span: int) -> int:
    return BEGAN_MS + (span + 1) * BLOCK_MS
