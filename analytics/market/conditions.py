"""What a request asks of rows: conditions on columns, with the values that are bound to them.

The text of a condition is always ours; whatever a person wrote is bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from analytics.errors import RequestRefused

PERIOD: Final[Mapping[str, str]] = {
    "since_ms": "time >= make_timestamp_ms(?)",
    "until_ms": "time <= make_timestamp_ms(?)",
}
"""Conditions on the time of a row's block, milliseconds since 1970-01-01 UTC, both inclusive."""


class Conditions:
    """Conditions that hold together."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)
        self.values: list[object] = []
        """What is bound, in the order of the conditions."""

    def add(self, text: str, *values: object) -> None:
        """Add a condition with a value for each of its question marks."""
        self._texts.append(text)
        self.values += values

    def add_equal(self, request: web.Request, columns: Mapping[str, str]) -> None:
        """Add that columns equal what the request gives under the names."""
        for name, column in columns.items():
            if name in request.query:
                self.add(f"{column} = ?", request.query[name])

    def add_period(self, request: web.Request) -> None:
        """Add that the block's time is in the period that the request gives, if it gives one."""
        for name, text in PERIOD.items():
            if name in request.query:
                self.add(text, milliseconds(request, name))

    @property
    def where(self) -> str:
        """The clause; nothing without a condition."""
        return f"WHERE {' AND '.join(self._texts)}" if self._texts else ""


def milliseconds(request: web.Request, name: str) -> int | None:
    """Return a time of the query string in milliseconds since 1970-01-01 UTC; None without one.

    Raises:
        RequestRefused: ``invalid_field`` (422): it is no whole number.
    """
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.removeprefix("-").isdigit():
        detail = f"{name} is a whole number of milliseconds"
        raise RequestRefused(422, "invalid_field", detail, pointer=f"/query/{name}")
    return int(text)
