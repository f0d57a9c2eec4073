"""How well probabilities of classes do: ranking, calibration, stability.

auc       area under the ROC curve; of several classes the mean of one against the rest
ks        Kolmogorov-Smirnov: the widest gap between the events' and the others' share below a score
brier     mean squared error of the probabilities (Brier, 1950); of several classes summed over them
log_loss  mean negative logarithm of the true class's probability
accuracy  share of rows whose likeliest class is the true one
ece       expected calibration error over bands of equally many rows (Naeini et al., 2015)
psi       population stability index of scores against those of the training (Siddiqi, 2006)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import numpy as np

RELIABILITY_BANDS: Final = 10
"""Bands of equally many rows that a reliability table has."""
STABILITY_BANDS: Final = 10
"""Bands of the training's scores that the stability index compares."""
_SHARE_MIN: Final = 1e-4
"""Share that an empty band is given in the stability index, whose logarithm needs one."""
_PROBABILITY_MIN: Final = 1e-12
"""Probability that a logarithm is taken of at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where the scores of a training lay, to compare others with."""

    edges: tuple[float, ...]
    """Scores between the bands, ascending."""
    shares: tuple[float, ...]
    """Share of the training's rows in each band; one more than edges."""

    @classmethod
    def of(cls, scores: np.ndarray) -> Self:
        """Return the deciles of scores of shape (rows,)."""
        import numpy as np  # noqa: PLC0415

        inner = np.arange(1, STABILITY_BANDS) / STABILITY_BANDS
        edges = np.unique(np.quantile(scores, inner))
        return cls(edges=tuple(edges.tolist()), shares=tuple(_shares(scores, edges).tolist()))

    def stability(self, scores: np.ndarray) -> float:
        """Return the population stability index of scores: 0 the same; 0.1 some, 0.25 much shift."""
        import numpy as np  # noqa: PLC0415

        here = np.maximum(_shares(scores, np.asarray(self.edges)), _SHARE_MIN)
        there = np.maximum(np.asarray(self.shares), _SHARE_MIN)
        return float(((here - there) * np.log(here / there)).sum())


def class_measures(codes: np.ndarray, probabilities: np.ndarray) -> Mapping[str, float]:
    """Return the measures of probabilities (rows, classes) for the true classes (rows,).

    What does not exist for these rows, as the AUC when one class alone is there, is left out.
    """
    import numpy as np  # noqa: PLC0415

    true = np.maximum(probabilities[np.arange(len(codes)), codes], _PROBABILITY_MIN)
    measures: dict[str, float] = {}
    is_binary = probabilities.shape[1] == 2
    if is_binary and len(np.unique(codes)) == 2:
        measures["auc"] = area_under_curve(codes == 1, probabilities[:, 1])
        measures["ks"] = largest_gap(codes == 1, probabilities[:, 1])
    elif not is_binary:
        areas = [
            area_under_curve(codes == place, probabilities[:, place])
            for place in np.unique(codes)
            if not (codes == place).all()
        ]
        measures |= {"auc": float(np.mean(areas))} if areas else {}
    hits = np.zeros_like(probabilities)
    hits[np.arange(len(codes)), codes] = 1.0
    squared = (probabilities - hits) ** 2
    measures["brier"] = float(squared[:, 1].mean() if is_binary else squared.sum(axis=1).mean())
    measures["log_loss"] = float(-np.log(true).mean())
    measures["accuracy"] = float((probabilities.argmax(axis=1) == codes).mean())
    bands = reliability(codes, probabilities)
    gaps = [band["share"] * abs(band["predicted"] - band["observed"]) for band in bands]
    return {**measures, "ece": float(sum(gaps))}


def area_under_curve(is_event: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of pairs of an event and another row that scores order rightly."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    return float(roc_auc_score(is_event, scores))


def largest_gap(is_event: np.ndarray, scores: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov statistic between the scores of events and of the others."""
    import numpy as np  # noqa: PLC0415

    levels = np.unique(scores)
    events, others = np.sort(scores[is_event]), np.sort(scores[~is_event])
    below = np.searchsorted(events, levels, side="right") / len(events)
    below_others = np.searchsorted(others, levels, side="right") / len(others)
    return float(np.abs(below - below_others).max())


def reliability(codes: np.ndarray, probabilities: np.ndarray) -> Sequence[Mapping[str, Any]]:
    """Return what was said and what came, by bands of equally many rows.

    Of two classes it is about the positive one, of several about the likeliest.
    """
    import numpy as np  # noqa: PLC0415

    if probabilities.shape[1] == 2:
        scores, came = probabilities[:, 1], codes == 1
    else:
        scores, came = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    order = np.argsort(scores, kind="stable")
    return [
        {
            "from": float(scores[band[0]]),
            "to": float(scores[band[-1]]),
            "share": len(band) / len(scores),
            "predicted": float(scores[band].mean()),
            "observed": float(came[band].mean()),
        }
        for band in np.array_split(order, min(RELIABILITY_BANDS, len(order)))
    ]


def score_of(probabilities: np.ndarray) -> np.ndarray:
    """Return of (rows, classes) the positive class's probability, of several the likeliest's."""
    import numpy as np  # noqa: PLC0415

    is_binary = probabilities.shape[1] == 2
    return np.asarray(probabilities[:, 1] if is_binary else probabilities.max(axis=1))


def _shares(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    bands = np.searchsorted(edges, scores, side="left")
    return np.asarray(np.bincount(bands, minlength=len(edges) + 1) / len(scores))
