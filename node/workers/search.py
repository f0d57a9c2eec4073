"""The search for a proof of work: a nonce whose header hashes to at most the target. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

NONCE_BYTES: Final = 8
NONCES: Final = 1 << (8 * NONCE_BYTES)
HASH_BYTES: Final = 32


def search(header_prefix: bytes, target: int, start_nonce: int, count: int) -> int | None:
    """Return the first of ``count`` nonces from ``start_nonce`` that solves, or None.

    A nonce solves when SHA-256(SHA-256(header_prefix ‖ nonce, 8 bytes big-endian)), read as a
    big-endian integer, is at most ``target``. Nonces wrap at 2^64.

    The prefix is hashed once and its state copied for each nonce: a quarter faster than hashing
    the whole header at 200 bytes and half as fast again at 600 (`scripts/bench`).
    """
    prefix_state = sha256(header_prefix).copy
    # Digests of one length compare as bytes as they do as integers, without making the integers.
    threshold = min(target, (1 << (8 * HASH_BYTES)) - 1).to_bytes(HASH_BYTES, "big")
    for candidate in range(start_nonce, start_nonce + count):
        nonce = candidate % NONCES
        inner = prefix_state()
        inner.update(nonce.to_bytes(NONCE_BYTES, "big"))
        if sha256(inner.digest()).digest() <= threshold:
            return nonce
    return None
