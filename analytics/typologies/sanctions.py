"""The sanctions list: accounts and names, in a CSV file of the regulator's.

    name,aliases,account
    Ivan Petrovich Orlov,Orlow Iwan;I. P. Orlov,
    ,,sun1q…

Columns may be empty, but not all of a row. Names are compared as people misspell them: without
accents, case and order, by edit distance over as many words as the name has.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from rapidfuzz import fuzz

from analytics.errors import ParametersInvalid

COLUMNS: Final = ("name", "aliases", "account")
ENTRIES_MAX: Final = 100_000
"""Most rows of a list."""
NAME_LETTERS_MIN: Final = 4
"""Shortest name that is compared; shorter ones are in every text."""

_WORD: Final = re.compile(r"\w+")


class Match(NamedTuple):
    """A listed name in a text."""

    name: str
    """The name as it is listed."""
    similarity: float
    """How alike, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    listed: str
    words: tuple[str, ...]
    text: str
    """The words, sorted and joined."""


class SanctionsList:
    """Listed accounts and names."""

    def __init__(self, names: Iterator[str] | list[str], accounts: set[str]) -> None:
        self.accounts = frozenset(accounts)
        """Listed accounts, ``sun1…``."""
        self._names = [
            _Name(listed=name, words=words, text=" ".join(sorted(words)))
            for name in names
            if len("".join(words := _words(name))) >= NAME_LETTERS_MIN
        ]

    def match(self, text: str, similarity_min: float) -> Match | None:
        """Return the listed name that a text most likely contains, or None."""
        words = _words(text)
        best: Match | None = None
        for name in self._names:
            similarity = _similarity(name, words)
            if similarity >= similarity_min and (best is None or similarity > best.similarity):
                best = Match(name.listed, similarity)
        return best


def load_sanctions(path: Path) -> SanctionsList:
    """Return the list in a CSV file.

    Raises:
        ParametersInvalid: it cannot be read, or a row says nothing.
    """
    names: list[str] = []
    accounts: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames is None or not set(rows.fieldnames) <= set(COLUMNS):
                columns = ", ".join(COLUMNS)
                raise ParametersInvalid("sanctions_invalid", f"{path}: columns are {columns}")
            for number, row in enumerate(rows, start=2):
                named = [row.get("name") or "", *(row.get("aliases") or "").split(";")]
                account = (row.get("account") or "").strip()
                row_names = [name.strip() for name in named if name.strip()]
                if not row_names and not account:
                    raise ParametersInvalid("sanctions_invalid", f"{path}:{number}: an empty row")
                if number > ENTRIES_MAX:
                    raise ParametersInvalid(
                        "sanctions_invalid", f"{path}: more than {ENTRIES_MAX} rows"
                    )
                names.extend(row_names)
                accounts.update({account} - {""})
    except OSError as error:
        raise ParametersInvalid("sanctions_unreadable", f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParametersInvalid("sanctions_invalid", f"{path}: {error}") from None
    return SanctionsList(names, accounts)


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case without accents."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(_WORD.findall(plain.casefold()))


def _similarity(name: _Name, words: tuple[str, ...]) -> float:
    """Return how alike a name and the likeliest run of words are, 0 to 100."""
    length = len(name.words)
    if length == 0 or not words:
        return 0.0
    runs = range(max(1, len(words) - length + 1))
    return max(
        fuzz.ratio(name.text, " ".join(sorted(words[start : start + length]))) for start in runs
    )
