"""What an evaluation reports: figures of a model beside a baseline on the same data and split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Progress = Callable[[str], None]
"""Takes a line that tells how far a long work has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measure of a model and of its baseline."""

    model: str
    """Name of the model, as `sunlit analytics train` takes it."""
    data: str
    """Name of the data set."""
    measure: str
    """What is measured, and how."""
    ours: float
    """The model's."""
    baseline: float | None
    """The baseline's on the same rows; None where the measure has none."""
    beside: str
    """What the baseline is."""


Evaluation = Callable[[Progress], Iterator[Figure]]
"""Yields figures as they come."""
