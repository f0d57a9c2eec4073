"""JSON as the API reads and writes it: UTF-8, no NaN, no key twice, ASCII on the wire.

``json`` alone guesses the encoding, accepts NaN and lets the last of two equal keys win, so two readers
could see two documents in one text. Everything outside ASCII leaves escaped, so that control characters and
look-alikes in references reach a terminal or a log as what they are (threat 29).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from node.api.problems import Problem


def read_json(text: bytes) -> Any:
    """Return the value of a JSON text, which is UTF-8 without a mark of it (RFC 8259, section 8.1).

    Raises:
        Problem: 400 ``malformed_json``.
    """
    try:
        # Bytes would be taken for UTF-16 or UTF-32 where they look like it.
        return json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _malformed("nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError and our own
        raise _malformed(str(error)) from None


def write_json(value: object) -> bytes:
    """Return the compact JSON text of a value."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return document


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _malformed(reason: str) -> Problem:
    return Problem(400, "malformed_json", f"The body is not JSON: {reason}.")
