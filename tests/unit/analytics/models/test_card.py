"""A card tells everything a reader must know, in tables that no name can break."""

from __future__ import annotations

from typing import Any

from analytics.models.card import card_text

MANIFEST: dict[str, Any] = {
    "model": "logistic",
    "seed": 7,
    "data": {"name": "loans.csv", "rows": 100, "sha256": "ab" * 32},
    "request": {"seed": 7, "target": "failed"},
    "quality": {
        "duplicate_rows": 3,
        "columns": [
            {"column": "debt", "gaps": 2, "different": 9, "usual_share": 0.5, "outliers": 1}
        ],
    },
    "split": {"how": "by chance"},
    "features": [{"name": "debt", "role": "number"}],
    "excluded": [{"name": "id", "reason": "identifier"}],
    "metrics": {"auc": 0.75},
    "importances": [{"feature": "debt", "importance": 0.5}],
    "document": {
        "tables": [{"title": "Points", "note": "N", "columns": ["a", "b"], "rows": [["x|y\nz", 1]]}]
    },
}


def test_a_card_is_complete() -> None:
    """Data, split, columns, measures, importances, tables and limits are all there."""
    text = card_text(MANIFEST)
    for part in (
        "loans.csv",
        "ab" * 32,
        "by chance",
        "Seed: 7",
        "Target: failed",
        "id (identifier)",
    ):
        assert part in text
    for line in (
        "| auc | 0.75 |",
        "| debt | 0.5 |",
        "| debt | 2 | 9 | 0.5 | 1 |",
        "## Points",
        "## Limits of its use",
    ):
        assert line in text.splitlines()


def test_a_cell_stays_a_cell() -> None:
    """A category with a bar or a line end does not make another cell or row."""
    assert r"| x\|y z | 1 |" in card_text(MANIFEST).splitlines()
