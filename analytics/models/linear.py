"""What linear models of classes share: the fit, its probabilities and their derivatives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from analytics.models.calibration import sigmoid, softmax

if TYPE_CHECKING:
    import numpy as np

NEWTON_COLUMNS_MAX: Final = 1_000
"""Weights up to which Newton's method is used: its matrix has their square."""
ITERATIONS_MAX: Final = 1_000
"""Steps of a fit."""


def fitted(values: Any, codes: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (outputs, columns) and intercepts (outputs,): one output of two classes.

    ``values`` are (rows, columns), dense or sparse; ``strength`` is the penalty's inverse,
    scikit-learn's ``C``. Every class from 0 to the largest code is among the codes.
    """
    from scipy import sparse  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    outputs = int(codes.max()) + 1
    weights = values.shape[1] * (1 if outputs == 2 else outputs)
    is_small = weights <= NEWTON_COLUMNS_MAX and not sparse.issparse(values)
    solver = "newton-cholesky" if is_small else "lbfgs"
    regression = LogisticRegression(C=strength, solver=solver, max_iter=ITERATIONS_MAX)
    # Threads would cut sums by the number of cores, and the weights' last digits with them.
    with threadpool_limits(1), warnings.catch_warnings():
        # A fit that stops early is judged by held-out rows as any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(values, codes)
    return regression.coef_, regression.intercept_


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (rows, classes) of log-odds (rows, 1) or of logits (rows, classes)."""
    import numpy as np  # noqa: PLC0415

    if logits.shape[1] > 1:
        return softmax(logits)
    positive = sigmoid(logits[:, 0])
    return np.stack([1.0 - positive, positive], axis=1)


def slopes_of(logits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the derivatives of the chosen class's probability by each class's logit."""
    import numpy as np  # noqa: PLC0415

    probabilities = softmax(logits)
    rows = np.arange(len(logits))
    slopes = -probabilities * probabilities[rows, chosen][:, np.newaxis]
    slopes[rows, chosen] += probabilities[rows, chosen]
    return np.asarray(slopes)


def sampled(codes: np.ndarray, rows_max: int, seed: int) -> np.ndarray:
    """Return positions of at most so many rows, ascending, with the same share of each class."""
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    rows = np.arange(len(codes))
    if len(codes) <= rows_max:
        return rows
    few = np.bincount(codes).min() < 2
    taken, _ = train_test_split(
        rows, train_size=rows_max, random_state=seed, stratify=None if few else codes
    )
    return np.sort(taken)
