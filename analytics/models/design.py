"""A table as the columns of a linear model: what each column becomes, kept as JSON.

A number becomes its standardised value, a 0 or 1 for whether it is missing (if the training has
gaps) and a 0 or 1 for each of its bins. A category becomes a 0 or 1 for each word; rare words and
those never seen share a place. Whatever the training gives no place, counts as its average row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from analytics.models.columns import MISSING, Column, Role
from analytics.models.encoding import RARE_SHARE
from analytics.models.limits import CATEGORIES_MAX

if TYPE_CHECKING:
    import numpy as np
    from pandas import Series

    from analytics.models.tabular import Table

BINS: Final = 10
"""Bins of a number, of equally many rows of the training where its values allow."""
RARE: Final = "(rare or new)"
"""The place of words that are rare in the training or not in it."""


class Design(StrEnum):
    """What numbers become."""

    LINEAR = "linear"
    """Standardised values."""
    BINNED = "linear and bins"
    """Standardised values with bins beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A column of numbers."""

    name: str
    """The column."""
    mean: float
    """Mean of the values that are there."""
    deviation: float
    """Their standard deviation, 1 where it is 0."""
    has_gaps: bool
    """Whether the training has gaps, which then get a place."""
    edges: tuple[float, ...] | None
    """Ends of bins but the last, each with its end inside; None without bins."""

    @classmethod
    def of(cls, name: str, values: np.ndarray, design: Design) -> Self:
        """Return what a training's values (rows,) say; NaN where missing."""
        import numpy as np  # noqa: PLC0415

        present = values[~np.isnan(values)]
        return cls(
            name=name,
            mean=float(present.mean()) if len(present) else 0.0,
            deviation=(float(present.std()) if len(present) else 0.0) or 1.0,
            has_gaps=len(present) < len(values),
            edges=_edges(present) if design is Design.BINNED else None,
        )

    @property
    def bins(self) -> int:
        """Number of bins."""
        return 0 if self.edges is None else len(self.edges) + 1

    @property
    def width(self) -> int:
        """Columns of the design."""
        return 1 + self.has_gaps + self.bins

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the design of values (rows,), NaN throughout a row that has no place."""
        import numpy as np  # noqa: PLC0415

        is_gap = np.isnan(values)
        encoded = np.zeros((len(values), self.width))
        encoded[:, 0] = np.where(is_gap, 0.0, (values - self.mean) / self.deviation)
        if self.has_gaps:
            encoded[is_gap, 1] = 1.0
        else:
            encoded[is_gap] = np.nan
        if self.edges is not None:
            there = np.flatnonzero(~is_gap)
            bins = np.searchsorted(np.asarray(self.edges), values[there], side="left")
            encoded[there, 1 + self.has_gaps + bins] = 1.0
        return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A column of words."""

    name: str
    """The column."""
    words: tuple[str, ...]
    """Words with a place of their own, sorted."""
    has_rare: bool
    """Whether the training has words that share a place."""

    @classmethod
    def of(cls, name: str, values: Series[Any]) -> Self:
        """Return what a training's words say."""
        counts = values.value_counts()
        usual = counts[counts >= RARE_SHARE * len(values)].sort_index()
        kept = usual.sort_values(ascending=False, kind="stable").index[:CATEGORIES_MAX]
        words = tuple(sorted(map(str, kept)))
        return cls(name=name, words=words, has_rare=len(words) < len(counts))

    @property
    def width(self) -> int:
        """Columns of the design."""
        return len(self.words) + self.has_rare

    def encode(self, values: Series[Any]) -> np.ndarray:
        """Return the design of words, NaN throughout a row that has no place."""
        import numpy as np  # noqa: PLC0415

        places = {word: place for place, word in enumerate(self.words)}
        found = values.map(lambda word: places.get(word, len(self.words))).to_numpy(dtype=np.intp)
        encoded = np.zeros((len(values), len(self.words) + 1))
        encoded[np.arange(len(values)), found] = 1.0
        if self.has_rare:
            return encoded
        encoded[found == len(self.words)] = np.nan
        return encoded[:, :-1]


Term = Number | Category


def terms_of(table: Table, columns: Sequence[Column], design: Design) -> tuple[Term, ...]:
    """Return what each column of a training becomes."""
    return tuple(
        Category.of(column.name, table.frame[column.name])
        if column.role is Role.CATEGORY
        else Number.of(column.name, table.frame[column.name].to_numpy(dtype="float64"), design)
        for column in columns
    )


def encode(terms: Sequence[Term], table: Table) -> np.ndarray:
    """Return the design of a table: (rows, sum of widths); NaN where a row has no place."""
    import numpy as np  # noqa: PLC0415

    return np.hstack(
        [
            term.encode(table.frame[term.name])
            if isinstance(term, Category)
            else term.encode(table.frame[term.name].to_numpy(dtype="float64"))
            for term in terms
        ]
    )


def owners_of(terms: Sequence[Term]) -> np.ndarray:
    """Return for each column of the design the position of its term."""
    import numpy as np  # noqa: PLC0415

    return np.repeat(np.arange(len(terms)), [term.width for term in terms])


def term_document(term: Term) -> Mapping[str, Any]:
    """Return a term as JSON values."""
    if isinstance(term, Category):
        return {"name": term.name, "words": list(term.words), "has_rare": term.has_rare}
    return {
        "name": term.name,
        "mean": term.mean,
        "deviation": term.deviation,
        "has_gaps": term.has_gaps,
        "edges": None if term.edges is None else list(term.edges),
    }


def load_term(document: Mapping[str, Any]) -> Term:
    """Return the term of a document."""
    if "words" in document:
        return Category(**{**document, "words": tuple(document["words"])})
    edges = document["edges"]
    return Number(**{**document, "edges": None if edges is None else tuple(map(float, edges))})


def bins_of(term: Term, table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the bin of each row, and the bins' names: intervals, words, `MISSING`, `RARE`.

    A number without bins in the design has one bin.
    """
    import numpy as np  # noqa: PLC0415

    if isinstance(term, Category):
        places = {word: place for place, word in enumerate(term.words)}
        found = table.frame[term.name].map(lambda word: places.get(word, len(places)))
        return found.to_numpy(dtype=np.intp), (*term.words, RARE)
    values = table.frame[term.name].to_numpy(dtype="float64")
    edges = term.edges or ()
    bins = np.searchsorted(np.asarray(edges), values, side="left")
    ends = [f"{edge:.6g}" for edge in edges]
    names = ["all values"] if not ends else [f"≤ {ends[0]}"]
    names += [f"> {low} to {high}" for low, high in pairwise(ends)]
    names += [f"> {ends[-1]}"] if ends else []
    return np.where(np.isnan(values), len(names), bins), (*names, MISSING)


def _edges(present: np.ndarray) -> tuple[float, ...]:
    import numpy as np  # noqa: PLC0415

    different = np.unique(present)
    if len(different) <= BINS:
        return tuple(different[:-1].tolist())
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="lower"))
    return tuple(edges[edges < different[-1]].tolist())
