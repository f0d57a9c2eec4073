"""The canonical encoding: one spelling a value, every other refused before it costs anything."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from ledger import codec
from ledger.errors import DecodeError
from tests.refusals import refuses

BYTES_MAX = 1 << 20


def decode(data: bytes) -> codec.Value:
    """Decode with room for a mebibyte."""
    return codec.decode(data, bytes_max=BYTES_MAX)


@pytest.mark.parametrize(
    "value", [0, 127, 128, 2**64 - 1, -1, "", "孙", b"", b"\x00", (), ((1,), "")]
)
def test_values_round_trip(value: codec.Value) -> None:
    """What is encoded decodes to itself, arrays as tuples."""
    assert decode(codec.encode(value)) == value


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x92\x01", b"\x01\x01", b"\xa1\xff", b"\xd9"])
def test_threat_1_malformed_bytes(data: bytes) -> None:
    """Nothing, a reserved byte, truncation, a trailing byte and bad UTF-8 are malformed."""
    with refuses(DecodeError, "malformed"):
        decode(data)


@pytest.mark.parametrize("levels", [1_000, 1_025, 100_000])
def test_threat_2_depth_bomb(levels: int) -> None:
    """Deep nesting is refused, whether by the parser or by the schema, and never recursed into."""
    data = b"\x91" * levels + b"\x01"
    with pytest.raises(DecodeError):
        codec.uint(codec.fields(decode(data), 1, "bomb")[0], "bomb")


@pytest.mark.parametrize(
    "lie",
    [b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdc\xff\xff"],
    ids=["array", "string", "bytes", "short array"],
)
def test_threat_3_length_lie_takes_no_memory(lie: bytes) -> None:
    """A prefix that promises four gigabytes is refused without taking a megabyte."""
    tracemalloc.start()
    try:
        with refuses(DecodeError, "malformed"):
            decode(lie)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_threat_3_oversized_input_is_not_parsed() -> None:
    """More bytes than allowed are refused by their number alone."""
    with refuses(DecodeError, "too_large"):
        codec.decode(b"\xc1" * 11, bytes_max=10)
    assert codec.decode(b"\xa9" + b"x" * 9, bytes_max=10) == "x" * 9


@pytest.mark.parametrize("data", [b"\x80", b"\x81\x01\x02", b"\x82\x01\x02\x01\x03", b"\x91\x80"])
def test_threat_4_maps(data: bytes) -> None:
    """Maps are refused, empty, with repeated keys or nested."""
    with refuses(DecodeError, "map_not_allowed"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xcc\x01",
        b"\xcd\x00\xff",
        b"\xce\x00\x00\xff\xff",
        b"\xcf" + bytes(7) + b"\x01",
        b"\xd0\x01",
        b"\xd0\xff",
        b"\xd9\x01a",
        b"\xda\x00\x01a",
        b"\xc5\x00\x01a",
        b"\xdc\x00\x01\x01",
        b"\xdd\x00\x00\x00\x01\x01",
    ],
)
def test_threat_5_longer_spellings(data: bytes) -> None:
    """Integers, strings, byte strings and arrays have one spelling, the shortest."""
    with refuses(DecodeError, "not_canonical"):
        decode(data)


@pytest.mark.parametrize(
    "value", [1.0, 1.5, float("nan"), float("inf"), True, False, None], ids=repr
)
def test_threat_6_floats_booleans_and_nil_fit_no_reader(value: Any) -> None:
    """What the encoding has no use for is refused by every reader of a field."""
    element = decode(msgpack.packb([value]))[0]
    readers: list[Callable[[], object]] = [
        lambda: codec.uint(element, "field"),
        lambda: codec.text(element, 10, "field"),
        lambda: codec.fixed_bytes(element, 8, "field"),
        lambda: codec.limited_bytes(element, 8, "field"),
        lambda: codec.array(element, "field", count_max=10),
        lambda: codec.fields(element, 1, "field"),
    ]
    for read in readers:
        with pytest.raises(DecodeError):
            read()


def test_threat_6_single_precision_float() -> None:
    """A 32-bit float re-encodes as 64 bits, so it is not canonical."""
    with refuses(DecodeError, "not_canonical"):
        decode(b"\xca\x3f\x80\x00\x00")


def test_threat_1_extension_types() -> None:
    """Extension types are refused, the built-in timestamp too."""
    with refuses(DecodeError, "extension_not_allowed"):
        decode(msgpack.packb(msgpack.ExtType(5, b"x")))
    for stamp in (msgpack.Timestamp(1), msgpack.Timestamp(2**34, 1), msgpack.Timestamp(-1, 1)):
        with refuses(DecodeError, "not_canonical"):
            decode(msgpack.packb(stamp))


def test_threat_1_lone_surrogate() -> None:
    """UTF-8 of a lone surrogate is not a string."""
    with refuses(DecodeError, "malformed"):
        decode(b"\xa3\xed\xa0\x80")


@pytest.mark.parametrize(
    ("read", "code"),
    [
        (lambda: codec.fields((1, 2), 3, "x"), "bad_shape"),
        (lambda: codec.fields([1, 2], 2, "x"), "bad_shape"),
        (lambda: codec.array((), "x", count_min=1, count_max=2), "bad_shape"),
        (lambda: codec.array((1, 2, 3), "x", count_max=2), "bad_shape"),
        (lambda: codec.uint(-1, "x"), "bad_integer"),
        (lambda: codec.uint(11, "x", maximum=10), "bad_integer"),
        (lambda: codec.uint(True, "x"), "bad_integer"),
        (lambda: codec.fixed_bytes(b"123", 4, "x"), "bad_bytes"),
        (lambda: codec.fixed_bytes("1234", 4, "x"), "bad_bytes"),
        (lambda: codec.limited_bytes(b"123", 2, "x"), "bad_bytes"),
        (lambda: codec.text("孙", 2, "x"), "bad_text"),
        (lambda: codec.text(b"a", 2, "x"), "bad_text"),
    ],
)
def test_readers_refuse(read: Callable[[], object], code: str) -> None:
    """Each reader pins type and range with its own code."""
    with refuses(DecodeError, code):
        read()


def test_readers_accept_their_limits() -> None:
    """The limits themselves are allowed."""
    assert codec.uint(10, "x", maximum=10) == 10
    assert codec.text("孙", 3, "x") == "孙"
    assert codec.limited_bytes(b"12", 2, "x") == b"12"
    assert codec.fixed_bytes(b"12", 2, "x") == b"12"
    assert codec.array((1, 2), "x", count_min=2, count_max=2) == (1, 2)
