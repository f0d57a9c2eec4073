"""What can be asked of the ledger, and the models that may answer: the one place that names them.

account-groups     accounts by their features of a week
account-outliers   the same, for what fits no group
account-warnings   features of a week, and whether an account was warned of in what followed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from analytics.errors import RequestRefused


class Series(NamedTuple):
    """A question that versions of models answer."""

    methods: tuple[str, ...]
    """Models that may answer it, the usual one first."""
    has_outcomes: bool
    """Whether it is learned from what came of accounts."""
    purpose: str
    """The question, in a sentence."""


SERIES: Final[Mapping[str, Series]] = {
    "account-groups": Series(
        ("kmeans",), False, "Groups of accounts that did alike within a week."
    ),
    "account-outliers": Series(
        ("pca", "autoencoder"), False, "Accounts whose week fits none of the usual patterns."
    ),
    "account-warnings": Series(
        ("random-forest", "logistic"),
        True,
        "Whether an account will be warned of, from what it did in the week before.",
    ),
}
"""All questions that are answered from the ledger's features of accounts."""
METHODS: Final = tuple(dict.fromkeys(name for one in SERIES.values() for name in one.methods))
"""All models that may answer some question."""


def check_series(series: str, method: str) -> None:
    """Refuse a question that is not asked here, or a model that does not answer it.

    Raises:
        RequestRefused: ``unknown_series`` or ``conflicting_parameters`` (422).
    """
    if series not in SERIES:
        detail = f"no series {series!r}; there are {', '.join(SERIES)}"
        raise RequestRefused(422, "unknown_series", detail, series=series)
    methods = SERIES[series].methods
    if method not in methods:
        detail = f"{series} is answered by {', '.join(methods)}, not by {method!r}"
        raise RequestRefused(422, "conflicting_parameters", detail, method=method)
