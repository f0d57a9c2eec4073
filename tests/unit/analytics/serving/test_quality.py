"""Rows of a request unlike the training: what pandera finds in a whole table, found as fast as a score."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.models.columns import Column, Role
from analytics.models.quality import check_quality, learned_quality
from analytics.serving.quality import find_unlike
from tests.unit.analytics.models.tables import table

COLUMNS = (
    Column(name="n", role=Role.NUMBER),
    Column(name="g", role=Role.NUMBER),
    Column(name="w", role=Role.CATEGORY),
    Column(name="v", role=Role.CATEGORY),
)
SEEN: dict[str, Any] = {
    "n": [1, 5, 3, 2],
    "g": [0.5, None, 2.5, 1.0],
    "w": ["a", "b", None, "a"],
    "v": ["c", "d", "c", "d"],
}
ROW = st.fixed_dictionaries(
    {
        "n": st.sampled_from([None, 0, 1, 5, 5.5]),
        "g": st.sampled_from([None, 0.5, 2.5, 9.0]),
        "w": st.sampled_from([None, "a", "x"]),
        "v": st.sampled_from([None, "c", "y"]),
    }
)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_the_findings_are_panderas(rows: list[dict[str, Any]]) -> None:
    """The same columns, checks, rows and words, in the same order."""
    learned = json.loads(json.dumps(learned_quality(COLUMNS, table(SEEN))))
    asked = table({column.name: [row[column.name] for row in rows] for column in COLUMNS})
    assert find_unlike(learned, asked) == check_quality(learned, asked)


def test_rows_as_in_training_break_nothing() -> None:
    """A gap where training had some is none."""
    learned = learned_quality(COLUMNS, table(SEEN))
    assert find_unlike(learned, table(SEEN)) == ()
