"""The sanctions list: accounts and names, in a CSV file of the regulator's.

    name,aliases,account
    Ivan Petrovich Orlov,Orlow Iwan;I. P. Orlov,
    ,,sun1q…

Columns may be empty, but not all of a row. Names are compared as people misspell them: without
accents, case, spaces and order, by edit distance over about as many words as the name has.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import Any, Final, NamedTuple

from rapidfuzz import fuzz, process

from analytics.errors import ParametersInvalid
from ledger.addresses import decode_account_id, encode_account_id
from ledger.errors import DecodeError

COLUMNS: Final = ("name", "aliases", "account")
ENTRIES_MAX: Final = 100_000
"""Most rows of a list."""
NAME_LETTERS_MIN: Final = 4
"""Shortest name that is compared; shorter ones are in every text. A Chinese character counts twice."""
ORDERED_WORDS_MAX: Final = 3
"""Most words of a name that is looked for in every order; longer ones are in theirs, and sorted."""
TEXTS_CACHED_MAX: Final = 10_000
"""Payment texts whose answer is kept; most are written again and again."""

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003fffd"
"""Unified ideographs, for a class of a pattern; NFKD leaves no others."""
_IDEOGRAPH: Final = re.compile(f"[{_HAN}]")
_WORD: Final = re.compile(rf"[{_HAN}]|(?:(?![{_HAN}])\w)+")
"""Chinese is written without spaces, so each character is a word of its own."""


class Match(NamedTuple):
    """A listed name in a text."""

    name: str
    """The name as it is listed."""
    similarity: float
    """How alike, 0 to 100."""


class SanctionsList:
    """Listed accounts and names."""

    def __init__(self, names: Sequence[str], accounts: Iterable[str]) -> None:
        self.accounts = frozenset(accounts)
        """Listed accounts, ``sun1…``."""
        spelled = {spelling: name for name in names for spelling in _orders(_words(name))}
        long = (text for text in spelled if _is_comparable(text))
        self._spellings = sorted(long, key=lambda text: (len(text), text))
        self._letters = [len(text) for text in self._spellings]
        self._names = [spelled[text] for text in self._spellings]
        self._lengths = sorted({len(_words(name)) for name in names})
        self._cached_match = lru_cache(TEXTS_CACHED_MAX)(self._match)

    def entries(self) -> list[str]:
        """Return the names and accounts that are compared, in order: equal lists give equal ones."""
        return [*sorted(set(self._names)), *sorted(self.accounts)]

    def match(self, text: str, similarity_min: float) -> Match | None:
        """Return the listed name that a text most likely contains, or None."""
        return self._cached_match(text, similarity_min)

    def _match(self, text: str, similarity_min: float) -> Match | None:
        best: Match | None = None
        # Texts of lengths a <= b are alike by 2a / (a + b) at most.
        stretch = (200 - similarity_min) / similarity_min
        for run in _runs(_words(text), self._lengths):
            first = bisect_left(self._letters, len(run) / stretch)
            near = self._spellings[first : bisect_right(self._letters, len(run) * stretch)]
            hit = process.extractOne(run, near, scorer=fuzz.ratio, score_cutoff=similarity_min)
            if hit is not None and (best is None or hit[1] > best.similarity):
                best = Match(self._names[first + hit[2]], hit[1])
        return best


def load_sanctions(path: Path) -> SanctionsList:
    """Return the list in a CSV file.

    Raises:
        ParametersInvalid: it cannot be read, or a row says nothing or what cannot be looked for.
    """
    names: list[str] = []
    accounts: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            fields = rows.fieldnames or ()
            if not fields or not set(fields) <= set(COLUMNS) or len(set(fields)) < len(fields):
                raise ParametersInvalid(
                    "sanctions_invalid", f"{path}: columns are {', '.join(COLUMNS)}, each once"
                )
            for number, row in enumerate(rows, start=2):
                if number > ENTRIES_MAX:
                    raise ParametersInvalid(
                        "sanctions_invalid", f"{path}: more than {ENTRIES_MAX} rows"
                    )
                row_names, account = _entry(row, f"{path}:{number}")
                names.extend(row_names)
                accounts.update({account} - {""})
    except OSError as error:
        raise ParametersInvalid("sanctions_unreadable", f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParametersInvalid("sanctions_invalid", f"{path}: {error}") from None
    return SanctionsList(names, accounts)


def _entry(row: Mapping[str | None, Any], place: str) -> tuple[list[str], str]:
    """Return the names and the account of a row; what would never be found is refused."""
    if None in row:  # where DictReader puts what has no column
        raise ParametersInvalid(
            "sanctions_invalid", f"{place}: more columns than the header; quote what holds commas"
        )
    named = [row.get("name") or "", *(row.get("aliases") or "").split(";")]
    names = [name.strip() for name in named if name.strip()]
    account = (row.get("account") or "").strip()
    if not names and not account:
        raise ParametersInvalid("sanctions_invalid", f"{place}: an empty row")
    for name in names:
        if not _is_comparable("".join(_words(name))):
            raise ParametersInvalid(
                "sanctions_invalid",
                f"{place}: {name!r} has fewer than {NAME_LETTERS_MIN} letters, which are in every text",
            )
    try:
        return names, encode_account_id(decode_account_id(account)) if account else ""
    except DecodeError as error:
        raise ParametersInvalid(
            "sanctions_invalid", f"{place}: {account!r} is no account: {error.detail}"
        ) from None


def _is_comparable(spelling: str) -> bool:
    """Tell whether a name is long enough to be looked for."""
    return len(spelling) + len(_IDEOGRAPH.findall(spelling)) >= NAME_LETTERS_MIN


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case without accents."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(_WORD.findall(plain.casefold()))


def _spellings(words: Sequence[str]) -> set[str]:
    """Return words as they are compared, without the spaces that get lost: in order, and sorted."""
    return {"".join(words), "".join(sorted(words))}


def _orders(words: Sequence[str]) -> set[str]:
    """Return a name as it is compared, in every order: what is written without spaces has no words."""
    if len(words) > ORDERED_WORDS_MAX:
        return _spellings(words)
    return {"".join(order) for order in permutations(words)}


def _runs(words: Sequence[str], lengths: Sequence[int]) -> set[str]:
    """Return every run of words about as long as a listed name, as it is compared."""
    sizes = {size + more for size in lengths for more in (-1, 0, 1)}
    return {
        spelling
        for size in sizes
        for start in range(len(words) - size + 1)
        if size > 0
        for spelling in _spellings(words[start : start + size])
        if _is_comparable(spelling)
    }
