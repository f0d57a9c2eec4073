"""Columns as a matrix, and back."""

from __future__ import annotations

import numpy as np

from analytics.models.columns import require, survey
from analytics.models.encoding import by_column, new_encoder, owners
from tests.unit.analytics.models.tables import credit, table


def test_every_encoded_column_has_its_owner() -> None:
    """A number with gaps has two columns, a category one for each word."""
    rows = credit()
    columns = survey(rows, named=("debt", "age", "housing")).features
    encoder = new_encoder(columns)
    values = encoder.fit_transform(require(rows, columns).frame)
    assert owners(encoder, columns).tolist() == [0, 0, 1, 2, 2, 2]
    np.testing.assert_allclose(values[:, :3].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(values[:, :3].std(axis=0), 1.0)
    assert new_encoder(columns, has_gaps=False).fit_transform(rows.frame).shape[1] == 5


def test_words_that_are_new_are_taken() -> None:
    """A word that training has not seen shares the place of rare ones, or has none."""
    columns = survey(table({"w": ["a", "b"] * 50}), named=None).features
    encoder = new_encoder(columns).fit(table({"w": ["a", "b"] * 50}).frame)
    assert encoder.transform(table({"w": ["c"]}).frame).tolist() == [[0.0, 0.0]]


def test_sums_by_column_keep_the_whole() -> None:
    """What the encoded columns add is what the columns add."""
    values = np.arange(12.0).reshape(2, 6)
    sums = by_column(values, np.array([0, 0, 1, 2, 2, 2]), 3)
    assert sums.tolist() == [[1.0, 2.0, 12.0], [13.0, 8.0, 30.0]]
