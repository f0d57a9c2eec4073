"""Groups of alike rows by k-means (Lloyd, 1982; k-means++, Arthur and Vassilvitskii, 2007).

The number of groups is chosen: for each from 2 on, the mean silhouette (Rousseeuw, 1987) of a
sample, and the stability, the mean adjusted Rand index (Hubert and Arabie, 1985) between groupings
of resampled rows. The best silhouette among the stable ones wins; the figures of all are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from analytics.models.columns import Column, Role, require, survey
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

GROUPS_MAX: Final = 10
"""Most groups that are tried."""
GROUP_ROWS_MIN: Final = 5
"""Fewest rows a group should have on average."""
SAMPLE_ROWS_MAX: Final = 4_000
"""Rows that a number of groups is judged on: the silhouette takes their square in time."""
RESAMPLES: Final = 5
"""Resampled groupings that the stability is the mean of."""
STABILITY_MIN: Final = 0.6
"""Stability below which a number of groups is not chosen while another one is above it."""
STARTS: Final = 5
"""Starts of each grouping, of which the best is kept."""
_FILES: Final = ("encoder.skops", "groups.skops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How well a number of groups does."""

    groups: int
    """The number."""
    silhouette: float
    """Mean silhouette, -1 to 1."""
    stability: float
    """Mean adjusted Rand index between groupings of resampled rows, about 0 to 1."""
    inertia: float
    """Sum of squared distances to the centres, per row."""


class KMeans(Model):
    """k-means over standardised columns."""

    NAME: ClassVar[str] = "kmeans"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset()

    def __init__(
        self, encoder: Any, groups: Any, choices: tuple[Choice, ...], profiles: list[Any]
    ) -> None:
        self._encoder, self._groups = encoder, groups
        self._choices, self._profiles = choices, profiles

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the groups of a table; `metrics` are of rows held out of a first grouping."""
        surveyed = survey(table, named=request.features)
        split = split_rows(table, request, None)
        known = require(table, surveyed.features)
        encoder = new_encoder(surveyed.features)
        values = encoder.fit_transform(known.take(split.train).frame)
        choices = tuple(_choices(values, request.seed, progress))
        chosen = _chosen(choices)
        progress(f"{chosen.groups} groups: measuring on held-out rows")
        judged = cls(encoder, _grouped(values, chosen.groups, request.seed), choices, [])
        judged.features = surveyed.features
        metrics = judged.evaluate(known.take(split.test))
        whole = encoder.fit_transform(known.frame)
        groups = _grouped(whole, chosen.groups, request.seed)
        profiles = _profiles(known, surveyed.features, groups.labels_, chosen.groups)
        model = cls(encoder, groups, choices, profiles)
        model.seed, model.split = request.seed, split.document()
        model.features, model.excluded = surveyed.features, surveyed.excluded
        model.metrics = {
            **metrics,
            "groups": float(chosen.groups),
            "stability": chosen.stability,
        }
        return model

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield each row's group, from 0; the score is the group too.

        The reasons tell why this group and not the next: they add up to how much farther the next
        one's centre is, in squared standard deviations.
        """
        import numpy as np  # noqa: PLC0415

        known = require(table, self.features)
        names = [column.name for column in self.features]
        owner = owners(self._encoder, self.features)
        centres = self._groups.cluster_centers_
        for first in range(0, len(known), PREDICTION_ROWS):
            rows = known.take(np.arange(first, min(first + PREDICTION_ROWS, len(known))))
            values = self._encoder.transform(rows.frame)
            nearest = np.argsort(_distances(values, centres), axis=1, kind="stable")
            own, following = centres[nearest[:, 0]], centres[nearest[:, 1]]
            parts = by_column((values - following) ** 2 - (values - own) ** 2, owner, len(names))
            for place, row in enumerate(rows.frame.itertuples(index=False, name=None)):
                group, other = int(nearest[place, 0]), int(nearest[place, 1])
                yield Prediction(
                    row=first + place + 1,
                    prediction=group,
                    score=group,
                    reasons=reasons_of(
                        names,
                        row,
                        parts[place],
                        baseline=None,
                        unit=f"for group {group} rather than {other}",
                    ),
                )

    def evaluate(self, table: Table) -> Metrics:
        """Return the silhouette of the rows in these groups, and the mean squared distance."""
        import numpy as np  # noqa: PLC0415
        from sklearn.metrics import silhouette_score  # noqa: PLC0415

        values = self._encoder.transform(require(table, self.features).frame)
        distances = _distances(values, self._groups.cluster_centers_)
        labels = distances.argmin(axis=1)
        measures = {"inertia": float(distances.min(axis=1).mean())}
        sample = np.linspace(0, len(values) - 1, min(len(values), SAMPLE_ROWS_MAX)).astype(np.intp)
        # With one group there, or one row a group, there is no next group to compare with.
        if 1 < len(np.unique(labels[sample])) < len(sample):
            measures["silhouette"] = float(silhouette_score(values[sample], labels[sample]))
        return measures

    def explain(self) -> tuple[Importance, ...]:
        """Return the columns by how far the groups' centres lie apart on them."""
        import numpy as np  # noqa: PLC0415

        centres = self._groups.cluster_centers_
        sizes = np.bincount(self._groups.labels_, minlength=len(centres)) / len(
            self._groups.labels_
        )
        between = (sizes[:, np.newaxis] * (centres - sizes @ centres) ** 2).sum(axis=0)
        shares = by_column(
            between[np.newaxis], owners(self._encoder, self.features), len(self.features)
        )[0]
        ranked = np.argsort(-shares, kind="stable")
        return tuple(
            Importance(feature=self.features[place].name, importance=float(shares[place]))
            for place in ranked
        )

    def document(self) -> Mapping[str, Any]:
        """Return what was tried and the profile of each group."""
        return {
            "choices": [asdict(choice) for choice in self._choices],
            "groups": self._profiles,
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the encoder and the centres; the rest is numbers."""
        save_estimator(self._encoder, folder / _FILES[0])
        save_estimator(self._groups, folder / _FILES[1])
        return dict(self.document())

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        encoder, groups = (load_estimator(folder / name) for name in _FILES)
        choices = tuple(Choice(**choice) for choice in state["choices"])
        return cls(encoder, groups, choices, state["groups"])


def _choices(values: np.ndarray, seed: int, progress: Progress) -> Iterator[Choice]:
    import numpy as np  # noqa: PLC0415
    from sklearn.metrics import adjusted_rand_score, silhouette_score  # noqa: PLC0415

    chance = np.random.default_rng(seed)
    size = min(len(values), SAMPLE_ROWS_MAX)
    sample = values[chance.choice(len(values), size=size, replace=False)]
    resamples = [sample[chance.choice(size, size=size, replace=True)] for _ in range(RESAMPLES)]
    most = max(2, min(GROUPS_MAX, size // GROUP_ROWS_MIN, len(np.unique(sample, axis=0)) - 1))
    for groups in range(2, most + 1):
        whole = _grouped(sample, groups, seed)
        progress(f"trying {groups} of at most {most} groups")
        again = [_grouped(rows, groups, seed).predict(sample) for rows in resamples]
        yield Choice(
            groups=groups,
            silhouette=float(silhouette_score(sample, whole.labels_)),
            stability=float(np.mean([adjusted_rand_score(whole.labels_, each) for each in again])),
            inertia=float(whole.inertia_ / size),
        )


def _chosen(choices: tuple[Choice, ...]) -> Choice:
    stable = [choice for choice in choices if choice.stability >= STABILITY_MIN]
    return max(stable or choices, key=lambda choice: choice.silhouette)


def _grouped(values: np.ndarray, groups: int, seed: int) -> Any:
    from sklearn.cluster import KMeans as Groups  # noqa: PLC0415

    return Groups(n_clusters=groups, n_init=STARTS, random_state=seed).fit(values)


def _distances(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return squared distances of (rows, columns) to (groups, columns): (rows, groups)."""
    import numpy as np  # noqa: PLC0415

    return np.stack([((values - centre) ** 2).sum(axis=1) for centre in centres], axis=1)


def _profiles(
    known: Table, features: tuple[Column, ...], labels: np.ndarray, groups: int
) -> list[Any]:
    """Return size and typical values of each group: means of numbers, most usual words."""
    profiles = []
    for group in range(groups):
        rows = known.frame[labels == group]
        typical = {
            column.name: plain_value(
                rows[column.name].mean()
                if column.role is Role.NUMBER
                else rows[column.name].mode().iloc[0]
            )
            for column in features
        }
        profiles.append({"group": group, "rows": len(rows), "typical": typical})
    return profiles
