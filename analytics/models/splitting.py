"""Rows to learn from, to choose by and to be judged on; by time where time matters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.models.errors import DataRefused
from analytics.models.interface import Request
from analytics.models.limits import CLASS_ROWS_MIN, CLASSES_MAX, ROWS_MIN
from analytics.models.tabular import Table, refuse_rows
from analytics.models.times import later_last

if TYPE_CHECKING:
    import numpy as np

TEST_SHARE: Final = 0.2
"""Share of rows that judge, which nothing is learned from or chosen by."""
_POSITIVE_WORDS: Final = (
    "true", "yes", "y", "t", "bad", "default", "fraud", "positive", "anomaly", "high",
)  # fmt: skip
"""Values that mean the event of a target of two classes, whatever their order."""
_TRUTH: Final = {"False": False, "True": True}
"""Classes of a column of truth values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Positions of rows, kept apart."""

    train: np.ndarray
    """Rows to learn from; models that choose split these again."""
    test: np.ndarray
    """Rows that judge."""
    how: str
    """In words, for the card."""

    def document(self) -> Mapping[str, Any]:
        """Return the split for the card, as JSON values."""
        return {"train": len(self.train), "test": len(self.test), "how": self.how}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The column to predict, as classes."""

    name: str
    """The column."""
    classes: tuple[str, ...]
    """Its values as text; of two classes the second is the positive one."""
    codes: np.ndarray
    """The class of each row by position in ``classes``, shape (rows,)."""

    @property
    def is_binary(self) -> bool:
        """Whether there is a positive class."""
        return len(self.classes) == 2


def target_of(table: Table, request: Request) -> Target:
    """Return the classes of a table's target.

    Raises: DataRefused (``missing_column``, ``missing_target``, ``constant_target``,
    ``too_many_classes``, ``too_few_rows``, ``unknown_class``).
    """
    import numpy as np  # noqa: PLC0415

    name = _name(request)
    values = table.column(name, asked_by="--target")
    words = _class_words(values, name)
    counts = words.value_counts()
    if len(counts) < 2:
        detail = f"{name!r} is {counts.index[0]!r} in every row: there is nothing to tell apart"
        raise DataRefused("constant_target", detail, column=name)
    if len(counts) > CLASSES_MAX:
        detail = f"{name!r} has {len(counts)} different values; classes are at most {CLASSES_MAX}"
        raise DataRefused("too_many_classes", detail, column=name, classes=len(counts))
    if len(table) < ROWS_MIN or counts.min() < CLASS_ROWS_MIN:
        detail = (
            f"{len(table)} rows, {counts.min()} of class {counts.idxmin()!r}; at least {ROWS_MIN} "
            f"rows and {CLASS_ROWS_MIN} of each class are needed"
        )
        raise DataRefused("too_few_rows", detail, rows=len(table))
    classes = _ordered(sorted(counts.index, key=_natural), request.positive, name)
    places = {word: place for place, word in enumerate(classes)}
    return Target(name=name, classes=classes, codes=np.asarray(words.map(places), dtype=np.intp))


def codes_of(table: Table, name: str, classes: tuple[str, ...]) -> np.ndarray:
    """Return the classes of a table's target by position in those of the training.

    Raises: DataRefused (``missing_column``, ``missing_target``, ``unknown_class``).
    """
    import numpy as np  # noqa: PLC0415

    words = _class_words(table.column(name, asked_by="the model's target"), name)
    places = {word: place for place, word in enumerate(classes)}
    codes = words.map(places)
    refuse_rows(
        "unknown_class", f"{name!r} is none of {', '.join(classes)}", codes.isna().to_numpy()
    )
    return np.asarray(codes, dtype=np.intp)


def labels_of(classes: tuple[str, ...]) -> tuple[str | int | bool, ...]:
    """Return classes as a prediction tells them: whole numbers and truth values as such."""
    if set(classes) == set(_TRUTH):
        return tuple(_TRUTH[word] for word in classes)
    if all(re.fullmatch(r"-?(?:0|[1-9]\d{0,17})", word) for word in classes):
        return tuple(int(word) for word in classes)
    return classes


def split_rows(table: Table, request: Request, codes: np.ndarray | None) -> Split:
    """Return which rows learn and which judge.

    With a time column the latest `TEST_SHARE` judge; else chance by the seed decides, with the
    same share of each class in both.

    Raises: DataRefused (``too_few_rows``, ``missing_column``, ``missing_values``, ``wrong_type``).
    """
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    if len(table) < ROWS_MIN:
        detail = f"{len(table)} rows; at least {ROWS_MIN} are needed"
        raise DataRefused("too_few_rows", detail, rows=len(table))
    if request.time is not None:
        order = later_last(table, request.time)
        first = len(order) - max(1, round(len(order) * TEST_SHARE))
        how = f"by {request.time}: the latest {TEST_SHARE:.0%} of the rows judge"
        return Split(train=order[:first], test=order[first:], how=how)
    train, test = train_test_split(
        np.arange(len(table)), test_size=TEST_SHARE, random_state=request.seed, stratify=codes
    )
    how = f"by chance (seed {request.seed}): {TEST_SHARE:.0%} of the rows judge"
    if codes is not None:
        how += ", with the same share of each class"
    return Split(train=np.sort(train), test=np.sort(test), how=how)


def _name(request: Request) -> str:
    if request.target is None:
        raise DataRefused("missing_option", "name the column to predict with --target COLUMN")
    return request.target


def _class_words(values: Any, name: str) -> Any:
    refuse_rows("missing_target", f"{name!r} has no value", values.isna().to_numpy())
    return values.map(
        lambda value: (
            str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        )
    )


def _ordered(words: list[str], positive: str | None, name: str) -> tuple[str, ...]:
    """Return the classes with the positive one of two last."""
    if positive is not None and positive not in words:
        # As it is written elsewhere: true for True, 1.0 for 1.
        same = [word for word in words if _same(word, positive)]
        positive = same[0] if len(same) == 1 else positive
    if positive is not None and positive not in words:
        detail = f"--positive {positive!r}: {name!r} has {', '.join(words)}"
        raise DataRefused("unknown_class", detail, column=name)
    if len(words) != 2:
        return tuple(words)
    if positive is None:
        events = [word for word in words if word.lower() in _POSITIVE_WORDS]
        positive = events[0] if len(events) == 1 else words[-1]
    return (*(word for word in words if word != positive), positive)


def _same(word: str, other: str) -> bool:
    one, two = _natural(word), _natural(other)
    return one[:2] == two[:2] if one[0] == two[0] == 0 else word.casefold() == other.casefold()


def _natural(word: str) -> tuple[int, float, str]:
    """Return what sorts numbers by size, before words."""
    try:
        return (0, float(word), word)
    except ValueError:
        return (1, 0.0, word)
