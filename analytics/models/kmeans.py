"""Groups of alike rows by k-means (Lloyd, 1982; k-means++, Arthur and Vassilvitskii, 2007).

The number of groups is chosen: for each from 2 on, the mean silhouette (Rousseeuw, 1987) of a
sample, and the stability, the mean adjusted Rand index (Hubert and Arabie, 1985) between groupings
of resampled rows. The best silhouette among the stable ones without a group of a few rows wins; the
figures of all are kept.

A single row far out would be a group of its own and the best silhouette of all. So numbers are
brought to the fence of their column (`Fence`) before they are scaled, in training and after: rows
far out belong to the nearest group, and how many there are is told. A gap counts as the median: that
some value is missing would set its row apart from all others by more than any value does.
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
    from pandas import DataFrame

    from analytics.models.interface import Progress
    from analytics.models.tabular import Table

GROUPS_MAX: Final = 10
"""Most groups that are tried."""
GROUP_ROWS_MIN: Final = 5
"""Fewest rows of a group: a smaller one is rows far out and no group."""
SAMPLE_ROWS_MAX: Final = 4_000
"""Rows that a number of groups is judged on: the silhouette takes their square in time."""
RESAMPLES: Final = 5
"""Resampled groupings that the stability is the mean of."""
STABILITY_MIN: Final = 0.6
"""Stability below which a number of groups is not chosen while another one is above it."""
STARTS: Final = 5
"""Starts of each grouping, of which the best is kept."""
FENCE_TAIL: Final = 0.05
"""Share of the rows on each side of the quantiles from which a fence is measured."""
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
    smallest: int
    """Rows of the smallest group of the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """How far the numbers of a column tell rows apart."""

    name: str
    """The column."""
    lower: float
    """What smaller numbers count as: the 5 % quantile less the way from it to the 95 % one."""
    upper: float
    """What larger numbers count as: the 95 % quantile and the same way more."""
    rows: int
    """Rows of the training beyond it."""


class KMeans(Model):
    """k-means over standardised columns."""

    NAME: ClassVar[str] = "kmeans"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset()

    def __init__(
        self,
        encoder: Any,
        groups: Any,
        *,
        fences: tuple[Fence, ...],
        choices: tuple[Choice, ...],
        profiles: list[Any],
        sample: list[list[float]],
    ) -> None:
        """Take ``sample`` as rows of two coordinates and a group, for the scatter plot."""
        self._encoder, self._groups, self._fences = encoder, groups, fences
        self._choices, self._profiles, self._sample = choices, profiles, sample

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the groups of a table; `metrics` are of rows held out of a first grouping."""
        surveyed = survey(table, named=request.features)
        split = split_rows(table, request, None)
        known = require(table, surveyed.features)
        learned = known.take(split.train)
        fences = _fences(learned, surveyed.features)
        encoder = new_encoder(surveyed.features, has_gaps=False)
        values = encoder.fit_transform(_fenced(learned, fences))
        choices = tuple(_choices(values, request.seed, progress))
        chosen = _chosen(choices)
        progress(f"{chosen.groups} groups: measuring on held-out rows")
        groups = _grouped(values, chosen.groups, request.seed)
        judged = cls(encoder, groups, fences=fences, choices=choices, profiles=[], sample=[])
        judged.features = surveyed.features
        metrics = judged.evaluate(known.take(split.test))
        fences = _fences(known, surveyed.features)
        encoder = new_encoder(surveyed.features, has_gaps=False)
        whole = encoder.fit_transform(_fenced(known, fences))
        groups = _grouped(whole, chosen.groups, request.seed)
        model = cls(
            encoder,
            groups,
            fences=fences,
            choices=choices,
            profiles=_profiles(known, surveyed.features, groups.labels_, chosen.groups),
            sample=_drawn(whole, groups.labels_),
        )
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
            values = self._encoder.transform(_fenced(rows, self._fences))
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

        known = require(table, self.features)
        values = self._encoder.transform(_fenced(known, self._fences))
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
        """Return what was tried, the profile of each group, and the columns' fences."""
        return {
            "choices": [asdict(choice) for choice in self._choices],
            "groups": self._profiles,
            "fences": [asdict(fence) for fence in self._fences],
            "tables": [
                _choices_table(self._choices),
                _profiles_table(self._profiles),
                _fences_table(self._fences),
            ],
        }

    def plots(self, folder: Path) -> tuple[str, ...]:
        """Write the choice of the number of groups, and the rows on their two widest directions."""
        import numpy as np  # noqa: PLC0415

        from analytics.models.plotting import choice_plot, scatter_plot, written  # noqa: PLC0415

        curves = {
            "silhouette": [choice.silhouette for choice in self._choices],
            "stability": [choice.stability for choice in self._choices],
        }
        groups = len(self._profiles)
        drawn = np.asarray(self._sample)
        return written(
            folder,
            {
                "choice.png": choice_plot([c.groups for c in self._choices], curves, groups),
                "scatter.png": scatter_plot(
                    drawn[:, :2], drawn[:, 2], [f"group {place}" for place in range(groups)]
                ),
            },
        )

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the encoder and the centres; the rest is numbers."""
        save_estimator(self._encoder, folder / _FILES[0])
        save_estimator(self._groups, folder / _FILES[1])
        told = self.document()
        kept = {name: told[name] for name in ("choices", "groups", "fences")}
        return {**kept, "sample": self._sample}

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        encoder, groups = (load_estimator(folder / name) for name in _FILES)
        return cls(
            encoder,
            groups,
            fences=tuple(Fence(**fence) for fence in state["fences"]),
            choices=tuple(Choice(**choice) for choice in state["choices"]),
            profiles=state["groups"],
            sample=state["sample"],
        )


def _fences(known: Table, features: tuple[Column, ...]) -> tuple[Fence, ...]:
    """Return the fences of the numbers; a column whose quantiles are one has none."""
    fences = []
    for column in features:
        if column.role is not Role.NUMBER:
            continue
        values = known.frame[column.name]
        low, high = values.quantile(FENCE_TAIL), values.quantile(1.0 - FENCE_TAIL)
        if not high > low:
            continue
        lower, upper = float(low - (high - low)), float(high + (high - low))
        beyond = int(((values < lower) | (values > upper)).sum())
        fences.append(Fence(name=column.name, lower=lower, upper=upper, rows=beyond))
    return tuple(fences)


def _fenced(known: Table, fences: tuple[Fence, ...]) -> DataFrame:
    """Return a table's values with numbers beyond a fence brought to it."""
    within = {
        fence.name: known.frame[fence.name].clip(fence.lower, fence.upper) for fence in fences
    }
    return known.frame.assign(**within)


def _drawn(values: np.ndarray, labels: np.ndarray) -> list[list[float]]:
    """Return two coordinates and the group of a sample of rows."""
    import numpy as np  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415

    from analytics.models.plotting import sample_rows  # noqa: PLC0415

    rows = sample_rows(len(values))
    points = PCA(n_components=min(2, values.shape[1]), svd_solver="full").fit_transform(values)
    if points.shape[1] < 2:
        points = np.column_stack([points, np.zeros(len(points))])
    return [
        [float(f"{x:.6g}"), float(f"{y:.6g}"), int(group)]
        for (x, y), group in zip(points[rows], labels[rows], strict=True)
    ]


def _choices_table(choices: tuple[Choice, ...]) -> Mapping[str, Any]:
    heads = ("groups", "silhouette", "stability", "inertia", "smallest")
    rows = [
        (c.groups, f"{c.silhouette:.4f}", f"{c.stability:.4f}", f"{c.inertia:.4f}", c.smallest)
        for c in choices
    ]
    note = (
        f"The best silhouette is taken of those with a stability of {STABILITY_MIN} and "
        f"{GROUP_ROWS_MIN} rows in the smallest group, where there are any."
    )
    return {"title": "Number of groups", "note": note, "columns": heads, "rows": rows}


def _profiles_table(profiles: list[Any]) -> Mapping[str, Any]:
    names = list(profiles[0]["typical"])
    rows = [
        (each["group"], each["rows"], *(_told(each["typical"][name]) for name in names))
        for each in profiles
    ]
    note = "Medians of numbers, most usual words."
    return {"title": "Groups", "note": note, "columns": ("group", "rows", *names), "rows": rows}


def _fences_table(fences: tuple[Fence, ...]) -> Mapping[str, Any]:
    heads = ("column", "lower", "upper", "rows beyond")
    rows = [(f.name, f"{f.lower:.6g}", f"{f.upper:.6g}", f.rows) for f in fences]
    note = "Numbers beyond count as the fence, so that rows far out make no groups of their own."
    return {"title": "Fences", "note": note, "columns": heads, "rows": rows}


def _told(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


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
            smallest=int(np.bincount(whole.labels_, minlength=groups).min()),
        )


def _chosen(choices: tuple[Choice, ...]) -> Choice:
    peopled = [choice for choice in choices if choice.smallest >= GROUP_ROWS_MIN] or choices
    stable = [choice for choice in peopled if choice.stability >= STABILITY_MIN]
    return max(stable or peopled, key=lambda choice: choice.silhouette)


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
    """Return size and typical values of each group: medians of numbers, most usual words."""
    profiles = []
    for group in range(groups):
        rows = known.frame[labels == group]
        typical = {
            column.name: plain_value(
                rows[column.name].median()
                if column.role is Role.NUMBER
                else rows[column.name].mode().iloc[0]
            )
            for column in features
        }
        profiles.append({"group": group, "rows": len(rows), "typical": typical})
    return profiles
