"""CSV for spreadsheets: a cell that would run as a formula is written as text (threat 72)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Final

from wallet.console import printable

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a CSV document (RFC 4180) without their line ends.

    A cell is one line without control characters: the document may be read on a terminal as well
    (threat 29).
    """
    lines = []
    for row in (header, *rows):
        buffer = StringIO()
        csv.writer(buffer, lineterminator="").writerow([guarded(printable(cell)) for cell in row])
        lines.append(buffer.getvalue())
    return lines


def guarded(cell: str) -> str:
    """Return a cell with an apostrophe before what a spreadsheet would take for a formula.

    Plain numbers stay as they are, or a negative amount could not be added up.
    """
    if cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
