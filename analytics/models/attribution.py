"""What features did to a probability, from parts that add up before a bent function is applied.

Along the straight line from the baseline to the row, each part takes its share of what the function
gains (Aumann and Shapley, 1974; integrated gradients, Sundararajan et al., 2017). Of one variable
that is a common factor; of several it is an integral, taken by Gauss and Legendre's rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

_NODES: Final = 24
"""Points at which the integral along the line is taken."""
_SAME: Final = 1e-9
"""Distance below which the line has no length and the slope stands for the factor."""


def attribute(
    parts: np.ndarray, baseline: float, function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return parts (rows, columns) scaled to add up to what a function of their sum gains.

    ``function`` takes values of shape (rows,), the baseline's included.
    """
    import numpy as np  # noqa: PLC0415

    total = parts.sum(axis=1)
    is_same = np.abs(total) < _SAME
    step = np.where(is_same, 1e-5, total)
    start = np.full(len(parts), baseline)
    gain = function(start + step) - function(start)
    return np.asarray(parts * (gain / step)[:, np.newaxis])


def attribute_classes(
    parts: np.ndarray,
    baseline: np.ndarray,
    chosen: np.ndarray,
    *,
    function: Callable[[np.ndarray], np.ndarray],
    slopes: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return what each column did to the chosen class's probability: (rows, columns).

    ``parts`` are (rows, columns, classes), ``baseline`` (classes,). ``function`` takes points
    (rows, classes) to probabilities; ``slopes`` takes points and chosen classes to the derivatives
    of the chosen class's probability by each class.
    """
    import numpy as np  # noqa: PLC0415

    total = parts.sum(axis=1)
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    mean = np.zeros_like(total)
    for place, weight in zip((places + 1.0) / 2.0, weights / 2.0, strict=True):
        mean += weight * slopes(baseline + place * total, chosen)
    found = np.einsum("rcj,rj->rc", parts, mean)
    rows = np.arange(len(parts))
    gain = function(baseline + total)[rows, chosen] - function(baseline[np.newaxis])[0, chosen]
    # What the rule misses is far below what a reason shows; it goes where the most has moved.
    share = np.abs(found)
    weight_of = share / np.maximum(share.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return np.asarray(found + (gain - found.sum(axis=1))[:, np.newaxis] * weight_of)
