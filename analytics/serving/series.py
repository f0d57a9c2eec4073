"""Series of the ledger in time: what moved in each second, minute, hour or day of the chain.

| name | each value |
| --- | --- |
| ``payments`` | payments: legs of transfers between two accounts |
| ``active-accounts`` | accounts that paid or were paid |
| ``volume:ASSET`` | the sum of the payments |
| ``outflow:MEMBER:ASSET`` | what the member's accounts paid to accounts of others |
| ``inflow:MEMBER:ASSET`` | what they were paid by accounts of others |

Time is that of the blocks. A span in which nothing moved is 0; the first and the last span of the
chain are left out, for they are not whole. Genesis balances, issues and redemptions are no payments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import duckdb

from analytics.errors import RequestRefused
from analytics.features.reference import reference_height
from analytics.serving.limits import SERIES_LISTED_MAX, SPANS_A_STEP, SPANS_MAX, SPANS_MIN
from analytics.warehouse.sql import first_row

_NAMED_MAX: Final = 12
"""Series that a refusal names."""
_PAID: Final = """
    FROM internal.legs AS l
    JOIN internal.accounts AS d ON d.key = l.debit
    JOIN internal.accounts AS c ON c.key = l.credit
    WHERE l.kind = 'transfer' AND l.debit <> l.credit
      AND l.time >= make_timestamp_ms($first) AND l.time < make_timestamp_ms($end)
"""
_SIDES: Final = """
    FROM (
        SELECT time, unnest([debit, credit]) AS account FROM internal.legs
        WHERE kind = 'transfer' AND debit <> credit
          AND time >= make_timestamp_ms($first) AND time < make_timestamp_ms($end)
    ) AS l
"""
_PLACE: Final = "SELECT (epoch_ms(l.time) - $first) // $length AS place, "
_BOUNDS: Final = """
SELECT epoch_ms(min(time)), epoch_ms(max(time)), epoch_ms(max(time) FILTER (height <= ?))
FROM blocks WHERE height > 0 AND height <= ?
"""
_HEIGHTS: Final = """
SELECT min(height), max(height) FROM blocks
WHERE time >= make_timestamp_ms(?) AND time < make_timestamp_ms(?)
"""


class Span(StrEnum):
    """How long a step of a series is."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length_ms(self) -> int:
        """Its length, milliseconds."""
        return _LENGTHS_MS[self]


_LENGTHS_MS: Final = {
    Span.SECOND: 1_000,
    Span.MINUTE: 60_000,
    Span.HOUR: 3_600_000,
    Span.DAY: 86_400_000,
}


class Form(NamedTuple):
    """A kind of series."""

    parts: tuple[str, ...]
    """What its name says after the first word: ``member``, ``asset``."""
    about: str
    """What each value is, in words."""
    query: str
    """Its rows ``place``, ``value``; ``$first``, ``$end``, ``$length`` and its parts are bound."""

    @property
    def unit(self) -> str:
        """What is counted: ``payments``, ``accounts``, or ``smallest units``."""
        return _UNITS.get(self.query, "smallest units")


FORMS: Final = {
    "payments": Form((), "payments", f"{_PLACE} count(*) {_PAID} GROUP BY place"),
    "active-accounts": Form(
        (),
        "accounts that paid or were paid",
        f"{_PLACE} count(DISTINCT l.account) {_SIDES} GROUP BY place",
    ),
    "volume": Form(
        ("asset",),
        "sum of the payments",
        f"{_PLACE} sum(l.amount) {_PAID} AND l.asset = $asset GROUP BY place",
    ),
    "outflow": Form(
        ("member", "asset"),
        "what the member's accounts paid to others' accounts",
        f"{_PLACE} sum(l.amount) {_PAID} AND l.asset = $asset"
        " AND d.member = $member AND c.member <> $member GROUP BY place",
    ),
    "inflow": Form(
        ("member", "asset"),
        "what the member's accounts were paid by others' accounts",
        f"{_PLACE} sum(l.amount) {_PAID} AND l.asset = $asset"
        " AND c.member = $member AND d.member <> $member GROUP BY place",
    ),
}
_UNITS: Final = {
    FORMS["payments"].query: "payments",
    FORMS["active-accounts"].query: "accounts",
}


class Name(NamedTuple):
    """A series by its name."""

    text: str
    """As it is written."""
    form: Form
    """Its kind."""
    parts: dict[str, str]
    """Member and asset, where it has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Whole spans of the chain, one after the other."""

    span: Span
    """Their length."""
    first_ms: int
    """Begin of the first, milliseconds since 1970-01-01 UTC."""
    count: int
    """How many."""

    @property
    def end_ms(self) -> int:
        """End of the last, milliseconds since 1970-01-01 UTC."""
        return self.first_ms + self.count * self.span.length_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSeries:
    """A series' values."""

    values: tuple[int, ...]
    """A value for each span."""
    first_height: int | None
    """First block within the spans; None where there is none."""
    last_height: int | None
    """Last block within them."""


def spans_needed(horizon: int) -> int:
    """Return how many whole spans a forecast of so many steps is made from at least."""
    return max(SPANS_MIN, SPANS_A_STEP * horizon)


def list_series(cursor: duckdb.DuckDBPyConnection) -> list[Name]:
    """Return the series that there are, `SERIES_LISTED_MAX` and one more at most."""
    found: list[Name] = []
    for name in _all_series(cursor):
        found.append(name)
        if len(found) > SERIES_LISTED_MAX:
            break
    return found


def find_series(cursor: duckdb.DuckDBPyConnection, text: str) -> Name:
    """Return a series by its name.

    Raises:
        RequestRefused: ``unknown_series`` (404), with what there is.
    """
    word, *rest = text.split(":")
    form = FORMS.get(word)
    if form is not None and len(rest) == len(form.parts):
        parts = dict(zip(form.parts, rest, strict=True))
        if all(_is_known(cursor, part, value) for part, value in parts.items()):
            return Name(text, form, parts)
    known = [name.text for name in list_series(cursor)]
    more = ", …" if len(known) > _NAMED_MAX else ""
    detail = f"no series {text!r}; there are {', '.join(known[:_NAMED_MAX])}{more}"
    raise RequestRefused(404, "unknown_series", detail, series=text)


def find_stretch(
    cursor: duckdb.DuckDBPyConnection, span: Span | None, horizon: int, height: int
) -> Stretch:
    """Return the latest whole spans that a forecast is made from, up to a block.

    They end with its reference block's (`analytics.features.reference`). Without a span it is the
    longest of which the history has enough.

    Raises:
        RequestRefused: ``history_too_short`` (409): it has too few whole spans.
    """
    reference = reference_height(cursor, height)
    row = first_row(cursor, _BOUNDS, [reference, height])
    began_ms, ended_ms, paid_ms = row if row is not None and row[0] is not None else (0, 0, 0)
    choices = [span] if span is not None else [*reversed(Span)]
    needed = spans_needed(horizon)
    stretches = [_stretch(choice, began_ms, ended_ms, paid_ms) for choice in choices]
    for stretch in stretches:
        if stretch.count >= needed:
            return stretch
    detail = (
        f"a forecast of {horizon} steps is made from {needed} whole {choices[-1]}s at least, and the"
        f" chain has {stretches[-1].count}: wait, or ask for fewer steps or shorter spans"
    )
    raise RequestRefused(409, "history_too_short", detail, spans_needed=needed)


def read_series(cursor: duckdb.DuckDBPyConnection, name: Name, stretch: Stretch) -> LedgerSeries:
    """Return a series' values over some spans; one without a row is 0."""
    bound = {
        "first": stretch.first_ms,
        "end": stretch.end_ms,
        "length": stretch.span.length_ms,
        **name.parts,
    }
    rows = cursor.execute(name.form.query, bound).fetchall()
    values = [0] * stretch.count
    for place, value in rows:
        values[place] = int(value)
    heights = first_row(cursor, _HEIGHTS, [stretch.first_ms, stretch.end_ms]) or (None, None)
    return LedgerSeries(values=tuple(values), first_height=heights[0], last_height=heights[1])


def _stretch(span: Span, began_ms: int, ended_ms: int, paid_ms: int) -> Stretch:
    """Return the latest whole spans between the first block's time and the last one's.

    The last is the one in which the reference block is, as soon as that one is whole.
    """
    length_ms = span.length_ms
    first = -(-began_ms // length_ms)
    end = min(ended_ms // length_ms, -(-paid_ms // length_ms))
    count = min(max(0, end - first), SPANS_MAX)
    return Stretch(span=span, first_ms=(end - count) * length_ms, count=count)


def _all_series(cursor: duckdb.DuckDBPyConnection) -> Iterator[Name]:
    assets = [row[0] for row in cursor.execute("SELECT asset FROM assets ORDER BY 1").fetchall()]
    members = [row[0] for row in cursor.execute("SELECT member FROM members ORDER BY 1").fetchall()]
    for word, form in FORMS.items():
        for member in members if "member" in form.parts else [""]:
            for asset in assets if "asset" in form.parts else [""]:
                given = {"member": member, "asset": asset}
                parts = {part: given[part] for part in form.parts}
                yield Name(":".join((word, *parts.values())), form, parts)


def _is_known(cursor: duckdb.DuckDBPyConnection, part: str, value: str) -> bool:
    query = f"SELECT count(*) FROM {part}s WHERE {part} = ?"  # noqa: S608 - our own two words
    return first_row(cursor, query, [value]) == (1,)
