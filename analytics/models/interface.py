"""What every model does: fit, predict, explain, evaluate, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from pandas import DataFrame

    from analytics.models.columns import Column, Excluded
    from analytics.models.tabular import Table

Progress = Callable[[str], None]
"""Takes a line that tells how far a long work has come."""
Metrics = Mapping[str, float]
"""Measures by name, of rows that were not learned from."""


class Part(StrEnum):
    """A part that a column plays, which a model may need: an option of its training."""

    TARGET = "target"
    """The column to be predicted."""
    TIME = "time"
    """The column that orders the rows."""
    TEXT = "text"
    """The column of free text."""
    HORIZON = "horizon"
    """Steps to forecast; a number and not a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a training."""

    seed: int = 0
    """Where all chance comes from: the same seed and rows give the same model."""
    target: str | None = None
    """Column to predict."""
    positive: str | None = None
    """Value of a target of two classes whose probability is the score."""
    time: str | None = None
    """Column that orders the rows; what is later judges what is learned from the earlier."""
    text: str | None = None
    """Column of free text."""
    horizon: int | None = None
    """Steps to forecast."""
    features: tuple[str, ...] | None = None
    """Columns to learn from; None: all that say something."""
    embedding: str | None = None
    """Embedding that a model of texts learns from beside their words."""
    fine_tune: bool | None = None
    """Whether the embedding learns too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a feature did to a score. The contributions of all reasons add up to the score."""

    feature: str
    """The column; in parentheses what is none: ``(baseline)``, ``(others)``."""
    value: Any
    """Its value in the row; None where there is none."""
    contribution: float
    """What it adds to the score, in the score's unit."""
    text: str
    """The same in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says of a row."""

    row: int
    """The row, from 1, below the header."""
    prediction: Any
    """The class, the number, the group, or whether it is an outlier."""
    score: Any
    """Probability of the positive class where there is one; else as the model says."""
    reasons: tuple[Reason, ...]
    """What moved it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A step of a forecast."""

    step: int
    """Steps after the last row learned from, from 1."""
    time: str
    """The step's time, ISO 8601."""
    value: float
    """The median."""
    lower: float
    """Lower end of the interval that should hold 80 of 100 values."""
    upper: float
    """Upper end of it."""
    naive: float
    """What the last value, or the last season, says: the line to beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much a model leans on a feature over all rows it was judged on."""

    feature: str
    """The column."""
    importance: float
    """Mean size of its contribution, in the score's unit."""


class Model(ABC):
    """A trained model. Subclasses are named in ``catalog`` and made by `fit` or `load` alone."""

    NAME: ClassVar[str]
    """Name in commands and folders."""
    VERSION: ClassVar[int]
    """Format of what `state` and `save_arrays` write; a folder of another one is refused."""
    PARTS: ClassVar[frozenset[Part]]
    """Parts that a training must name."""
    OPTIONS: ClassVar[frozenset[str]] = frozenset()
    """Fields of a request that are this model's own."""

    seed: int
    """Seed of the training."""
    features: tuple[Column, ...]
    """Columns learned from."""
    excluded: tuple[Excluded, ...]
    """Columns left out, and why."""
    metrics: Metrics
    """Measures on rows that were not learned from."""
    split: Mapping[str, Any]
    """How rows were kept apart, for the card."""

    @classmethod
    @abstractmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return a model learned from a table, with its `metrics` on held-out rows.

        Raises: DataRefused with what is wrong with the table for this model.
        """

    @abstractmethod
    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield a prediction for every row of a table, in order.

        Raises: DataRefused when a column is missing or of another type than in training.
        """

    @abstractmethod
    def evaluate(self, table: Table) -> Metrics:
        """Return measures of the model on a table that it has not seen.

        Raises: DataRefused as `predict`, and when the target is not there.
        """

    @abstractmethod
    def explain(self) -> tuple[Importance, ...]:
        """Return the features by importance, largest first, as measured on held-out rows."""

    @abstractmethod
    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write what JSON does not hold into files of a folder; return the rest as JSON values."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote. The caller has checked the files' hashes."""

    def document(self) -> Mapping[str, Any]:
        """Return what else there is to tell of the model, as JSON values: groups, points, orders.

        The card shows the ``tables`` among it: each has ``title``, ``note``, ``columns`` and
        ``rows``.
        """
        return {}

    def plots(self, folder: Path) -> tuple[str, ...]:
        """Write the model's figures as PNG files into a folder; return their names."""
        del folder
        return ()


class Transformer(Model):
    """A model that tells rows by other values."""

    @abstractmethod
    def transform(self, table: Table) -> DataFrame:
        """Return the rows of a table with their gaps filled, and their coordinates beside.

        Raises: DataRefused as `predict`.
        """


class Forecaster(Model):
    """A model of a series in time."""

    @abstractmethod
    def forecast(self, steps: int | None = None) -> Iterator[Forecast]:
        """Yield forecasts of the steps after the last row; ``None``: as many as the horizon.

        Raises: DataRefused (``horizon_too_long``) for more steps than the model can tell.
        """
