"""The state of a table's columns: gaps, values far out, repetition; what a model's card tells."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from analytics.models.tabular import Table

FAR_QUARTILE_RANGES: Final = 3.0
"""Ranges between the quartiles beyond them from which a number is far out (Tukey, 1977)."""


def column_quality(table: Table) -> Mapping[str, Any]:
    """Return for each column its gaps, different values, most usual value's share and outliers.

    ``duplicate_rows`` counts rows that are the same as an earlier one in every column.
    """
    return {
        "rows": len(table),
        "duplicate_rows": int(_comparable(table.frame).duplicated().sum()),
        "columns": [_quality(table.frame[name], name) for name in table.columns],
    }


def quality_table(quality: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the quality of columns as a table for the card."""
    heads = ("column", "gaps", "different", "usual_share", "outliers")
    note = (
        f"{quality['duplicate_rows']} rows repeat an earlier one. Outliers are numbers more than "
        f"{FAR_QUARTILE_RANGES:g} ranges between the quartiles beyond them."
    )
    rows = [
        ["" if each[head] is None else each[head] for head in heads] for each in quality["columns"]
    ]
    return {"title": "Quality of the data", "note": note, "columns": heads, "rows": rows}


def _comparable(frame: DataFrame) -> DataFrame:
    """Return a frame whose values can be compared: lists and structures as their text."""

    def as_text(values: Series[Any]) -> Series[Any]:
        is_plain = values.dtype != object or values.map(lambda one: isinstance(one, Hashable)).all()
        return values if is_plain else values.map(repr)

    return frame.apply(as_text)


def _quality(values: Series[Any], name: str) -> Mapping[str, Any]:
    from pandas.api import types  # noqa: PLC0415

    present = values.dropna()
    counts = present.map(repr).value_counts() if values.dtype == object else present.value_counts()
    outliers = None
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        low, high = present.quantile(0.25), present.quantile(0.75)
        reach = FAR_QUARTILE_RANGES * (high - low)
        outliers = int(((present < low - reach) | (present > high + reach)).sum())
    return {
        "column": name,
        "gaps": len(values) - len(present),
        "different": len(counts),
        "usual_share": round(float(counts.iloc[0] / len(values)), 6) if len(counts) else 0.0,
        "outliers": outliers,
    }
