"""What moved a prediction, as reasons that add up to its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from analytics.models.interface import Reason
from analytics.models.limits import REASONS_MAX

BASELINE: Final = "(baseline)"
"""What the model says of a row that it knows nothing of."""
OTHERS: Final = "(others)"
"""Features whose contributions are too small to be told one by one."""


def reasons_of(
    names: Sequence[str],
    values: Sequence[Any],
    contributions: Sequence[float],
    *,
    baseline: float | None,
    unit: str,
) -> tuple[Reason, ...]:
    """Return the reasons of a row, the largest first, after the baseline if there is one.

    ``contributions`` and ``baseline`` are in the score's unit, which ``unit`` names in words. What
    is beyond `REASONS_MAX` is one reason together, so that all of them add up to the score.
    """
    ranked = sorted(range(len(names)), key=lambda place: (-abs(contributions[place]), place))
    reasons = []
    if baseline is not None:
        text = f"Without knowing the row: {baseline:.4g} {unit}"
        reasons.append(
            Reason(feature=BASELINE, value=None, contribution=float(baseline), text=text)
        )
    for place in ranked[:REASONS_MAX]:
        contribution = float(contributions[place])
        value = plain_value(values[place])
        text = f"{names[place]} = {_shown(value)} {_moves(contribution)} {unit}"
        reasons.append(
            Reason(feature=names[place], value=value, contribution=contribution, text=text)
        )
    if rest := ranked[REASONS_MAX:]:
        contribution = math.fsum(contributions[place] for place in rest)
        text = f"{len(rest)} further features together {_moves(contribution)} {unit}"
        reasons.append(Reason(feature=OTHERS, value=None, contribution=contribution, text=text))
    return tuple(reasons)


def plain_value(value: Any) -> Any:
    """Return a value of a table as JSON has it: None for a gap, whole floats as integers."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return str(value)


def _moves(contribution: float) -> str:
    return f"{'adds' if contribution >= 0 else 'takes'} {abs(contribution):.4g}"


def _shown(value: Any) -> str:
    if value is None:
        return "(missing)"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
