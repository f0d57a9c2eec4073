"""The models by name. A model's file, and with it its libraries, is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

from analytics.models.errors import ExtraMissing, ModelUnusable
from analytics.models.interface import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a model is, and what it is for."""

    module: str
    """Module in this package."""
    attribute: str
    """Class in it."""
    purpose: str
    """One line for `--help` and the list of models."""
    options: tuple[str, ...]
    """Options that its training needs."""
    extra: str | None = None
    """Optional part of Sunlit with its libraries."""


CATALOG: Final[Mapping[str, Entry]] = {
    "pca": Entry(
        module="pca",
        attribute="PCA",
        purpose="Standardised columns in few coordinates, and the rows that do not fit.",
        options=(),
    ),
    "kmeans": Entry(
        module="kmeans",
        attribute="KMeans",
        purpose="Groups of alike rows, their number chosen, each described.",
        options=(),
    ),
    "logistic": Entry(
        module="logistic",
        attribute="Logistic",
        purpose="Probabilities of classes by a linear model, and points that a bank can read.",
        options=("--target",),
    ),
    "random-forest": Entry(
        module="forest",
        attribute="RandomForest",
        purpose="Probabilities of classes by many trees, tuned and calibrated.",
        options=("--target",),
    ),
    "text": Entry(
        module="text",
        attribute="Text",
        purpose="Probabilities of a text's classes, in any language, word by word.",
        options=("--text", "--target"),
    ),
    "cnn": Entry(
        module="cnn",
        attribute="CNN",
        purpose="Probabilities of classes from series of columns over time, as images.",
        options=("--target",),
        extra="deep",
    ),
    "arima": Entry(
        module="arima",
        attribute="Arima",
        purpose="A series in time with its season: forecasts with intervals.",
        options=("--time", "--target", "--horizon"),
    ),
    "autoencoder": Entry(
        module="autoencoder",
        attribute="Autoencoder",
        purpose="Rows in few coordinates by a network, their gaps filled, those that do not fit.",
        options=(),
        extra="deep",
    ),
    "lstm": Entry(
        module="lstm",
        attribute="LSTM",
        purpose="A series in time by a recurrent network: all steps at once, with bands.",
        options=("--time", "--target", "--horizon"),
        extra="deep",
    ),
}


def model_class(name: str) -> type[Model]:
    """Return the class of a model.

    Raises: ModelUnusable (``unknown_model``), ExtraMissing when its libraries are not installed.
    """
    entry = CATALOG.get(name)
    if entry is None:
        detail = f"no model {name!r}; there are {', '.join(sorted(CATALOG))}"
        raise ModelUnusable("unknown_model", detail)
    try:
        module = import_module(f"analytics.models.{entry.module}")
    except ModuleNotFoundError as error:
        if entry.extra is None:
            raise
        raise ExtraMissing(name, entry.extra) from error
    return cast("type[Model]", getattr(module, entry.attribute))
