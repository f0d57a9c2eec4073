"""Rules learned with a model, and the rows that break them: counted by hand, told, never dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandera.pandas as pa
import pytest

from analytics.models.columns import Column, Role
from analytics.models.errors import DataRefused
from analytics.models.folder import load_manifest, load_model
from analytics.models.interface import Request
from analytics.models.limits import CATEGORIES_KEPT_MAX
from analytics.models.quality import Finding, _rule, check_quality, learned_quality
from tests.unit.analytics.models.tables import credit, saved, table, trained

COLUMNS = (
    Column(name="n", role=Role.NUMBER),
    Column(name="g", role=Role.NUMBER),
    Column(name="w", role=Role.CATEGORY),
)
SEEN = {"n": [1, 5, 3, 2], "g": [0.5, None, 2.5, 1.0], "w": ["a", "b", None, "a"]}


def found(columns: dict[str, Any], seen: dict[str, Any] | None = None) -> list[Finding]:
    """Return the findings in a table after a training on another, kept as JSON in between."""
    learned = json.loads(json.dumps(learned_quality(COLUMNS, table(seen or SEEN))))
    return list(check_quality(learned, table(columns)))


def test_the_rows_that_break_a_rule_are_counted() -> None:
    """Range, words and gaps; a gap where training had some is none."""
    (ranged, gaps, scaled, worded) = found(
        {"n": [0, None, 9, 3], "g": [None, 3.0, 0.5, 1.0], "w": ["a", "x", "y", "x"]}
    )
    assert (ranged.column, ranged.check, ranged.rows, ranged.first_rows) == (
        "n",
        "range",
        2,
        (1, 3),
    )
    assert ranged.text == "column n: 2 rows outside the range seen in training (1 to 5)"
    assert (gaps.column, gaps.check, gaps.first_rows, gaps.share) == ("n", "gaps", (2,), 0.25)
    assert (scaled.column, scaled.check, scaled.first_rows) == ("g", "range", (2,))
    assert (worded.column, worded.check, worded.first_rows) == ("w", "category", (2, 3, 4))


def test_what_was_learned_from_breaks_nothing() -> None:
    """The very table, a part of it, and the same numbers as text."""
    assert found(SEEN) == []
    assert found({"n": ["2", "5"], "g": [1, None], "w": [None, "b"]}) == []


def test_a_gap_among_words_is_a_gap_where_training_had_none() -> None:
    """And no word that is new."""
    seen = SEEN | {"w": ["a", "b", "a", "a"]}
    (gap,) = found({"n": [1, 2], "g": [None, 1.0], "w": ["b", None]}, seen)
    assert (gap.column, gap.check, gap.first_rows) == ("w", "gaps", (2,))


def test_columns_of_very_many_words_have_no_rule_of_words() -> None:
    """Only whether there are gaps; the folder stays small."""
    words = [f"w{at}" for at in range(CATEGORIES_KEPT_MAX + 1)]
    numbers = [float(at) for at in range(len(words))]
    learned = learned_quality(COLUMNS, table({"n": numbers, "g": numbers, "w": words}))
    assert learned["expected"][2]["categories"] is None
    rows = table({"n": [1.0, 2.0], "g": [1.0, 2.0], "w": ["new", None]})
    assert [each.check for each in check_quality(learned, rows)] == ["gaps"]


def test_findings_are_panderas() -> None:
    """The library's own verdict over many rows, counted another way by numpy."""
    chance = np.random.default_rng(3)
    seen: dict[str, Any] = {
        "n": chance.normal(size=500),
        "g": chance.normal(size=500),
        "w": ["a", "b"] * 250,
    }
    later = {"n": chance.normal(size=500) * 2, "g": chance.normal(size=500), "w": ["a", "c"] * 250}
    counted = {(each.column, each.check): each.rows for each in found(later, seen)}
    for name in ("n", "g"):
        low, high = np.min(seen[name]), np.max(seen[name])
        outside = int(((later[name] < low) | (later[name] > high)).sum())
        assert counted.get((name, "range"), 0) == outside
    assert counted["w", "category"] == 250
    assert isinstance(_rule(learned_quality(COLUMNS, table(SEEN))["expected"][0]), pa.Column)


def test_a_column_that_is_not_there_is_refused() -> None:
    """As by the model itself."""
    with pytest.raises(DataRefused) as refused:
        found({"n": [1], "w": ["a"]})
    assert refused.value.code == "missing_column"


def test_folders_keep_rules_and_predictions_keep_rows(tmp_path: Path) -> None:
    """The rules stand in ``model.json`` and the card; rows that break them are predicted."""
    request = Request(seed=1, target="failed")
    rows = credit(200)
    folder = saved(trained("logistic", rows, request), request, rows, tmp_path / "m")
    manifest = load_manifest(folder)
    expected = {each["column"]: each for each in manifest["quality"]["expected"]}
    assert expected["housing"]["categories"] == ["free", "own", "rent"]
    assert (expected["debt"]["has_gaps"], expected["age"]["has_gaps"]) == (True, False)
    assert "## Quality of the data" in (folder / "card.md").read_text("utf-8")
    later = credit(50, seed=9)
    later.frame.loc[3, "age"] = 300.0
    later.frame.loc[5, "housing"] = "boat"
    findings = {each.column: each for each in check_quality(manifest["quality"], later)}
    assert 4 in findings["age"].first_rows
    assert findings["housing"].first_rows == (6,)
    assert len(list(load_model(folder).predict(later))) == 50


def test_lists_in_a_column_are_compared_as_text() -> None:
    """Rows of a Parquet file with structures can be counted, too."""
    rows = table({"n": [1, 1, 2], "g": [1.0, 1.0, 1.0], "w": ["a", "a", "b"]})
    rows.frame["parts"] = [[1, 2], [1, 2], [3]]
    assert learned_quality(COLUMNS, rows)["duplicate_rows"] == 1
