"""Where rows of a request are unlike what a model learned from, in the time that a request has.

The rules are those that a model's folder keeps, and the findings those of
`analytics.models.quality.check_quality`, which pandera makes for whole tables: it takes a second to
import and tens of milliseconds a table, where a row is scored in a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analytics.models.columns import MISSING, Column, Role, require
from analytics.models.quality import CATEGORY, GAPS, RANGE, Finding, finding_of

if TYPE_CHECKING:
    import numpy as np
    from pandas import Series

    from analytics.models.tabular import Table


def find_unlike(quality: Mapping[str, Any], table: Table) -> tuple[Finding, ...]:
    """Return where rows break the rules of a model's columns, as `check_quality` returns it.

    ``quality`` is what the model's manifest keeps; the table has all of its columns.
    """
    import numpy as np  # noqa: PLC0415 - imports are slow

    findings = []
    for rules in quality["expected"]:
        column = Column(name=rules["column"], role=Role(rules["role"]))
        values = require(table, [column]).frame[column.name]
        for check, breaks in _broken(rules, values):
            if breaks.any():
                places = [int(place) + 1 for place in np.flatnonzero(breaks)]
                findings.append(finding_of(rules, check, len(places), places, len(table)))
    return tuple(findings)


def _broken(rules: Mapping[str, Any], values: Series[Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each check of a column, and which rows break it, bool (rows,)."""
    import numpy as np  # noqa: PLC0415

    if "minimum" in rules:
        numbers = values.to_numpy(dtype="float64")
        is_gap = np.isnan(numbers)
        yield RANGE, (numbers < rules["minimum"]) | (numbers > rules["maximum"])
    else:
        is_gap = (values == MISSING).to_numpy(dtype=bool)
        if rules["categories"] is not None:
            is_known = values.isin(rules["categories"]).to_numpy(dtype=bool)
            yield CATEGORY, ~is_known & ~is_gap
    if not rules["has_gaps"]:
        yield GAPS, is_gap
