"""Values of an answer as JSON.

| DuckDB | JSON |
| --- | --- |
| whole numbers | numbers; beyond 2^53 - 1, which readers of JSON round, strings of digits |
| DECIMAL | strings of digits, exact |
| DOUBLE, FLOAT | numbers; what JSON has no number for: "NaN", "Infinity", "-Infinity" |
| TIMESTAMP | RFC 3339, UTC, milliseconds |
| DATE, TIME | ISO 8601 |
| BLOB | lower-case hex |
| LIST, ARRAY; STRUCT, MAP | lists; objects |
| JSON | what it holds |
| INTERVAL, UUID and all else | text |
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

EXACT_MAX: Final = 2**53 - 1
"""Largest whole number that every reader of JSON keeps (RFC 8259 section 6)."""


def row_json(row: Sequence[Any], is_json: Sequence[bool]) -> bytes:
    """Return the JSON text of a row; ``is_json`` tells which columns are of DuckDB's type JSON."""
    values = [
        json.loads(value) if parsed and isinstance(value, str) else plain(value)
        for value, parsed in zip(row, is_json, strict=True)
    ]
    return json.dumps(values, separators=(",", ":"), default=str).encode()


def plain(value: Any) -> Any:
    """Return a value of DuckDB's Python client as a value that JSON has."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_MAX else str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    return _text(value)


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _text(value: Any) -> str:
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case _:
            return str(value)
