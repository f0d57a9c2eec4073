"""Domain-separated, length-framed SHA-256: one tag a type, so no two types share a hash."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NewType

TxId = NewType("TxId", bytes)
BlockHash = NewType("BlockHash", bytes)

HASH_BYTES = 32
TAG_BYTES_MAX = 255


class PrefixedHash:
    """SHA-256 of a fixed prefix and what is given: ``PrefixedHash(prefix)(data)``."""

    __slots__ = ("_begin",)

    def __init__(self, prefix: bytes) -> None:
        # A copy of a hash that took in the prefix is made faster than a new one, and joins nothing.
        self._begin = sha256(prefix).copy

    def __call__(self, data: bytes | bytearray) -> bytes:
        """Return the 32-byte hash of ``data``."""
        hashed = self._begin()
        hashed.update(data)
        return hashed.digest()

    def each(self, messages: Iterable[bytes | bytearray]) -> list[bytes]:
        """Return the hash of each message, for those that come by the thousand."""
        begin = self._begin
        digests = []
        for message in messages:
            hashed = begin()
            hashed.update(message)
            digests.append(hashed.digest())
        return digests


class Tag(PrefixedHash):
    """A hash function of its own: ``Tag(name)(data) = SHA-256(len(name) ‖ name ‖ data)``.

    The frame (one byte of length, then the name) keeps a longer tag from colliding with a shorter
    one whose data begins alike.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        encoded = name.encode("ascii")
        if not 0 < len(encoded) <= TAG_BYTES_MAX:
            raise ValueError(f"a tag has 1 to {TAG_BYTES_MAX} bytes, not {len(encoded)}")
        super().__init__(bytes([len(encoded)]) + encoded)
        self.name = name


TRANSACTION_ID = Tag("sunlit/transaction-id")
TRANSACTION_SIGNATURE = Tag("sunlit/transaction-signature")
ACCOUNT_ID = Tag("sunlit/account-id")
SEAL_SIGNATURE = Tag("sunlit/seal-signature")
VOTE_SIGNATURE = Tag("sunlit/vote-signature")
SEALER_SET = Tag("sunlit/sealer-set")
GENESIS_DOCUMENT = Tag("sunlit/genesis-document")
STATE_KEY = Tag("sunlit/state-key")
STATE_VALUE = Tag("sunlit/state-value")
STATE_BUCKET = Tag("sunlit/state-bucket")
STATE_NODE = Tag("sunlit/state-node")
VERDICT = Tag("sunlit/verdict")
ACCESS_RECORD = Tag("sunlit/access-record")


def double_sha256(data: bytes) -> bytes:
    """Return SHA-256(SHA-256(data)), the proof-of-work hash, 32 bytes."""
    return sha256(sha256(data).digest()).digest()
