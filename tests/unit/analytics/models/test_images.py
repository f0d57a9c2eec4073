"""Rows as images: which columns are a series, where they stand, what their values become."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from analytics.models.columns import Column, require, survey
from analytics.models.images import KNOTS_MAX, Layout, Scores
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import table


def learned(columns: dict[str, Any]) -> tuple[Table, tuple[Column, ...], Layout]:
    """Return a table as a model takes it, its columns and their layout."""
    rows = table(columns)
    features = survey(rows, named=None).features
    known = require(rows, features)
    return known, features, Layout.of(known, features)


def numbers(count: int, seed: int = 0) -> np.ndarray:
    """Return numbers by chance."""
    return np.random.default_rng(seed).normal(size=count)


def drawn(*names: str, rows: int = 30) -> dict[str, np.ndarray]:
    """Return columns of numbers by chance."""
    return {name: numbers(rows, place) for place, name in enumerate(names)}


def series_of(layout: Layout) -> list[list[tuple[str, ...]]]:
    """Return the columns of each image's series."""
    return [[each.columns for each in image.series] for image in layout.images]


def test_columns_that_differ_in_their_last_number_are_a_series() -> None:
    """By number and not by place in the file; two are too few, and a lone one stands beside."""
    names = ["x_t10", "x_t2", "x_t1", "age", "low_1", "low_2", "q1_paid", "q2_paid", "q3_paid"]
    _, _, layout = learned(drawn(*names))
    found = {each for image in series_of(layout) for each in image}
    assert found == {("x_t1", "x_t2", "x_t10"), ("q1_paid", "q2_paid", "q3_paid")}
    assert [each.name for each in layout.beside] == ["age", "low_1", "low_2"]


def test_series_as_long_or_within_another_share_its_image() -> None:
    """PAY_0, 2, 3 stand beside BILL_1, 2, 3 by rank; a shorter one stands at its own numbers."""
    names = [f"BILL_{number}" for number in (1, 2, 3)] + [f"PAY_{number}" for number in (0, 2, 3)]
    _, _, layout = learned(drawn(*names))
    assert [(image.steps, len(image.series)) for image in layout.images] == [(3, 2)]
    _, _, layout = learned(drawn(*(f"a{n}" for n in range(1, 6)), "b2", "b3", "b5"))
    [image] = layout.images
    assert [each.places for each in image.series] == [(0, 1, 2, 3, 4), (1, 2, 4)]
    _, _, layout = learned(drawn(*(f"a{n}" for n in range(1, 6)), "b7", "b8", "b9"))
    assert [image.steps for image in layout.images] == [5, 3]


def test_words_as_marks_are_no_series() -> None:
    """Columns of 0 and 1 with one at most set stand beside: they have no order in time."""
    kinds = np.arange(60) % 4
    marks = {f"kind_{number}": (kinds == number).astype(int) for number in range(3)}
    _, _, layout = learned({**marks, "age": numbers(60)})
    assert not layout.images
    assert len(layout.beside) == 4


def test_scores_are_normal_quantiles_of_ranks() -> None:
    """Against scipy's ranks, with ties at their middle; beyond the training at its ends."""
    values = np.round(numbers(80), 1)
    scores = Scores.of(values)
    expected = norm.ppf((rankdata(values) - 0.5) / len(values))
    np.testing.assert_allclose(scores.encode(values)[:, 0], expected, atol=1e-12)
    low, high = scores.encode(np.array([-1e9, 1e9]))[:, 0]
    assert (low, high) == (expected.min(), expected.max())


def test_scores_of_many_values_are_close_to_their_ranks() -> None:
    """With fewer knots than values the line between them is near."""
    values = np.exp(3 * numbers(5_000))
    scores = Scores.of(values)
    assert len(scores.values) <= KNOTS_MAX
    expected = norm.ppf((rankdata(values) - 0.5) / len(values))
    inner = np.abs(expected) < 2
    assert np.abs(scores.encode(values)[inner, 0] - expected[inner]).max() < 0.1


def test_gaps_are_in_the_middle_and_have_a_channel() -> None:
    """A series with a gap somewhere has a channel of gaps for all its steps."""
    columns = drawn("a1", "a2", "a3", "b")
    columns["a2"][4] = np.nan
    known, _, layout = learned(columns)
    image, beside = layout.encode(known)
    assert image.shape == (30, 2, 3)
    assert (image[4, 0, 1], image[4, 1, 1]) == (0.0, 1.0)
    assert image[:, 1].sum() == 1.0
    assert beside.shape == (30, 1)


def test_each_value_has_the_column_that_it_came_from() -> None:
    """Changing a column changes the values that it owns, and no other."""
    columns = {**drawn("a1", "a2", "a3", "b1", "b2", "b3", "age"), "own": list("xyz") * 10}
    known, features, layout = learned(columns)
    names = [each.name for each in features]
    owners, before = layout.owners(names), layout.encode(known)
    for place, name in enumerate(names):
        changed = known.frame.copy()
        changed[name] = changed[name].to_numpy()[::-1]
        after = layout.encode(Table(changed, known.source))
        for owner, old, new in zip(owners, before, after, strict=True):
            assert set(owner[(old != new).any(axis=0)]) <= {place}


def test_a_layout_is_kept_as_json() -> None:
    """What is loaded gives the same values, also of words never seen."""
    columns = {**drawn("a1", "a2", "a3", "age"), "own": list("xyz") * 10}
    known, _, layout = learned(columns)
    again = Layout.load(json.loads(json.dumps(layout.document())))
    assert again == layout
    known.frame.loc[0, "own"] = "never"
    for ours, theirs in zip(layout.encode(known), again.encode(known), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.isnan(layout.encode(known)[-1][0]).sum() == 3


def test_other_rows_change_values_and_not_places() -> None:
    """Learned again, a layout has the same columns where they were."""
    _, _, layout = learned(drawn("a1", "a2", "a3", "age"))
    other = table({name: 5 + values for name, values in drawn("a1", "a2", "a3", "age").items()})
    moved = layout.again(other)
    assert series_of(moved) == series_of(layout)
    assert moved.images[0].series[0].scores != layout.images[0].series[0].scores


@pytest.mark.parametrize("name", ["7", "t", "2024"])
def test_a_name_that_is_a_number_is_no_series(name: str) -> None:
    """A bare number has nothing that says what it counts."""
    _, _, layout = learned(drawn(name, "1", "2", "3"))
    assert not layout.images
