"""Columns as terms of a linear model."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.models.columns import Column, Role
from analytics.models.design import (
    BINS,
    RARE,
    Design,
    bins_of,
    encode,
    load_term,
    owners_of,
    term_document,
    terms_of,
)
from tests.unit.analytics.models.tables import table

NUMBER = (Column(name="n", role=Role.NUMBER),)
WORD = (Column(name="w", role=Role.CATEGORY),)


def test_bins_hold_equally_many_rows() -> None:
    """Ten bins of a smooth number hold a tenth each, and a row stands in one of them."""
    rows = table({"n": np.random.default_rng(0).exponential(size=1_000)})
    [term] = terms_of(rows, NUMBER, Design.BINNED)
    encoded = encode([term], rows)
    assert encoded.shape == (1_000, 1 + BINS)
    np.testing.assert_allclose(encoded[:, 1:].mean(axis=0), 0.1, atol=0.002)
    assert (encoded[:, 1:].sum(axis=1) == 1).all()
    assert load_term(term_document(term)) == term


def test_values_that_are_few_are_bins_each() -> None:
    """A number with three values has three bins, each named by its ends."""
    rows = table({"n": [0.0, 1.0, 2.0] * 30})
    [term] = terms_of(rows, NUMBER, Design.BINNED)
    bins, names = bins_of(term, rows)
    assert bins[:3].tolist() == [0, 1, 2]
    assert names[:3] == ("≤ 0", "> 0 to 1", "> 1")


def test_a_mass_at_one_value_is_a_bin() -> None:
    """Most accounts with nothing on them make one bin, without empty ones beside it."""
    values = np.concatenate([np.zeros(800), np.arange(1.0, 201.0)])
    [term] = terms_of(table({"n": values}), NUMBER, Design.BINNED)
    bins, _ = bins_of(term, table({"n": values}))
    assert np.bincount(bins)[0] == 800
    assert (np.bincount(bins) > 0).all()


@pytest.mark.parametrize("design", Design)
def test_gaps_have_a_place_when_training_has_them(design: Design) -> None:
    """A gap that training never had has no place; else it is a 1 and nothing else."""
    rows = table({"n": [1.0, 2.0, None, 4.0] * 10})
    [term] = terms_of(rows, NUMBER, design)
    assert encode([term], rows)[2].tolist() == [0.0, 1.0, *[0.0] * (term.width - 2)]
    [other] = terms_of(table({"n": [1.0, 2.0, 3.0]}), NUMBER, design)
    assert np.isnan(encode([other], rows)[2]).all()


def test_rare_words_share_a_place() -> None:
    """A word of one row in two hundred, and one that is new, are the rare one."""
    rows = table({"w": ["a"] * 120 + ["b"] * 79 + ["c"]})
    [term] = terms_of(rows, WORD, Design.LINEAR)
    assert encode([term], table({"w": ["a", "c", "z"]})).tolist() == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
    ]
    assert bins_of(term, table({"w": ["z"]}))[1][-1] == RARE
    assert load_term(term_document(term)) == term
    assert owners_of([term, term]).tolist() == [0, 0, 0, 1, 1, 1]
