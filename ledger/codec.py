"""Canonical MessagePack: the one encoding of everything that is hashed, signed, stored or sent.

Values are integers, UTF-8 strings, byte strings and arrays of these. No floats, booleans, nil,
maps or extension types. Integers take their shortest form. ``decode`` refuses any bytes that do
not re-encode to themselves, which is what catches non-minimal integers, long-form lengths and
trailing bytes. The field readers below then pin the type of every element, and with it the depth:
no schema nests more than 8 arrays, and a reader refuses an array where it expects a value. The
parser itself keeps no more than 1,024 levels and does not recurse.

``reader`` makes a second way in for the few shapes that come by the thousand: msgspec parses and
checks them in one call, and says no more than yes or no. What it does not take is decoded the first
way, which alone decides what is refused and why (ADR 0014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

import msgpack
import msgspec

from ledger.errors import DecodeError

Value = Any  # a tree of int, str, bytes and tuple; msgpack has no narrower static type

UINT64_MAX = 2**64 - 1

_TIMESTAMP_AS_FLOAT = 1
"""How msgpack reads its timestamp extension, which no hook sees: as something that does not
re-encode to the same bytes."""

encode: Callable[[Value], bytes] = msgspec.msgpack.Encoder().encode
"""Return the canonical bytes of a tree of integers, strings, byte strings and tuples.

``msgspec.Struct`` with ``array_like`` counts as the tuple of its fields.
"""


def reader(shape: object, *, bytes_max: int) -> Callable[[bytes], Value | None]:
    """Return a function from bytes to the value of one shape, or None where it cannot say.

    ``shape`` is a type as msgspec reads it. Every array in it has a largest length and every
    struct forbids fields that it lacks, so that no length that lies takes memory. None means that
    the bytes are over ``bytes_max``, of another shape, or not canonical.
    """
    parse = msgspec.msgpack.Decoder(shape).decode

    def read(data: bytes) -> Value | None:
        if len(data) > bytes_max:
            return None
        try:
            value = parse(data)
        except (ValueError, RecursionError):  # msgspec.DecodeError is a ValueError
            return None
        return value if encode(value) == data else None

    return read


def _refuse_map(_pairs: object) -> Never:
    raise DecodeError("map_not_allowed", "maps are not part of the canonical encoding")


def _refuse_extension(_code: int, _data: bytes) -> Never:
    raise DecodeError("extension_not_allowed", "extension types are not part of the encoding")


def decode(data: bytes, *, bytes_max: int) -> Value:
    """Return the value that ``data`` encodes, arrays as tuples.

    ``bytes_max`` bounds the input before anything is parsed; every count inside is bounded by the
    input's own length, so a lying length prefix takes no memory.

    Raises:
        DecodeError: too large, malformed, or not the canonical encoding of its value.
    """
    if len(data) > bytes_max:
        raise DecodeError(
            "too_large", f"{len(data)} bytes where at most {bytes_max} are allowed", size=len(data)
        )
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            use_list=False,
            strict_map_key=False,  # the hook refuses every map, whatever its keys
            object_pairs_hook=_refuse_map,
            ext_hook=_refuse_extension,
            timestamp=_TIMESTAMP_AS_FLOAT,
        )
        canonical = encode(value)
    except DecodeError:
        raise
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        # ValueError is msgpack's family for truncation, trailing bytes, bad UTF-8, bad lengths
        # and nesting, which ends the encoder with the other; nothing of the input is quoted, it
        # may be hostile.
        raise DecodeError("malformed", f"not MessagePack: {type(error).__name__}") from None
    if canonical != data:
        raise DecodeError("not_canonical", "the bytes are not the canonical encoding")
    return value


def fields(value: Value, count: int, what: str) -> tuple[Value, ...]:
    """Return ``value`` if it is an array of exactly ``count`` elements."""
    if type(value) is not tuple or len(value) != count:
        raise DecodeError("bad_shape", f"{what} is an array of {count} elements")
    return value


def array(value: Value, what: str, *, count_min: int = 0, count_max: int) -> tuple[Value, ...]:
    """Return ``value`` if it is an array of ``count_min`` to ``count_max`` elements."""
    if type(value) is not tuple or not count_min <= len(value) <= count_max:
        raise DecodeError("bad_shape", f"{what} is an array of {count_min} to {count_max} elements")
    return value


def uint(value: Value, what: str, *, maximum: int = UINT64_MAX) -> int:
    """Return ``value`` if it is an integer from 0 to ``maximum`` (booleans and floats are not)."""
    if type(value) is not int or not 0 <= value <= maximum:
        raise DecodeError("bad_integer", f"{what} is an integer from 0 to {maximum}")
    return value


def fixed_bytes(value: Value, count: int, what: str) -> bytes:
    """Return ``value`` if it is a byte string of exactly ``count`` bytes."""
    if type(value) is not bytes or len(value) != count:
        raise DecodeError("bad_bytes", f"{what} is a byte string of {count} bytes")
    return value


def limited_bytes(value: Value, bytes_max: int, what: str) -> bytes:
    """Return ``value`` if it is a byte string of at most ``bytes_max`` bytes."""
    if type(value) is not bytes or len(value) > bytes_max:
        raise DecodeError("bad_bytes", f"{what} is a byte string of at most {bytes_max} bytes")
    return value


def text(value: Value, bytes_max: int, what: str) -> str:
    """Return ``value`` if it is a string of at most ``bytes_max`` bytes of UTF-8."""
    if type(value) is not str or len(value.encode()) > bytes_max:
        raise DecodeError("bad_text", f"{what} is a string of at most {bytes_max} bytes of UTF-8")
    return value
