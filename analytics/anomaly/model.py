"""How far a set of deviations is from anything usual, and which of them makes it so, exactly.

Deviations are how far each measure is above its expectation, in standard deviations, cut at both
ends. Their distance is the Mahalanobis distance from 0 with the second moments of a sample. The
corr-max transformation makes of them uncorrelated parts, each of which stays as near as can be to
one deviation; the squares of the parts add up to the distance's square, which so is split among the
measures. Where a distance begins that hardly ever comes by chance is told from the tail of the
sample's own distances, by a generalised Pareto distribution.

Sources: P. H. Garthwaite and I. Koch, Evaluating the contributions of individual variables to a
quadratic form (2016); A. Siffer et al., Anomaly detection in streams with extreme value theory
(KDD 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

DEVIATION_MAX: Final = 5.0
"""Where deviations are cut: one measure alone, however large, is not much of an anomaly."""
RIDGE: Final = 0.05
"""Share of the identity in the correlations, so that measures that go together can be parted."""
TAIL: Final = (0.9, 0.99)
"""Shares of the sample between which the tail is fitted: what is farther out may be what is sought."""


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model. Squared distances are without unit."""

    transform: Matrix
    """Shape (measures, measures): deviations into parts."""
    limit: float
    """Squared distance from which a window is unusual."""

    def parts(self, deviations: Matrix) -> Matrix:
        """Return the squared parts of rows of deviations; each row adds up to its squared distance."""
        squared: Matrix = np.square(deviations @ self.transform)
        return squared


def fit(sample: Matrix, share: float, floor: float) -> Model:
    """Return the model of a sample of deviations, shape (rows, measures).

    ``share`` is how many windows in all may be beyond the limit by chance, ``floor`` the least limit.
    """
    moments = sample.T @ sample / len(sample)
    scale = np.sqrt(np.maximum(np.diag(moments), 1e-6))
    correlations = moments / np.outer(scale, scale)
    correlations = (1 - RIDGE) * correlations + RIDGE * np.eye(len(scale))
    values, vectors = np.linalg.eigh(correlations)
    inverse_root = vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T
    transform = inverse_root / scale[:, None]
    distances = np.square(sample @ transform).sum(axis=1)
    return Model(transform, max(floor, _quantile(distances, share)))


def _quantile(distances: Matrix, share: float) -> float:
    """Return the squared distance beyond which a share of all windows is.

    Squared distances have a tail that falls exponentially where deviations are normal.
    """
    near, far = (float(one) for one in np.quantile(distances, TAIL))
    decay = (far - near) / math.log((1 - TAIL[0]) / (1 - TAIL[1]))
    return far + decay * math.log((1 - TAIL[1]) / share)
