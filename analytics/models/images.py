"""A table's rows as images: columns that are a series by name become channels over time.

    bill_t1 bill_t2 bill_t3   paid_t1 paid_t2 paid_t3   age   housing
    └──────── image: 2 series by 3 steps ────────────┘  └── beside ──┘

Columns whose names differ in their last number alone (``PAY_0`` to ``PAY_6``, ``in_t01`` to ``in_t28``)
are a series, in the order of that number. Series with the same numbers, or with as many, are the
channels of one image. All else stands beside the images. In a table without a series the columns
themselves, in their order, are an image of one channel.

A number enters as its normal score: its rank in the training as a standard normal value, by linear
interpolation (van der Waerden, 1952), the same for all steps of a series, so that a level is the same
wherever it stands. So a sum of millions is no stronger than a rank, and values beyond those of
the training count as the farthest of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from analytics.models.columns import Column, Role
from analytics.models.design import Category

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.tabular import Table

SERIES_STEPS_MIN: Final = 3
"""Fewest columns of a series."""
KNOTS_MAX: Final = 100
"""Values of a column between which its normal scores are interpolated."""
_LAST_NUMBER: Final = re.compile(r"^(\D*(?:\d+\D+)*?)(\d+)(\D*)$")
"""What precedes the last number of a name, the number, and what follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Numbers to normal scores."""

    values: tuple[float, ...]
    """Values of the training, rising."""
    scores: tuple[float, ...]
    """Their normal scores, rising."""
    has_gaps: bool
    """Whether the training has gaps, which then have a channel of their own."""

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Return the scores of a training's values of any shape; NaN where missing.

        A value's score is the normal quantile of the share of values below it and half its equals.
        """
        import numpy as np  # noqa: PLC0415
        from scipy.special import ndtri  # noqa: PLC0415

        present = values[~np.isnan(values)]
        has_gaps = present.size < values.size
        if not present.size:
            return cls(values=(0.0,), scores=(0.0,), has_gaps=has_gaps)
        different, counts = np.unique(present, return_counts=True)
        shares = (counts.cumsum() - counts / 2) / present.size
        if len(different) > KNOTS_MAX:
            wanted = np.linspace(shares[0], shares[-1], KNOTS_MAX)
            kept = np.unique(np.abs(shares[:, np.newaxis] - wanted).argmin(axis=0))
            different, shares = different[kept], shares[kept]
        return cls(
            values=tuple(different.tolist()),
            scores=tuple(ndtri(shares).tolist()),
            has_gaps=has_gaps,
        )

    @property
    def width(self) -> int:
        """Channels: the score, and with gaps whether it is missing."""
        return 1 + self.has_gaps

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return channels (..., width) of values; a gap has the score of the middle, 0."""
        import numpy as np  # noqa: PLC0415

        is_gap = np.isnan(values)
        scores = np.interp(np.where(is_gap, 0.0, values), self.values, self.scores)
        channels = [np.where(is_gap, 0.0, scores)]
        if self.has_gaps:
            channels.append(is_gap.astype(np.float64))
        return np.stack(channels, axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series of columns in an image."""

    columns: tuple[str, ...]
    """Names, by their numbers."""
    places: tuple[int, ...]
    """Step of the image that each stands at, from 0."""
    scores: Scores
    """What their numbers become, the same for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Series side by side."""

    steps: int
    """Steps in time."""
    series: tuple[Series, ...]
    """Its series, each with its channels."""

    @property
    def channels(self) -> int:
        """Channels of all series."""
        return sum(each.scores.width for each in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A column of numbers beside the images."""

    name: str
    """The column."""
    scores: Scores
    """What its numbers become."""

    @property
    def width(self) -> int:
        """Values of a row."""
        return self.scores.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each column of a table goes."""

    images: tuple[Image, ...]
    """Images of series; none in a table without one."""
    beside: tuple[Number | Category, ...]
    """All other columns, in the table's order."""

    @classmethod
    def of(cls, table: Table, columns: Sequence[Column]) -> Self:
        """Return the layout of a training's table from `require`."""
        runs = _runs(table, columns)
        series = {name for run in runs for name in run.values()}
        return cls(
            images=tuple(_image(table, steps, placed) for steps, placed in _aligned(runs)),
            beside=tuple(_single(table, each) for each in columns if each.name not in series),
        )

    def again(self, table: Table) -> Self:
        """Return the same layout with what other rows say of values and words."""
        images = tuple(
            _image(table, image.steps, [(each.columns, each.places) for each in image.series])
            for image in self.images
        )
        columns = [
            Column(
                name=each.name,
                role=Role.CATEGORY if isinstance(each, Category) else Role.NUMBER,
            )
            for each in self.beside
        ]
        return type(self)(images=images, beside=tuple(_single(table, each) for each in columns))

    @property
    def cells(self) -> int:
        """Values that a row becomes."""
        return sum(each.channels * each.steps for each in self.images) + self.width

    @property
    def width(self) -> int:
        """Values of a row beside the images."""
        return sum(each.width for each in self.beside)

    def encode(self, table: Table) -> list[np.ndarray]:
        """Return float64 images (rows, channels, steps), then what is beside them (rows, width).

        A word that has no place is NaN throughout its column's places.
        """
        import numpy as np  # noqa: PLC0415

        encoded = []
        for image in self.images:
            pixels = np.zeros((len(table), image.channels, image.steps))
            first = 0
            for each in image.series:
                values = table.frame[list(each.columns)].to_numpy(dtype=np.float64)
                channels = each.scores.encode(values).transpose(0, 2, 1)
                pixels[:, first : first + each.scores.width, list(each.places)] = channels
                first += each.scores.width
            encoded.append(pixels)
        singles = [np.zeros((len(table), 0))]
        for single in self.beside:
            values = table.frame[single.name]
            if isinstance(single, Category):
                singles.append(single.encode(values))
            else:
                singles.append(single.scores.encode(values.to_numpy(dtype=np.float64)))
        return [*encoded, np.hstack(singles)]

    def owners(self, names: Sequence[str]) -> list[np.ndarray]:
        """Return for each value of `encode` the position of its column in names, -1 for none.

        Shapes (channels, steps) of images, then (width,).
        """
        import numpy as np  # noqa: PLC0415

        position = {name: place for place, name in enumerate(names)}
        found = []
        for image in self.images:
            owner = np.full((image.channels, image.steps), -1, dtype=np.intp)
            first = 0
            for each in image.series:
                own = [position[name] for name in each.columns]
                owner[first : first + each.scores.width, list(each.places)] = own
                first += each.scores.width
            found.append(owner)
        singles = [position[each.name] for each in self.beside]
        widths = [each.width for each in self.beside]
        return [*found, np.repeat(np.asarray(singles, dtype=np.intp), widths)]

    def document(self) -> Mapping[str, Any]:
        """Return the layout as JSON values, which `load` takes."""
        return asdict(self)

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> Self:
        """Return the layout of a document."""
        images = tuple(
            Image(steps=each["steps"], series=tuple(_load_series(one) for one in each["series"]))
            for each in document["images"]
        )
        beside: list[Number | Category] = []
        for each in document["beside"]:
            if "words" in each:
                beside.append(Category(**{**each, "words": tuple(each["words"])}))
            else:
                beside.append(Number(name=each["name"], scores=_load_scores(each["scores"])))
        return cls(images=images, beside=tuple(beside))


def _runs(table: Table, columns: Sequence[Column]) -> list[Mapping[int, str]]:
    """Return series as columns by their numbers, the longest first."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for column in columns:
        matched = _LAST_NUMBER.match(column.name)
        if matched is None or column.role is not Role.NUMBER or not (matched[1] or matched[3]):
            continue
        # Two names of one number, as a1 and a01, are no series: the first keeps the place.
        found.setdefault((matched[1], matched[3]), {}).setdefault(int(matched[2]), column.name)
    runs = [
        {number: run[number] for number in sorted(run)}
        for run in found.values()
        if len(run) >= SERIES_STEPS_MIN and not _is_one_of_many(table, list(run.values()))
    ]
    return sorted(runs, key=lambda run: -len(run))


def _is_one_of_many(table: Table, names: Sequence[str]) -> bool:
    """Tell whether columns are words as 0 and 1, at most one of them in a row."""
    import numpy as np  # noqa: PLC0415

    values = table.frame[list(names)].to_numpy(dtype=np.float64)
    is_mark = np.isin(values, (0.0, 1.0)) | np.isnan(values)
    return bool(is_mark.all() and (np.nansum(values, axis=1) <= 1.0).all())


_Placed = tuple[tuple[str, ...], tuple[int, ...]]
"""The columns of a series, and their steps."""


def _aligned(runs: Sequence[Mapping[int, str]]) -> list[tuple[int, list[_Placed]]]:
    """Return images as their steps and series: the first of each image says which numbers."""
    images: list[tuple[list[int], list[_Placed]]] = []
    for run in runs:
        columns = tuple(run.values())
        for numbers, placed in images:
            if run.keys() <= set(numbers):
                placed.append((columns, tuple(numbers.index(number) for number in run)))
                break
            if len(run) == len(numbers):
                placed.append((columns, tuple(range(len(run)))))
                break
        else:
            images.append((list(run), [(columns, tuple(range(len(run))))]))
    return [(len(numbers), placed) for numbers, placed in images]


def _image(table: Table, steps: int, placed: Sequence[_Placed]) -> Image:
    import numpy as np  # noqa: PLC0415

    def series(columns: tuple[str, ...], places: tuple[int, ...]) -> Series:
        values = table.frame[list(columns)].to_numpy(dtype=np.float64)
        return Series(columns=columns, places=places, scores=Scores.of(values))

    return Image(steps=steps, series=tuple(series(*each) for each in placed))


def _single(table: Table, column: Column) -> Number | Category:
    values = table.frame[column.name]
    if column.role is Role.CATEGORY:
        return Category.of(column.name, values)
    return Number(name=column.name, scores=Scores.of(values.to_numpy(dtype="float64")))


def _load_scores(document: Mapping[str, Any]) -> Scores:
    values, scores = (tuple(map(float, document[name])) for name in ("values", "scores"))
    return Scores(values=values, scores=scores, has_gaps=bool(document["has_gaps"]))


def _load_series(document: Mapping[str, Any]) -> Series:
    return Series(
        columns=tuple(document["columns"]),
        places=tuple(document["places"]),
        scores=_load_scores(document["scores"]),
    )
