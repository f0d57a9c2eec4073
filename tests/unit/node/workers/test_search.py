"""The nonce search: it finds what plain hashing finds, first solution first, and wraps."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from node.workers.search import NONCES, search

EASY_TARGET = 1 << 250  # one nonce in 64


def solves(header_prefix: bytes, target: int, nonce: int) -> bool:
    """Return whether the nonce solves, by the definition."""
    header = header_prefix + nonce.to_bytes(8, "big")
    return int.from_bytes(sha256(sha256(header).digest()).digest(), "big") <= target


@given(st.binary(max_size=600), st.integers(0, NONCES - 1))
def test_finds_the_first_solution_that_the_definition_has(prefix: bytes, start: int) -> None:
    """The result is the first of the nonces that solves, or None when none of them does."""
    nonces = [(start + step) % NONCES for step in range(200)]
    expected = next((nonce for nonce in nonces if solves(prefix, EASY_TARGET, nonce)), None)
    assert search(prefix, EASY_TARGET, start, 200) == expected


def test_target_is_inclusive() -> None:
    """A hash equal to the target solves, and one above it does not."""
    digest = sha256(sha256(b"header" + bytes(8)).digest()).digest()
    target = int.from_bytes(digest, "big")
    assert search(b"header", target, 0, 1) == 0
    assert search(b"header", target - 1, 0, 1) is None


def test_nonces_wrap() -> None:
    """After the last nonce the search goes on at zero."""
    assert search(b"", 1 << 256, NONCES - 1, 1) == NONCES - 1
    target = int.from_bytes(sha256(sha256(bytes(8)).digest()).digest(), "big")
    assert search(b"", target, NONCES - 3, 4) in {NONCES - 3, NONCES - 2, NONCES - 1, 0}
