"""What each column of a table is, and which of them a model learns from.

A column that names a row (an identifier) must not be learned from: it separates the rows that were
seen and says nothing of those to come. It is left out with a reason, unless the user names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from analytics.models.errors import DataRefused
from analytics.models.limits import CORPUS_CHARACTERS_MAX, TEXT_CHARACTERS_MAX
from analytics.models.tabular import Table, refuse_rows

if TYPE_CHECKING:
    import numpy as np
    from pandas import Series

_IDENTIFIER_NAME: Final = re.compile(
    r"(?:^|[_\s.\-])(?:id|ids|uuid|guid|iban|txid|hash|key|index|idx|rowid|row_?num|serial)$"
    r"|^unnamed|^(?:customer|account|client|loan|application|record|row|case)[_\s.\-]?"
    r"(?:id|no|nr|num|number|ref|reference)$",
    re.IGNORECASE,
)
"""Names that say that a column identifies its row or somebody."""
_CAMEL_ID: Final = re.compile(r"[a-z](?:Id|ID|Key)$")
_IDENTIFIER_SHARE: Final = 0.9
"""Share of different values from which text names its row."""
_NAMED_IDENTIFIER_SHARE: Final = 0.05
"""The same for a column whose name says that it is an identifier."""
_TEXT_WORDS: Final = 4.0
"""Mean words of a value from which a column is free text."""
MISSING: Final = "(missing)"
"""The category of a missing value."""
_FEW: Final = 20
"""Rows below which a share of different values says nothing."""


class Role(StrEnum):
    """What a column is to a model."""

    NUMBER = "number"
    """Whole or floating-point numbers, and truth values as 0 and 1."""
    CATEGORY = "category"
    """One of some words."""
    TEXT = "text"
    """Free text."""


class Exclusion(StrEnum):
    """Why a column is not learned from."""

    IDENTIFIER = "identifier"
    """It names the row or somebody: its value says nothing of others."""
    CONSTANT = "constant"
    """It has one value at most."""
    TIME = "time"
    """A date or a time: rows to come have later ones."""
    TEXT = "text"
    """Free text, which the model ``text`` learns from."""
    CATEGORY = "category"
    """It has words, and the model learns from numbers alone."""
    UNSUPPORTED = "unsupported"
    """Lists, structures or bytes."""
    UNREAD = "not the text"
    """The model learns from one column of text alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that a model learned from, as its folder keeps it."""

    name: str
    """Its header."""
    role: Role
    """What it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A column that a model did not learn from."""

    name: str
    """Its header."""
    reason: Exclusion
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The columns of a table, sorted."""

    features: tuple[Column, ...]
    """What is learned from, in the file's order."""
    excluded: tuple[Excluded, ...]
    """What is not, without the target and whatever has a part of its own."""


def survey(
    table: Table,
    *,
    named: Sequence[str] | None,
    reserved: Collection[str] = (),
    takes_categories: bool = True,
) -> Survey:
    """Return which columns to learn from: those named, else all that say something.

    ``reserved`` are columns with a part of their own, as the target; without ``takes_categories``
    numbers alone are taken.

    Raises: DataRefused (``missing_column``, ``infinite_values``, ``wrong_type``,
    ``no_features``).
    """
    if named is not None:
        _check_named(table, named, reserved)
    features, excluded = [], []
    for name in table.columns:
        if name in reserved or (named is not None and name not in named):
            continue
        kind = _kind(table.frame[name], name, is_named=named is not None)
        if kind is Role.CATEGORY and not takes_categories:
            kind = Exclusion.CATEGORY
        if isinstance(kind, Role):
            features.append(Column(name=name, role=kind))
        else:
            excluded.append(Excluded(name=name, reason=kind))
    if named is not None:
        _refuse_excluded_names(excluded)
    if not features:
        left_out = ", ".join(f"{each.name} ({each.reason})" for each in excluded) or "none"
        raise DataRefused("no_features", f"nothing to learn from; left out: {left_out}")
    for feature in features:
        if feature.role is Role.NUMBER:
            refuse_infinities(table.frame[feature.name], feature.name)
    return Survey(features=tuple(features), excluded=tuple(excluded))


def _check_named(table: Table, named: Sequence[str], reserved: Collection[str]) -> None:
    for name in named:
        table.column(name, asked_by="--features")
        if name in reserved:
            detail = f"--features: {name!r} has a part of its own and is no feature"
            raise DataRefused("target_as_feature", detail, column=name)


def _refuse_excluded_names(excluded: Sequence[Excluded]) -> None:
    """Raise for a column that the user named and that cannot be learned from; none is dropped."""
    for each in excluded:
        detail = f"--features: {each.name!r} is left out as {each.reason.value}: do not name it"
        raise DataRefused("wrong_type", detail, column=each.name)


def require(table: Table, columns: Sequence[Column]) -> Table:
    """Return the table's columns that a trained model needs, with the types that it learned.

    Raises: DataRefused (``missing_column``, ``wrong_type``, ``infinite_values``).
    """
    import pandas as pd  # noqa: PLC0415

    taken: dict[str, Any] = {}
    for column in columns:
        values = table.column(column.name, asked_by="the model")
        if column.role is Role.TEXT:
            taken[column.name] = texts_of(values, column.name)
            continue
        if column.role is Role.CATEGORY:
            taken[column.name] = values.map(_word).astype(object)
            continue
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        what = f"{column.name!r} was a number in training and is none"
        refuse_rows("wrong_type", what, (numbers.isna() & values.notna()).to_numpy())
        refuse_infinities(numbers, column.name)
        taken[column.name] = numbers
    return Table(pd.DataFrame(taken, index=table.frame.index), table.source)


def refuse_infinities(values: Series[Any], name: str) -> None:
    """Raise DataRefused (``infinite_values``) when a column of numbers holds an infinity."""
    import numpy as np  # noqa: PLC0415

    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    refuse_rows("infinite_values", f"{name!r} is infinite", np.isinf(numbers))


def texts_of(values: Series[Any], name: str) -> Series[Any]:
    """Return a column as text: what is missing is empty, what looks like a number is its digits.

    Raises: DataRefused (``wrong_type``, ``text_too_long``).
    """
    is_other = values.map(lambda value: isinstance(value, bytes | bytearray | list | dict | set))
    refuse_rows("wrong_type", f"{name!r} is no text", is_other.to_numpy(dtype=bool))
    texts = values.map(_word).where(values.notna(), "").astype(object)
    lengths = texts.str.len()
    what = f"{name!r} has more than {TEXT_CHARACTERS_MAX} characters"
    refuse_rows("text_too_long", what, (lengths > TEXT_CHARACTERS_MAX).to_numpy(dtype=bool))
    if (total := int(lengths.sum())) > CORPUS_CHARACTERS_MAX:
        detail = f"{name!r} has {total} characters in all; at most {CORPUS_CHARACTERS_MAX} are held"
        raise DataRefused("data_too_large", detail, characters=total)
    return texts


def numbers_of(table: Table, name: str, *, asked_by: str) -> np.ndarray:
    """Return a column as float64 of shape (rows,), without a gap.

    Raises: DataRefused (``missing_column``, ``wrong_type``, ``missing_values``,
    ``infinite_values``).
    """
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    values = table.column(name, asked_by=asked_by)
    numbers = pd.to_numeric(values, errors="coerce")
    refuse_rows(
        "wrong_type", f"{name!r} is no number", (numbers.isna() & values.notna()).to_numpy()
    )
    refuse_rows("missing_values", f"{name!r} has no value", values.isna().to_numpy())
    refuse_infinities(numbers, name)
    return np.asarray(numbers, dtype="float64")


def _kind(values: Series[Any], name: str, *, is_named: bool) -> Role | Exclusion:
    from pandas.api import types  # noqa: PLC0415

    if types.is_datetime64_any_dtype(values):
        return Exclusion.TIME
    present = values.dropna()
    is_number = types.is_numeric_dtype(values)
    if not is_number and present.map(lambda value: not isinstance(value, str | bool)).any():
        return Exclusion.UNSUPPORTED
    different = present.nunique()
    if different <= 1:
        return Exclusion.CONSTANT
    if not is_named and _is_identifier(present, name, different, is_number=is_number):
        return Exclusion.IDENTIFIER
    if is_number or present.map(lambda value: isinstance(value, bool)).all():
        return Role.NUMBER
    words = present.astype(str).str.split().str.len().mean()
    is_free = words >= _TEXT_WORDS and different > _FEW and different > len(present) / 2
    return Exclusion.TEXT if is_free else Role.CATEGORY


def _is_identifier(present: Series[Any], name: str, different: int, *, is_number: bool) -> bool:
    from pandas.api import types  # noqa: PLC0415

    share = different / len(present)
    says_so = bool(_IDENTIFIER_NAME.search(name) or _CAMEL_ID.search(name))
    if says_so and different > _FEW and share > _NAMED_IDENTIFIER_SHARE:
        return True
    if len(present) < _FEW:
        return False
    if not is_number:
        words = present.astype(str).str.split().str.len().mean()
        return share > _IDENTIFIER_SHARE and words < _TEXT_WORDS
    if not types.is_integer_dtype(present) or types.is_bool_dtype(present):
        return False
    # Row numbers: all different, without a gap, in the file's order.
    return different == len(present) and bool((present.diff().dropna() == 1).all())


def _word(value: Any) -> str:
    """Return a category as text: 1, 1.0 and "1" are one, and a missing one is one too."""
    if value is None or value != value:  # NaN differs from itself  # noqa: PLR0124
        return MISSING
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
