"""The state of columns: gaps, repetition, values far out."""

from __future__ import annotations

from analytics.models.profile import column_quality, quality_table
from tests.unit.analytics.models.tables import table


def test_faults_of_a_table_are_counted() -> None:
    """Gaps, outliers and repeated rows are counted where they are."""
    rows = table(
        {
            "n": [1.0, 2.0, 3.0, 4.0, None, 900.0, 1.0],
            "w": ["a", "b", "a", "a", None, "c", "a"],
        }
    )
    quality = column_quality(rows)
    number, word = quality["columns"]
    assert (quality["rows"], quality["duplicate_rows"]) == (7, 1)
    assert (number["gaps"], number["different"], number["outliers"]) == (1, 5, 1)
    assert (word["gaps"], word["different"], word["outliers"]) == (1, 3, None)
    assert word["usual_share"] == 0.571429
    assert quality_table(quality)["rows"][1] == ["w", 1, 3, 0.571429, ""]
