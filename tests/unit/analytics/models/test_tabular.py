"""Files as tables: every row, the right types, or an error."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.models import tabular
from analytics.models.errors import DataRefused
from analytics.models.tabular import read_table, refuse_rows
from tests.unit.analytics.models.tables import table


def _file(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(DataRefused) as refused:
        read_table(path)
    return refused.value.code


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, separator: str) -> None:
    """Any usual separator makes the same table."""
    lines = ["a,b,词", "1,x,甲", "2,y,乙", "3,z,丙"]
    text = "\n".join(line.replace(",", separator) for line in lines) + "\n"
    rows = read_table(_file(tmp_path, text))
    assert rows.columns == ["a", "b", "词"]
    assert rows.frame["a"].tolist() == [1, 2, 3]
    assert rows.frame["词"].tolist() == ["甲", "乙", "丙"]


def test_a_late_word_makes_the_column_text(tmp_path: Path) -> None:
    """Types are found over all rows: no number is guessed and no row dropped."""
    lines = [*(str(n) for n in range(30_000)), "none of it"]
    rows = read_table(_file(tmp_path, "a,b\n" + "".join(f"{line},1\n" for line in lines)))
    assert len(rows) == 30_001
    assert rows.frame["a"].iloc[-1] == "none of it"


def test_what_tables_write_for_a_gap_is_one(tmp_path: Path) -> None:
    """NA, null and a question mark are gaps of a column of numbers."""
    rows = read_table(_file(tmp_path, "a,b\n1,1\nNA,1\n?,1\nnull,1\n,1\n2,1\n"))
    assert rows.frame["a"].dtype == np.float64
    assert rows.frame["a"].isna().sum() == 4


def test_parquet_and_csv_are_one_table(tmp_path: Path) -> None:
    """The kind of a file is told by its content, whatever its name."""
    frame = pd.DataFrame({"n": [1.5, np.nan, 3.0], "w": ["x", None, "z"], "b": [True, False, True]})
    frame.to_parquet(tmp_path / "a.csv")
    frame.to_csv(tmp_path / "b.csv", index=False)
    one, other = read_table(tmp_path / "a.csv"), read_table(tmp_path / "b.csv")
    pd.testing.assert_frame_equal(one.frame, other.frame)


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    """A CSV file may be packed by gzip."""
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    assert len(read_table(path)) == 2


def test_values_over_lines_are_one_row(tmp_path: Path) -> None:
    """A quoted value may hold separators, quotes and line ends."""
    path = _file(tmp_path, "n,w\n" + "".join(f'{n},"a, ""b""\nc"\n' for n in range(50)))
    rows = read_table(path)
    assert rows.frame["w"].tolist() == ['a, "b"\nc'] * 50


def test_faulty_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, empty and too large files have codes of their own."""
    assert _refusal(tmp_path / "none.csv") == "data_missing"
    assert _refusal(_file(tmp_path, "a,b\n")) == "data_empty"
    path = _file(tmp_path, "a,b\n1,2\n3,4\n")
    monkeypatch.setattr(tabular, "DATA_ROWS_MAX", 1)
    assert _refusal(path) == "data_too_large"
    monkeypatch.setattr(tabular, "DATA_COLUMNS_MAX", 1)
    assert _refusal(path) == "data_too_large"
    monkeypatch.setattr(tabular, "DATA_BYTES_MAX", 3)
    assert _refusal(path) == "data_too_large"


def test_a_refusal_names_the_first_rows() -> None:
    """Rows are counted from 1, and what is beyond the fifth is a number."""
    refuse_rows("wrong_type", "nothing", np.zeros(9, dtype=bool))
    with pytest.raises(DataRefused, match="odd in rows 2, 3, 4, 5, 6 and 3 more") as refused:
        refuse_rows("wrong_type", "odd", np.arange(9) > 0)
    assert refused.value.code == "wrong_type"


def test_a_column_that_is_not_there_is_named() -> None:
    """The refusal tells the columns that there are."""
    with pytest.raises(DataRefused, match="there are 'a', 'b'") as refused:
        table({"a": [1], "b": [2]}).column("c", asked_by="--target")
    assert refused.value.code == "missing_column"
