"""Targets as classes, and rows kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.models.errors import DataRefused
from analytics.models.interface import Request
from analytics.models.splitting import codes_of, labels_of, split_rows, target_of
from analytics.models.tabular import table_of
from tests.unit.analytics.models.tables import table

REQUEST = Request(target="y")


@pytest.mark.parametrize(
    ("values", "positive", "classes"),
    [
        (["good", "bad"], None, ("good", "bad")),
        (["yes", "no"], None, ("no", "yes")),
        ([0, 1], None, ("0", "1")),
        ([1.0, 2.0], None, ("1", "2")),
        ([True, False], None, ("False", "True")),
        (["x", "w"], "w", ("x", "w")),
    ],
)
def test_the_positive_class_is_last(
    values: list[Any], positive: str | None, classes: tuple[str, str]
) -> None:
    """The event of two classes is known by its word, else it is the last; who names it has it."""
    rows = table({"y": values * 20})
    assert target_of(rows, Request(target="y", positive=positive)).classes == classes


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["a"] * 40, "constant_target"),
        (["a", None] * 20, "missing_target"),
        (list(range(60)), "too_many_classes"),
        (["a"] * 40 + ["b"], "too_few_rows"),
        (["a", "b"] * 5, "too_few_rows"),
    ],
)
def test_targets_that_cannot_be_told_apart_are_refused(values: list[Any], code: str) -> None:
    """Each fault of a target has its code."""
    with pytest.raises(DataRefused) as refused:
        target_of(table({"y": values}), REQUEST)
    assert refused.value.code == code


def test_a_class_that_training_has_not_seen_is_refused() -> None:
    """Measures of rows of other classes would be of nothing."""
    assert codes_of(table({"y": [1, 0, 1]}), "y", ("0", "1")).tolist() == [1, 0, 1]
    with pytest.raises(DataRefused) as refused:
        codes_of(table({"y": [1, 2]}), "y", ("0", "1"))
    assert refused.value.code == "unknown_class"


def test_chance_keeps_the_shares_of_the_classes() -> None:
    """A fifth of each class judges, no row does both, and the seed decides which."""
    codes = np.array([0] * 80 + [1] * 20)
    rows = table({"y": codes})
    split = split_rows(rows, Request(seed=3), codes)
    assert sorted([*split.train, *split.test]) == list(range(100))
    assert codes[split.test].tolist().count(1) == 4
    again, other = (
        split_rows(rows, Request(seed=3), codes),
        split_rows(rows, Request(seed=4), codes),
    )
    assert again.test.tolist() == split.test.tolist() != other.test.tolist()


def test_time_judges_by_the_latest() -> None:
    """With a time column nothing that judges is earlier than what was learned from."""
    times = pd.Series(pd.date_range("2026-01-01", periods=50)).sample(frac=1.0, random_state=1)
    split = split_rows(table({"t": times.to_numpy()}), Request(time="t"), None)
    ordered = times.to_numpy()
    assert ordered[split.train].max() < ordered[split.test].min()
    assert len(split.test) == 10


def test_whole_numbers_are_told_as_such() -> None:
    """A prediction of classes 0 and 1 is a number; any word among them leaves all words."""
    assert labels_of(("0", "1")) == (0, 1)
    assert labels_of(("0", "01")) == ("0", "01")
    assert labels_of(("1", "many")) == ("1", "many")


def test_truth_values_are_told_as_such() -> None:
    """A prediction of a column of truth values is one, and not its name."""
    assert labels_of(("False", "True")) == (False, True)


@pytest.mark.parametrize(
    ("values", "positive", "event"),
    [([True, False], "false", "False"), ([0.0, 1.0], "0.0", "0"), (["Yes", "No"], "no", "No")],
)
def test_an_event_may_be_written_otherwise(values: list[object], positive: str, event: str) -> None:
    """`--positive false` is False, and 0.0 is 0."""
    table = table_of(pd.DataFrame({"y": values * 10}), name="events", sha256="00")
    target = target_of(table, Request(target="y", positive=positive))
    assert target.classes[1] == event
