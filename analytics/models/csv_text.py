"""The text of a CSV file: unpacked and decoded, every record counted twice, numbers as people write them.

DuckDB reads the rows and finds separator and types over all of them. Where it guesses at quotes it can
lose rows without a word, so Python's own reader counts them again, and names those that do not fit.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from analytics.models.ambiguous_dates import (
    could_begin_otherwise,
    day_and_month_swapped,
    more_even,
)
from analytics.models.errors import DataRefused
from analytics.models.limits import DATA_BYTES_MAX, DATA_ROWS_MAX, NAMED_ROWS_MAX

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pandas import DataFrame, Series

MISSING: Final = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"]
"""What tables write where a value is missing."""
_TYPES: Final = [
    "NULL",
    "BIGINT",
    "DOUBLE",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "VARCHAR",
]
"""What DuckDB may take a column for. Not BOOLEAN: it takes yes, no, t and f for truth values."""
_TRUTH_WORDS: Final = {"true": True, "false": False}
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COPY_CHARACTERS: Final = 1024 * 1024
_SEPARATORS: Final = ",;\t|"
_DECIMAL_COMMA: Final = r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"
_THOUSANDS_COMMA: Final = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"


@contextmanager
def plain_text(path: Path) -> Iterator[Path]:
    """Lend a file of UTF-8 text: the file itself, or a copy of what is packed or UTF-16 by its mark.

    Raises: DataRefused (``data_too_large``, ``data_unreadable``).
    """
    with path.open("rb") as file:
        start = file.read(len(_GZIP_MAGIC))
    is_packed = start == _GZIP_MAGIC
    if not is_packed and start not in _UTF_16_MARKS:
        yield path
        return
    with TemporaryDirectory(prefix="sunlit-table-") as folder:
        copy = Path(folder) / "table.csv"
        try:
            _unpack(path, copy, is_packed=is_packed)
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            detail = f"{path} cannot be unpacked: {error}"
            raise DataRefused("data_unreadable", detail, path=str(path)) from None
        yield copy


def _unpack(path: Path, copy: Path, *, is_packed: bool) -> None:
    with _opened(path, is_packed=is_packed) as packed:
        is_utf_16 = packed.read(len(codecs.BOM_UTF16_LE)) in _UTF_16_MARKS
    with _opened(path, is_packed=is_packed) as source, copy.open("wb") as target:
        if is_utf_16:
            with TextIOWrapper(source, encoding="utf-16", newline="") as text:
                while part := text.read(_COPY_CHARACTERS):
                    target.write(part.encode())
                    _refuse_size(path, target.tell())
            return
        while data := source.read(_COPY_CHARACTERS):
            target.write(data)
            _refuse_size(path, target.tell())


def _opened(path: Path, *, is_packed: bool) -> BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if is_packed else path.open("rb")


def _refuse_size(path: Path, size: int) -> None:
    if size > DATA_BYTES_MAX:
        detail = f"{path} unpacks to more than {DATA_BYTES_MAX} bytes"
        raise DataRefused("data_too_large", detail, bytes=size)


def read_rows(connection: DuckDBPyConnection, path: Path, *, name: str) -> DataFrame:
    """Return the rows of a CSV file in UTF-8, one more than `DATA_ROWS_MAX` at most.

    ``name`` is what errors call the file.

    Raises: DataRefused (``data_empty``, ``data_unreadable``); ``duckdb.Error`` for what DuckDB
    cannot read.
    """
    import duckdb  # noqa: PLC0415 - imports are slow

    if not _has_text(path):
        raise DataRefused("data_empty", f"{name} is empty", path=name)
    try:
        relation = connection.read_csv(
            str(path),
            header=True,
            sample_size=-1,
            na_values=MISSING,
            auto_type_candidates=_TYPES,
        )
        frame: DataFrame = relation.limit(DATA_ROWS_MAX + 1).df()
        [(separator, quote, *formats)] = connection.execute(
            "select delimiter, quote, DateFormat, TimestampFormat"
            " from sniff_csv(?, sample_size = -1)",
            [str(path)],
        ).fetchall()
    except duckdb.Error:
        _refuse_odd_rows(path, name)
        raise
    quote = quote if quote not in {"", "(empty)"} else None
    counted = sum(1 for record in _records(path, name, separator, quote) if record) - 1
    if len(frame) <= DATA_ROWS_MAX and counted != len(frame):
        _refuse_odd_rows(path, name)
        detail = f"{name} has {counted} rows, of which {len(frame)} can be read: mend its quotes"
        raise DataRefused("data_unreadable", detail, path=name)
    pattern = _THOUSANDS_COMMA if separator == "," else _DECIMAL_COMMA
    for column in frame.columns:
        if frame[column].dtype == object or str(frame[column].dtype) == "str":
            frame[column] = _numbers(_truth(frame[column]), pattern)
        elif frame[column].dtype.kind == "M" and any(map(could_begin_otherwise, formats)):
            frame[column] = _dates(frame[column])
    return frame


def _has_text(path: Path) -> bool:
    with path.open("rb") as file:
        while data := file.read(_COPY_CHARACTERS):
            if data.removeprefix(codecs.BOM_UTF8).strip():
                return True
    return False


def _records(path: Path, name: str, separator: str, quote: str | None) -> Iterator[list[str]]:
    """Yield the records of a file, empty ones for empty lines.

    Raises: DataRefused (``data_unreadable``) where it is no UTF-8, or a record has no end.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(
            file,
            delimiter=separator,
            quotechar=quote,
            quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
        )
        try:
            yield from records
        except UnicodeDecodeError:
            detail = f"{name} is not UTF-8 in or after line {records.line_num}: save it as UTF-8"
            raise DataRefused("data_unreadable", detail, path=name) from None
        except csv.Error as error:
            detail = f"{name}: {error} in or after line {records.line_num}"
            raise DataRefused("data_unreadable", detail, path=name) from None


def _refuse_odd_rows(path: Path, name: str) -> None:
    """Raise for rows that have more or fewer fields than the header; pass if there are none."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = next((line for line in file if line.strip()), "")
    separator = max(_SEPARATORS, key=header.count)
    records = (record for record in _records(path, name, separator, '"') if record)
    fields = len(next(records, ()))
    odd = [(row, len(record)) for row, record in enumerate(records, 1) if len(record) != fields]
    if not odd:
        return
    named = ", ".join(f"row {row} has {count}" for row, count in odd[:NAMED_ROWS_MAX])
    more = "" if len(odd) <= NAMED_ROWS_MAX else f", and {len(odd) - NAMED_ROWS_MAX} more"
    detail = f"{name}: the header has {fields} fields, {named}{more}"
    raise DataRefused("data_unreadable", detail, path=name)


def _truth(values: Series[Any]) -> Series[Any]:
    """Return a column of the words true and false as truth values; DuckDB would take yes for true."""
    words = values.map(lambda value: value.lower() if isinstance(value, str) else value)
    present = words.dropna()
    if not len(present) or not present.isin(_TRUTH_WORDS).all():
        return values
    truth = words.map(_TRUTH_WORDS).astype(object)
    return truth.astype(bool) if len(present) == len(values) else truth.where(words.notna(), None)


def _dates(values: Series[Any]) -> Series[Any]:
    """Return dates that DuckDB read day first, or month first where that makes their steps more even."""
    swapped = day_and_month_swapped(values)
    return values if swapped is None else more_even(values, swapped)


def _numbers(values: Series[Any], pattern: str) -> Series[Any]:
    """Return a column of texts as numbers where each is one as people write it, with a comma in some.

    Where fields are separated by commas, a comma within a number parts thousands; else it is the decimal
    sign, and points part thousands.
    """
    present = values.dropna()
    if not len(present) or not present.map(lambda value: isinstance(value, str)).all():
        return values
    texts = present.str.strip()
    if not texts.str.contains(",").any() or not texts.str.fullmatch(pattern).all():
        return values
    if pattern == _DECIMAL_COMMA:
        texts = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    else:
        texts = texts.str.replace(",", "", regex=False)
    return texts.astype("float64").reindex(values.index)
