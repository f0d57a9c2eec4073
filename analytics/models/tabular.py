"""A CSV or Parquet file as a `Table`: every row of it, or an error that says what is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.models.csv_text import plain_text, read_rows
from analytics.models.errors import DataRefused
from analytics.models.limits import DATA_BYTES_MAX, DATA_COLUMNS_MAX, DATA_ROWS_MAX, NAMED_ROWS_MAX

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame, Series

_HASHED_BYTES: Final = 1024 * 1024
_PARQUET_MAGIC: Final = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a table came from, for the model's card."""

    name: str
    """The file's name, without its folders."""
    sha256: str
    """Hash of the file's bytes, hex; of a table from the ledger, of its query and height."""
    rows: int
    """Rows of the table."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows and named columns. ``frame`` has a plain index from 0; row numbers in errors are its."""

    frame: DataFrame
    """The values; missing ones are NaN, None or NaT."""
    source: Source
    """Where they came from."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the file's order."""
        return list(self.frame.columns)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    def column(self, name: str, *, asked_by: str) -> Series[Any]:
        """Return a column.

        Raises: DataRefused (``missing_column``) with the columns that there are.
        """
        if name not in self.frame.columns:
            raise DataRefused(
                "missing_column",
                f"{asked_by}: no column {name!r}; there are {_listed(self.columns)}",
                column=name,
            )
        return self.frame[name]

    def take(self, rows: np.ndarray) -> Table:
        """Return a table of some rows, given by position, in that order."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Table(frame, replace(self.source, rows=len(frame)))


def read_table(path: Path) -> Table:
    """Return the table in a CSV file (any usual separator, with a header) or a Parquet file.

    The kind is told by the content. Types are found over all rows, so one word among numbers makes
    the column text instead of vanishing.

    Raises: DataRefused (``data_missing``, ``data_unreadable``, ``data_too_large``, ``data_empty``).
    """
    if not path.is_file():
        raise DataRefused("data_missing", f"{path}: no such file", path=str(path))
    if (size := path.stat().st_size) > DATA_BYTES_MAX:
        detail = f"{path} has {size} bytes; at most {DATA_BYTES_MAX} are read"
        raise DataRefused("data_too_large", detail, bytes=size)
    frame = _read(path)
    if len(frame) > DATA_ROWS_MAX:
        detail = f"{path} has more than {DATA_ROWS_MAX} rows"
        raise DataRefused("data_too_large", detail, rows=len(frame))
    if frame.empty:
        raise DataRefused("data_empty", f"{path} has no rows below its header", path=str(path))
    source = Source(name=path.name, sha256=_hash(path), rows=len(frame))
    return Table(_plain_types(frame), source)


def _read(path: Path) -> DataFrame:
    """Return the rows of a file, one more than `DATA_ROWS_MAX` at most."""
    import duckdb  # noqa: PLC0415 - imports are slow

    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            if is_parquet(path):
                relation = connection.from_parquet(str(path))
                _refuse_width(path, len(relation.columns))
                frame: DataFrame = relation.limit(DATA_ROWS_MAX + 1).df()
            else:
                with plain_text(path) as text:
                    frame = read_rows(connection, text, name=str(path))
                _refuse_width(path, len(frame.columns))
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise DataRefused("data_unreadable", f"{path}: {reason}", path=str(path)) from None
    return frame


def is_parquet(path: Path) -> bool:
    """Tell whether a file is Parquet, by its content."""
    with path.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def _refuse_width(path: Path, columns: int) -> None:
    if columns > DATA_COLUMNS_MAX:
        detail = f"{path} has {columns} columns; at most {DATA_COLUMNS_MAX} are read"
        raise DataRefused("data_too_large", detail, columns=columns)


def table_of(frame: DataFrame, *, name: str, sha256: str) -> Table:
    """Return a table of values that are at hand, from the ledger or from a request."""
    plain = _plain_types(frame.reset_index(drop=True))
    return Table(plain, Source(name=name, sha256=sha256, rows=len(plain)))


def refuse_rows(code: str, what: str, is_wrong: np.ndarray | Series[bool]) -> None:
    """Raise for the rows in which a mask is set, naming the first of them; pass if there is none.

    Rows are counted from 1, below the header.
    """
    import numpy as np  # noqa: PLC0415

    rows = np.flatnonzero(np.asarray(is_wrong))
    if rows.size == 0:
        return
    named = ", ".join(str(row + 1) for row in rows[:NAMED_ROWS_MAX])
    more = "" if rows.size <= NAMED_ROWS_MAX else f" and {rows.size - NAMED_ROWS_MAX} more"
    raise DataRefused(code, f"{what} in rows {named}{more}", rows=int(rows.size))


def _plain_types(frame: DataFrame) -> DataFrame:
    """Return a frame of float64, bool, datetime64 and object columns only.

    Whole numbers become floats where a value is missing; decimals become floats; categories and
    enumerations become objects.
    """
    import pandas as pd  # noqa: PLC0415
    from pandas.api import types  # noqa: PLC0415

    plain = {}
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        if types.is_datetime64_any_dtype(values):
            utc = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz else values
            plain[str(name)] = utc.astype("datetime64[ms]")
        elif types.is_bool_dtype(values) and not values.isna().any():
            plain[str(name)] = values.astype("bool")
        elif types.is_integer_dtype(values) and not values.isna().any():
            plain[str(name)] = values.astype(getattr(values.dtype, "numpy_dtype", values.dtype))
        elif types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
            plain[str(name)] = values.astype("float64")
        else:
            plain[str(name)] = values.astype(object).where(values.notna(), None)
    return pd.DataFrame(plain)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return shown if len(names) <= 20 else f"{shown} … ({len(names)} in all)"
