"""CSV that a spreadsheet cannot be attacked with."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.console import printable
from wallet.spreadsheet import csv_lines, guarded


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "--1"]
)
def test_formulas_are_disarmed_threat_72(cell: str) -> None:
    """Whatever a spreadsheet would take for a formula gets an apostrophe before it."""
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "text", "12.50", "-12.50", "-7", "a=b", "sun1qq"])
def test_plain_cells_stay(cell: str) -> None:
    """Text and numbers are as they were; a negative amount is still a number."""
    assert guarded(cell) == cell


@given(rows=st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_threat_29_a_reader_gets_the_guarded_cells(rows: list[list[str]]) -> None:
    """Quoting survives any content, and nothing in it moves a terminal's cursor."""
    lines = csv_lines(("a", "b"), rows)
    read = list(csv.reader("\n".join(lines).splitlines(keepends=True), strict=True))
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() for line in lines)
    assert read == [["a", "b"], *([guarded(printable(cell)) for cell in row] for row in rows)]
