"""CSV files as people make them: packed, in other encodings, with commas in numbers, and damaged."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analytics.models import csv_text
from analytics.models.errors import DataRefused
from analytics.models.tabular import read_table

ROWS = "".join(f"{n},ü{n}\n" for n in range(40))


def _written(folder: Path, data: bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _refusal(path: Path) -> DataRefused:
    with pytest.raises(DataRefused) as refused:
        read_table(path)
    return refused.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_what_a_spreadsheet_saves_is_read(tmp_path: Path, encoding: str, is_packed: bool) -> None:
    """A byte order mark says which encoding it is, and the content whether it is packed."""
    data = ("n,w\n" + ROWS).encode(encoding)
    rows = read_table(_written(tmp_path, gzip.compress(data) if is_packed else data))
    assert rows.columns == ["n", "w"]
    assert rows.frame["w"].tolist() == [f"ü{n}" for n in range(40)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n;w\n1.234,50;x\n-2,5;x\n3;x\n", [1234.5, -2.5, 3.0]),
        ('n,w\n"1,234.50",x\n"-2,000",x\n3,x\n', [1234.5, -2000.0, 3.0]),
        ("n\tw\n0,5\tx\n\tx\n7\tx\n", [0.5, np.nan, 7.0]),
    ],
)
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, text: str, values: list[float]
) -> None:
    """Whether a comma parts thousands or decimals, the separator of fields says."""
    rows = read_table(_written(tmp_path, text.encode()))
    np.testing.assert_array_equal(rows.frame["n"].to_numpy(), values)


@pytest.mark.parametrize("text", ["n;w\n1,2,3;x\n4,5;x\n", 'n,w\n"12,34",x\n"1,000",x\n'])
def test_what_is_no_number_stays_text(tmp_path: Path, text: str) -> None:
    """One value that is written otherwise leaves the column as it is."""
    rows = read_table(_written(tmp_path, text.encode()))
    assert rows.frame["n"].map(type).eq(str).all()


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "data_empty", "is empty"),
        (b"\xef\xbb\xbf \n\n", "data_empty", "is empty"),
        (
            b"a,b\n1,2\n3\n4,5,6\n",
            "data_unreadable",
            "header has 2 fields, row 2 has 1, row 3 has 3",
        ),
        (("a,b\n" + ROWS).encode("latin-1"), "data_unreadable", "is not UTF-8"),
        (gzip.compress(b"a,b\n1,2\n")[:-6], "data_unreadable", "cannot be unpacked"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "data_unreadable", "cannot be unpacked"),
    ],
    ids=["nothing", "white space", "odd rows", "latin-1", "half a packed file", "half a character"],
)
def test_damage_is_named(tmp_path: Path, data: bytes, code: str, words: str) -> None:
    """The refusal says what is wrong with the file, and where."""
    refused = _refusal(_written(tmp_path, data))
    assert refused.code == code
    assert words in refused.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """The limit of a file's bytes holds for what it unpacks to."""
    monkeypatch.setattr(csv_text, "DATA_BYTES_MAX", 100_000)
    path = _written(tmp_path, gzip.compress(("a,b\n" + "1,2\n" * 30_000).encode(encoding)))
    assert path.stat().st_size < 2_000
    assert _refusal(path).code == "data_too_large"


def test_rows_lost_by_a_guess_at_quotes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two readers that count other rows are a refusal and no smaller table."""
    path = _written(tmp_path, b"n,w\n" + b"".join(b"%d,x\n" % n for n in range(9)))
    records = csv_text._records

    def one_more(*values: object) -> Iterator[list[str]]:
        yield from records(*values)  # type: ignore[arg-type] # as they are passed
        yield ["9", "x"]

    monkeypatch.setattr(csv_text, "_records", one_more)
    refused = _refusal(path)
    assert refused.code == "data_unreadable"
    assert "10 rows, of which 9" in refused.detail


def test_words_for_yes_and_no_stay_words(tmp_path: Path) -> None:
    """Only true and false are truth values: a prediction of yes must not come back as True."""
    rows = "".join(f"{'yes' if n % 2 else 'no'},{'tf'[n % 2]},{n % 3 == 0},{n}\n" for n in range(9))
    frame = read_table(_written(tmp_path, ("y,letter,truth,n\n" + rows).encode())).frame
    assert set(frame["y"]) == {"yes", "no"}
    assert set(frame["letter"]) == {"t", "f"}
    assert frame["truth"].dtype == bool
    gap = read_table(_written(tmp_path, b"truth,n\nTRUE,1\n,2\nfalse,3\n")).frame
    assert gap["truth"].tolist() == [True, None, False]
