"""What a model's columns looked like in training, and where later rows do not: rules for pandera.

``model.json`` keeps the state of every column (`column_quality`) and, of those learned from, what they
may hold: the range of numbers, the words of categories, whether there were gaps. `check_quality` holds
another table to that. What does not fit is told and stays in: a model answers for every row, and who
reads its answers should know which of them it never saw the like of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.models.columns import MISSING, Column, Role, require
from analytics.models.limits import CATEGORIES_KEPT_MAX, NAMED_ROWS_MAX
from analytics.models.profile import column_quality

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from pandera.pandas import Column as Rule

    from analytics.models.tabular import Table

RANGE: Final = "range"
"""A number below the least or above the largest of training."""
CATEGORY: Final = "category"
"""A word that training did not have."""
GAPS: Final = "gaps"
"""A missing value where training had none."""
_RULED: Final = (Role.NUMBER, Role.CATEGORY)
"""What rules are about; free text is never the same twice."""
_NOT_NULLABLE: Final = "not_nullable"
"""What pandera calls a gap."""
_TEXTS: Final = {
    RANGE: "outside the range seen in training ({minimum:g} to {maximum:g})",
    CATEGORY: "with a value that training did not have",
    GAPS: "without a value, where training had none missing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that some rows of a column break."""

    column: str
    """The column."""
    check: str
    """`RANGE`, `CATEGORY` or `GAPS`."""
    rows: int
    """Rows that break it."""
    share: float
    """Their share of all rows, 0 to 1."""
    first_rows: tuple[int, ...]
    """The first of them, counted from 1 below the header."""
    text: str
    """The same in words."""


def learned_quality(columns: Sequence[Column], table: Table) -> Mapping[str, Any]:
    """Return what a model's folder keeps of the quality of the table that it learned from.

    ``expected`` holds the rules of the columns learned from; the rest is `column_quality`.
    """
    there = [column for column in columns if column.role in _RULED and column.name in table.columns]
    known = require(table, there).frame
    expected = [_expected(column, known[column.name]) for column in there]
    return {**column_quality(table), "expected": expected}


def check_quality(quality: Mapping[str, Any], table: Table) -> tuple[Finding, ...]:
    """Return where a table is unlike the one that a model learned from, column by column.

    Raises: DataRefused (``missing_column``, ``wrong_type``, ``infinite_values``).
    """
    import pandera.pandas as pa  # noqa: PLC0415 - imports are slow

    expected = quality["expected"]
    columns = [Column(name=each["column"], role=Role(each["role"])) for each in expected]
    frame = require(table, columns).frame.replace({MISSING: None})
    schema = pa.DataFrameSchema({each["column"]: _rule(each) for each in expected})
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return _findings(expected, error.failure_cases, len(frame))
    return ()


def merged_findings(
    quality: Mapping[str, Any], findings: Sequence[Finding], rows: int
) -> tuple[Finding, ...]:
    """Return the findings of a table of ``rows`` rows from those of its parts, in any order."""
    merged = []
    for rules in quality["expected"]:
        for check in (RANGE, CATEGORY, GAPS):
            same = [
                each for each in findings if (each.column, each.check) == (rules["column"], check)
            ]
            if same:
                count = sum(each.rows for each in same)
                places = sorted(place for each in same for place in each.first_rows)
                merged.append(finding_of(rules, check, count, places, rows))
    return tuple(merged)


def _expected(column: Column, values: Series[Any]) -> Mapping[str, Any]:
    """Return the rules of a column as JSON values, from its values in training."""
    rules: dict[str, Any] = {"column": column.name, "role": column.role.value}
    if column.role is Role.NUMBER:
        rules |= {"minimum": float(values.min()), "maximum": float(values.max())}
        return rules | {"has_gaps": bool(values.isna().any())}
    words = sorted(set(values) - {MISSING})
    # A column of very many words has new ones every day; that is no fault of the data.
    rules["categories"] = words if len(words) <= CATEGORIES_KEPT_MAX else None
    return rules | {"has_gaps": bool((values == MISSING).any())}


def _rule(expected: Mapping[str, Any]) -> Rule:
    """Return pandera's rule of a column; its checks are called as our findings are."""
    import pandera.pandas as pa  # noqa: PLC0415

    if "minimum" in expected:
        checks = [pa.Check.in_range(expected["minimum"], expected["maximum"], error=RANGE)]
    elif expected["categories"] is not None:
        checks = [pa.Check.isin(expected["categories"], error=CATEGORY)]
    else:
        checks = []
    return pa.Column(checks=checks, nullable=expected["has_gaps"])


def _findings(
    expected: Sequence[Mapping[str, Any]], failures: DataFrame, rows: int
) -> tuple[Finding, ...]:
    """Return pandera's failures, one finding for each column and check, in the columns' order."""
    failures = failures.assign(check=failures["check"].replace({_NOT_NULLABLE: GAPS}))
    found = failures.groupby(["column", "check"], sort=False)["index"]
    groups = {key: sorted(int(row) + 1 for row in places) for key, places in found}
    return tuple(
        finding_of(rules, check, len(places), places, rows)
        for rules in expected
        for check in (RANGE, CATEGORY, GAPS)
        if (places := groups.get((rules["column"], check), []))
    )


def finding_of(
    rules: Mapping[str, Any], check: str, count: int, places: Sequence[int], rows: int
) -> Finding:
    """Return the finding that ``count`` of ``rows`` rows break a check of a column's rules.

    ``places`` are the first of them, ascending, counted from 1.
    """
    return Finding(
        column=rules["column"],
        check=check,
        rows=count,
        share=round(count / rows, 6),
        first_rows=tuple(places[:NAMED_ROWS_MAX]),
        text=f"column {rules['column']}: {count} rows {_TEXTS[check].format(**rules)}",
    )
