"""What can go wrong between a table and a model.

AnalyticsError
└── ModelError
    ├── DataRefused      the table cannot be used for this: the user mends the data or the options
    ├── ModelUnusable    the folder holds no model that can be used: train again or restore it
    └── ExtraMissing     the model needs an optional part of Sunlit that is not installed
"""

from __future__ import annotations

from analytics.errors import AnalyticsError


class ModelError(AnalyticsError):
    """Base of every fault of models and their data."""


class DataRefused(ModelError):
    """A table, or an option about it, that a model cannot use; says which column and rows."""


class ModelUnusable(ModelError):
    """A folder that holds no whole model, or one of another format."""


class ExtraMissing(ModelError):
    """A model whose libraries are not installed."""

    def __init__(self, model: str, extra: str) -> None:
        super().__init__(
            "extra_missing",
            f"{model} needs libraries that are optional: pip install 'sunlit[{extra}]'",
            model=model,
            extra=extra,
        )
