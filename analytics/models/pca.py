"""Principal components of standardised columns (Jolliffe, Principal Component Analysis, 2002).

    z = (x - mean) / deviation        standardised; a gap becomes the training's median first
    coordinates = z V                 V: the directions of largest variance, (columns, components)
    distance = z' M z                 M = V diag(1/variance) V' + (I - V V') / residual variance

The distance is Hotelling's T² on the components kept, and beside them the squared prediction error
in units of what the components left out. Its variances are robust (by medians), so that outliers do
not hide behind the spread they make themselves. A row whose logarithm of it is far from the training's
median is an outlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from analytics.models.columns import require, survey
from analytics.models.encoding import by_column, new_encoder, owners
from analytics.models.folder import load_estimator, save_estimator
from analytics.models.interface import Importance, Metrics, Model, Part, Prediction, Request
from analytics.models.limits import PREDICTION_ROWS
from analytics.models.reasons import plain_value, reasons_of
from analytics.models.splitting import split_rows

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress
    from analytics.models.tabular import Table

VARIANCE_KEPT: Final = 0.95
"""Share of the variance that the components kept hold at least."""
COMPONENTS_MIN: Final = 2
"""Components kept at least, where there are as many columns: a scatter plot needs two."""
OUTLIER_DEVIATIONS: Final = 4.0
"""Robust deviations of a row's log distance from the median that make it an outlier."""
VARIANCE_FLOOR: Final = 0.01
"""Share of the plain variance that a robust one is at least."""
_NORMAL_MAD: Final = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""
_FILES: Final = ("encoder.skops", "components.skops")
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distance:
    """What a training says of ordinary distances, in logarithms."""

    variances: tuple[float, ...]
    """Robust variance of each component kept."""
    residual: float
    """Robust variance of a direction that was left out; 0 when none was."""
    median: float
    """Median of the training's log distances."""
    deviation: float
    """Their robust standard deviation."""


class PCA(Model):
    """Principal components, kept to `VARIANCE_KEPT` of the variance."""

    NAME: ClassVar[str] = "pca"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset()

    def __init__(self, encoder: Any, components: Any, distance: _Distance) -> None:
        self._encoder, self._components, self._distance = encoder, components, distance
        self.sample: list[list[float]] = []

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the components of a table; `metrics` are of rows held out of a first fit."""
        surveyed = survey(table, named=request.features, takes_categories=False)
        split = split_rows(table, request, None)
        known = require(table, surveyed.features)
        progress("measuring on held-out rows")
        judged = cls._learn(known.take(split.train), surveyed.features)
        metrics = judged.evaluate(known.take(split.test))
        progress("learning from all rows")
        model = cls._learn(known, surveyed.features)
        components = len(model.document()["explained_variance"])
        model.sample = model.drawn(known)
        model.seed, model.split, model.excluded = request.seed, split.document(), surveyed.excluded
        model.metrics = {**metrics, "components": float(components)}
        return model

    @classmethod
    def _learn(cls, known: Table, features: Any) -> Self:
        import numpy as np  # noqa: PLC0415
        from sklearn.decomposition import PCA as Components  # noqa: N811, PLC0415

        encoder = new_encoder(features)
        values = encoder.fit_transform(known.frame)
        whole = Components(svd_solver="full").fit(values)
        held = np.cumsum(whole.explained_variance_ratio_)
        kept = int(np.searchsorted(held, VARIANCE_KEPT)) + 1
        kept = min(max(kept, COMPONENTS_MIN), values.shape[1], len(values))
        components = Components(n_components=kept, svd_solver="full").fit(values)
        variances, residual = _spread(components, values)
        distance = _Distance(variances=variances, residual=residual, median=0.0, deviation=1.0)
        model = cls(encoder, components, distance)
        model.features = features
        logs = np.log(np.maximum(model._parts(values).sum(axis=1), _TINY))
        median = float(np.median(logs))
        deviation = max(float(np.median(np.abs(logs - median))) * _NORMAL_MAD, _TINY)
        model._distance = replace(distance, median=median, deviation=deviation)
        return model

    def _parts(self, values: np.ndarray) -> np.ndarray:
        """Return what each encoded column adds to each row's distance, shape (rows, encoded)."""
        import numpy as np  # noqa: PLC0415

        centred = values - self._components.mean_
        directions = self._components.components_
        coordinates = centred @ directions.T
        weighted = (coordinates / np.asarray(self._distance.variances)) @ directions
        if self._distance.residual > _TINY:
            weighted += (centred - coordinates @ directions) / self._distance.residual
        return np.asarray(centred * weighted)

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield whether each row is an outlier; the score is its coordinates.

        The reasons add up to the distance that decides.
        """
        import numpy as np  # noqa: PLC0415

        known = require(table, self.features)
        names = [column.name for column in self.features]
        owner = owners(self._encoder, self.features)
        for first in range(0, len(known), PREDICTION_ROWS):
            rows = known.take(np.arange(first, min(first + PREDICTION_ROWS, len(known))))
            values = self._encoder.transform(rows.frame)
            coordinates = self._components.transform(values)
            parts = by_column(self._parts(values), owner, len(names))
            is_outlier = self._is_outlier(parts.sum(axis=1))
            for place, row in enumerate(rows.frame.itertuples(index=False, name=None)):
                yield Prediction(
                    row=first + place + 1,
                    prediction="outlier" if is_outlier[place] else "ordinary",
                    score=[round(float(value), 12) for value in coordinates[place]],
                    reasons=reasons_of(
                        names, row, parts[place], baseline=None, unit="of its distance"
                    ),
                )

    def _is_outlier(self, distances: np.ndarray) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        logs = np.log(np.maximum(distances, _TINY))
        limit = self._distance.median + OUTLIER_DEVIATIONS * self._distance.deviation
        return np.asarray(logs > limit)

    def evaluate(self, table: Table) -> Metrics:
        """Return the share of variance explained, the reconstruction error and of outliers."""
        import numpy as np  # noqa: PLC0415

        values = self._encoder.transform(require(table, self.features).frame)
        again = self._components.inverse_transform(self._components.transform(values))
        error = float(np.mean((values - again) ** 2))
        spread = float(np.mean((values - self._components.mean_) ** 2))
        outliers = self._is_outlier(self._parts(values).sum(axis=1))
        return {
            "explained_variance": 1.0 - error / spread if spread > 0 else 1.0,
            "reconstruction_error": error,
            "outlier_share": float(outliers.mean()),
        }

    def explain(self) -> tuple[Importance, ...]:
        """Return the columns by their share of the variance that the components hold."""
        import numpy as np  # noqa: PLC0415

        weights = self._components.explained_variance_
        shares = (self._components.components_**2 * weights[:, np.newaxis]).sum(axis=0)
        shares = by_column(
            shares[np.newaxis] / shares.sum(),
            owners(self._encoder, self.features),
            len(self.features),
        )[0]
        ranked = np.argsort(-shares, kind="stable")
        return tuple(
            Importance(feature=self.features[place].name, importance=float(shares[place]))
            for place in ranked
        )

    def document(self) -> Mapping[str, Any]:
        """Return the components: variances, shares and loadings."""
        encoded = [str(name) for name in self._encoder.get_feature_names_out()]
        owner = owners(self._encoder, self.features)
        names = [
            self.features[place].name + (" (missing)" if "missingindicator" in name else "")
            for name, place in zip(encoded, owner, strict=True)
        ]
        return {
            "explained_variance_ratio": _plain(self._components.explained_variance_ratio_),
            "explained_variance": _plain(self._components.explained_variance_),
            "loadings": [
                dict(zip(names, _plain(row), strict=True)) for row in self._components.components_
            ],
        }

    def plots(self, folder: Path) -> tuple[str, ...]:
        """Write the scree of the components, and rows on the first two with outliers marked."""
        import numpy as np  # noqa: PLC0415

        from analytics.models.plotting import scatter_plot, scree_plot, written  # noqa: PLC0415

        shares = _plain(self._components.explained_variance_ratio_)
        drawn, names = np.asarray(self.sample), ("ordinary", "outlier")
        return written(
            folder,
            {
                "scree.png": scree_plot(shares),
                "scatter.png": scatter_plot(drawn[:, :2], drawn[:, 2], names, shares),
            },
        )

    def drawn(self, known: Table) -> list[list[float]]:
        """Return two coordinates of a sample of rows, and 1 for each that is an outlier."""
        from analytics.models.plotting import sample_rows  # noqa: PLC0415

        values = self._encoder.transform(known.take(sample_rows(len(known))).frame)
        coordinates = self._components.transform(values)
        is_outlier = self._is_outlier(self._parts(values).sum(axis=1))
        return [
            [float(f"{row[0]:.6g}"), float(f"{row[1]:.6g}") if len(row) > 1 else 0.0, int(outlier)]
            for row, outlier in zip(coordinates, is_outlier, strict=True)
        ]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the encoder and the components; the rest is numbers."""
        save_estimator(self._encoder, folder / _FILES[0])
        save_estimator(self._components, folder / _FILES[1])
        return {"distance": asdict(self._distance), "sample": self.sample}

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        encoder, components = (load_estimator(folder / name) for name in _FILES)
        distance = state["distance"]
        variances = tuple(distance["variances"])
        model = cls(encoder, components, _Distance(**{**distance, "variances": variances}))
        model.sample = state["sample"]
        return model


def _spread(components: Any, values: np.ndarray) -> tuple[tuple[float, ...], float]:
    """Return robust variances of the components kept and of a direction that was left out.

    A variance is that of the medians, but at least `VARIANCE_FLOOR` of the plain one: where most
    rows have the same value the medians say nothing.
    """
    import numpy as np  # noqa: PLC0415

    coordinates = components.transform(values)
    middle = np.median(np.abs(coordinates - np.median(coordinates, axis=0)), axis=0)
    plain = np.maximum(components.explained_variance_, _TINY)
    variances = np.maximum((middle * _NORMAL_MAD) ** 2, VARIANCE_FLOOR * plain)
    left_out = values.shape[1] - components.n_components_
    if not left_out:
        return tuple(variances.tolist()), 0.0
    squares = ((values - components.inverse_transform(coordinates)) ** 2).sum(axis=1)
    # The median of a chi-square of k degrees of freedom is near k (1 - 2 / 9k)³ (Wilson, Hilferty).
    usual = float(np.median(squares)) / (left_out * (1.0 - 2.0 / (9.0 * left_out)) ** 3)
    residual = max(usual, VARIANCE_FLOOR * float(components.noise_variance_))
    return tuple(variances.tolist()), residual


def _plain(values: Any) -> list[Any]:
    return [plain_value(value) for value in values]
