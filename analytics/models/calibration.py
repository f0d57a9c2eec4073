"""Maps from a model's probabilities to those that come true, learned from cross-fitted ones.

sigmoid       logit q = slope · logit p + intercept                 (Platt, 1999; on log-odds)
isotonic      a rising line through pooled blocks, each at its mean (Oron and Flournoy, 2017)
temperature   q ∝ p ^ power, for several classes                    (Guo et al., 2017)
identity      for too few rows to learn a map from

A rising line keeps rows apart that isotonic steps would tie, so the ranking stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import numpy as np

CALIBRATION_ROWS_MIN: Final = 200
"""Rows below which no map is learned: it would follow their chance."""
ISOTONIC_ROWS_MIN: Final = 5_000
"""Rows from which two classes get an isotonic map instead of two parameters."""
_EDGE: Final = 1e-6
"""Distance that a probability keeps from 0 and 1 where its logarithm is taken."""
_SLOPE_MIN: Final = 0.05
_SLOPE_MAX: Final = 20.0
"""A map neither turns the order round nor makes steps of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A map of probabilities (rows, classes) to calibrated ones."""

    kind: str
    """``identity``, ``sigmoid``, ``isotonic`` or ``temperature``."""
    slope: float = 1.0
    """Factor of log-odds, or the power of a temperature."""
    intercept: float = 0.0
    """Added to log-odds."""
    points: tuple[tuple[float, float], ...] = ()
    """Probabilities and what came of them, both rising."""

    @classmethod
    def of(cls, probabilities: np.ndarray, codes: np.ndarray) -> Self:
        """Return the map for cross-fitted probabilities and what came true, chosen by size."""
        if len(codes) < CALIBRATION_ROWS_MIN:
            return cls(kind="identity")
        if probabilities.shape[1] > 2:
            return cls(kind="temperature", slope=best_power(_logs(probabilities), codes))
        if len(codes) >= ISOTONIC_ROWS_MIN:
            return cls(kind="isotonic", points=_pooled(probabilities[:, 1], codes))
        slope, intercept = best_line(_log_odds(probabilities[:, 1]), codes)
        return cls(kind="sigmoid", slope=slope, intercept=intercept)

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of the same shape."""
        import numpy as np  # noqa: PLC0415

        if self.kind == "identity":
            return probabilities
        if self.kind == "temperature":
            return softmax(self.slope * _logs(probabilities))
        positive = probabilities[:, 1]
        if self.kind == "isotonic":
            said, came = zip(*self.points, strict=True)
            calibrated = np.interp(positive, said, came)
        else:
            calibrated = sigmoid(self.slope * _log_odds(positive) + self.intercept)
        return np.stack([1.0 - calibrated, calibrated], axis=1)

    def document(self) -> Mapping[str, Any]:
        """Return the map as JSON values, which `load` takes."""
        return {**asdict(self), "points": [list(point) for point in self.points]}

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> Self:
        """Return the map of a document."""
        points = tuple((float(said), float(came)) for said, came in document["points"])
        return cls(**{**document, "points": points})


def best_line(log_odds: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept on log-odds (rows,) of least log-loss for 0 and 1."""
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import minimize  # noqa: PLC0415

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        values = line[0] * log_odds + line[1]
        miss = sigmoid(values) - codes
        gradient = np.array([(miss * log_odds).mean(), miss.mean()])
        return float((np.logaddexp(0.0, values) - codes * values).mean()), gradient

    bounds = [(_SLOPE_MIN, _SLOPE_MAX), (None, None)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])


def doubts(codes: np.ndarray) -> np.ndarray:
    """Return how much each row says for other classes than its own: 1 / (rows of its class + 2).

    Where classes part without a fault no probability would be near enough to 1; so many rows without
    a fault do not say more than this (Platt, 1999, after Laplace).
    """
    import numpy as np  # noqa: PLC0415

    return np.asarray(1.0 / (np.bincount(codes)[codes] + 2.0))


def best_power(logits: np.ndarray, codes: np.ndarray, doubt: np.ndarray | float = 0.0) -> float:
    """Return the factor of logits (rows, classes) of least log-loss.

    ``doubt`` is what each row says for the other classes together.
    """
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import minimize_scalar  # noqa: PLC0415
    from scipy.special import log_softmax  # noqa: PLC0415

    def loss(power: float) -> float:
        said = log_softmax(power * logits, axis=1)
        true = said[np.arange(len(codes)), codes]
        others = (said.sum(axis=1) - true) / (said.shape[1] - 1)
        return float(-((1.0 - doubt) * true + doubt * others).mean())

    return float(minimize_scalar(loss, bounds=(_SLOPE_MIN, _SLOPE_MAX), method="bounded").x)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-values)), without an overflow."""
    import numpy as np  # noqa: PLC0415

    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


def softmax(values: np.ndarray) -> np.ndarray:
    """Return exp(values), scaled to add up to 1 along the last axis."""
    import numpy as np  # noqa: PLC0415

    risen = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(risen / risen.sum(axis=-1, keepdims=True))


def _pooled(said: np.ndarray, codes: np.ndarray) -> tuple[tuple[float, float], ...]:
    import numpy as np  # noqa: PLC0415
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    risen = IsotonicRegression().fit_transform(said, codes)
    levels, block = np.unique(risen, return_inverse=True)
    centres = np.bincount(block, weights=said) / np.bincount(block)
    inner = [
        (float(centre), float(np.clip(level, _EDGE, 1.0 - _EDGE)))
        for centre, level in zip(centres, levels, strict=True)
    ]
    # The line rises a little on to 0 and 1, so that rows beyond all blocks stay in order.
    return (
        (0.0, min(_EDGE, inner[0][1]) / 2),
        *inner,
        (1.0, 1.0 - min(_EDGE, 1 - inner[-1][1]) / 2),
    )


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    inside = np.clip(probabilities, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _logs(probabilities: np.ndarray) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    return np.asarray(np.log(np.maximum(probabilities, _EDGE)))
