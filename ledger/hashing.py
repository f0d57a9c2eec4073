"""Domain-separated, length-framed SHA-256: one tag a type, so no two types share a hash."""

from __future__ import annotations

from hashlib import sha256
from typing import NewType

TxId = NewType("TxId", bytes)
BlockHash = NewType("BlockHash", bytes)

HASH_BYTES = 32
TAG_BYTES_MAX = 255
ZERO_HASH = bytes(HASH_BYTES)


class Tag:
    """A hash function of its own: ``Tag(name)(data) = SHA-256(len(name) ‖ name ‖ data)``.

    The frame (one byte of length, then the name) keeps a longer tag from colliding with a shorter
    one whose data begins alike.
    """

    __slots__ = ("name", "prefix")

    def __init__(self, name: str) -> None:
        encoded = name.encode("ascii")
        if not 0 < len(encoded) <= TAG_BYTES_MAX:
            raise ValueError(f"a tag has 1 to {TAG_BYTES_MAX} bytes, not {len(encoded)}")
        self.name = name
        self.prefix = bytes([len(encoded)]) + encoded
        """The frame that is hashed before the data, for loops that hash by the thousand."""

    def __call__(self, data: bytes) -> bytes:
        """Return the 32-byte tagged hash of ``data``."""
        return sha256(self.prefix + data).digest()


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
