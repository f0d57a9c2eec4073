"""What columns are, and which are learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.models.columns import MISSING, Column, Exclusion, Role, numbers_of, require, survey
from analytics.models.errors import DataRefused
from tests.unit.analytics.models.tables import table

ROWS = 60


def test_columns_are_sorted_by_what_they_say() -> None:
    """Numbers, words and truth are learned from; names, dates, text and constants are not."""
    rows = table(
        {
            "amount": np.linspace(0, 7, ROWS) ** 2,
            "colour": ["red", "blue", "green"] * 20,
            "flag": [True, False] * 30,
            "customer_id": range(1000, 1000 + ROWS),
            "n": range(ROWS),
            "reference": [f"R{n}" for n in range(ROWS)],
            "day": pd.date_range("2026-01-01", periods=ROWS),
            "memo": [f"paid the bill number {n} at last" for n in range(ROWS)],
            "same": [3] * ROWS,
            "things": [[1, 2]] * ROWS,
        }
    )
    found = survey(rows, named=None)
    assert {column.name: column.role for column in found.features} == {
        "amount": Role.NUMBER,
        "colour": Role.CATEGORY,
        "flag": Role.NUMBER,
    }
    assert {column.name: column.reason for column in found.excluded} == {
        "customer_id": Exclusion.IDENTIFIER,
        "n": Exclusion.IDENTIFIER,
        "reference": Exclusion.IDENTIFIER,
        "day": Exclusion.TIME,
        "memo": Exclusion.TEXT,
        "same": Exclusion.CONSTANT,
        "things": Exclusion.UNSUPPORTED,
    }


def test_a_named_identifier_is_learned_from() -> None:
    """Who names a column has it; who names one that says nothing is told."""
    rows = table({"account_id": range(ROWS), "same": [1] * ROWS})
    assert survey(rows, named=("account_id",)).features[0].name == "account_id"
    with pytest.raises(DataRefused) as refused:
        survey(rows, named=("same",))
    assert refused.value.code == "wrong_type"


@pytest.mark.parametrize(
    ("columns", "named", "code"),
    [
        ({"a": [1.0, 2.0]}, ("b",), "missing_column"),
        ({"a": [1.0, 2.0]}, ("target",), "missing_column"),
        ({"a": [1.0, 1.0]}, None, "no_features"),
        ({"a": [1.0, np.inf, 3.0]}, None, "infinite_values"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    columns: dict[str, list[float]], named: tuple[str, ...] | None, code: str
) -> None:
    """Missing and constant columns and infinities have codes."""
    with pytest.raises(DataRefused) as refused:
        survey(table(columns), named=named)
    assert refused.value.code == code


def test_the_target_is_no_feature() -> None:
    """A column with a part of its own cannot be learned from too."""
    with pytest.raises(DataRefused) as refused:
        survey(table({"a": [1, 2], "y": [0, 1]}), named=("y",), reserved=("y",))
    assert refused.value.code == "target_as_feature"


def test_words_of_a_number_are_one_category() -> None:
    """1, 1.0 and "1" are one category, and gaps are one too."""
    columns = (Column(name="w", role=Role.CATEGORY),)
    for values in ([1, 2], [1.0, 2.0], ["1", "2"]):
        assert require(table({"w": values}), columns).frame["w"].tolist() == ["1", "2"]
    assert require(table({"w": ["1", None]}), columns).frame["w"].tolist() == ["1", MISSING]


def test_a_number_that_became_a_word_is_refused() -> None:
    """Rows to predict hold the types of the training."""
    columns = (Column(name="a", role=Role.NUMBER),)
    with pytest.raises(DataRefused, match="rows 2") as refused:
        require(table({"a": ["1", "many"]}), columns)
    assert refused.value.code == "wrong_type"


@pytest.mark.parametrize(
    ("values", "code"),
    [([1.0, None], "missing_values"), ([1.0, np.inf], "infinite_values"), (["x"], "wrong_type")],
)
def test_a_series_has_no_gap(values: list[object], code: str) -> None:
    """A column of which every value counts is refused with a gap, an infinity or a word."""
    with pytest.raises(DataRefused) as refused:
        numbers_of(table({"a": values}), "a", asked_by="--target")
    assert refused.value.code == code
