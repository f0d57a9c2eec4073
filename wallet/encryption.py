"""How secrets rest on disk: one data key a store, wrapped by the passphrase, sealing each entry.

The passphrase is stretched by Argon2id (RFC 9106) once, to unwrap the store's random data key;
entries are encrypted under that key with ChaCha20-Poly1305 (RFC 8439), each with a random nonce
and bound to its public fields. So many entries cost one derivation, and a new passphrase rewrites
one file.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from wallet.errors import KeystoreError

DATA_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16

ARGON2_MEMORY_KIB: Final = 64 * 1024
"""Memory of a derivation, KiB: RFC 9106's second recommended choice, with 3 passes and 4 lanes."""
ARGON2_PASSES: Final = 3
ARGON2_LANES: Final = 4
ARGON2_MEMORY_KIB_MAX: Final = 1024 * 1024
"""Most memory that a store's file may ask for, KiB, so that a forged file cannot exhaust it."""
ARGON2_PASSES_MAX: Final = 16
ARGON2_LANES_MAX: Final = 16

PASSPHRASE_BYTES_MAX: Final = 1_024

_WRAP_CONTEXT: Final = b"sunlit/keystore-data-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The public inputs of one Argon2id derivation."""

    salt: bytes
    """Random, 16 bytes."""
    memory_kib: int = ARGON2_MEMORY_KIB
    """Memory, KiB."""
    passes: int = ARGON2_PASSES
    """Passes over the memory."""
    lanes: int = ARGON2_LANES
    """Parallel lanes."""

    @classmethod
    def fresh(cls) -> Derivation:
        """Return a derivation of this release's cost with a new salt."""
        return cls(salt=os.urandom(SALT_BYTES))

    def derive(self, passphrase: str) -> bytes:
        """Return the 32-byte key of a passphrase; takes about a tenth of a second.

        The passphrase is normalised to NFC, as RFC 8265 says, so that keyboards do not matter.

        Raises:
            KeystoreError: ``bad_passphrase`` (empty, or over `PASSPHRASE_BYTES_MAX`).
        """
        encoded = unicodedata.normalize("NFC", passphrase).encode()
        if not 0 < len(encoded) <= PASSPHRASE_BYTES_MAX:
            detail = f"a passphrase has 1 to {PASSPHRASE_BYTES_MAX} bytes"
            raise KeystoreError("bad_passphrase", detail)
        return Argon2id(
            salt=self.salt,
            length=DATA_KEY_BYTES,
            iterations=self.passes,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        ).derive(encoded)


def wrap_data_key(data_key: bytes, passphrase: str, derivation: Derivation) -> bytes:
    """Return a data key encrypted under a passphrase: nonce, then ciphertext and tag."""
    return encrypt(derivation.derive(passphrase), data_key, bound_to=_WRAP_CONTEXT)


def unwrap_data_key(wrapped: bytes, passphrase: str, derivation: Derivation) -> bytes:
    """Return the data key.

    Raises:
        KeystoreError: ``wrong_passphrase``.
    """
    try:
        return decrypt(derivation.derive(passphrase), wrapped, bound_to=_WRAP_CONTEXT)
    except InvalidTag:
        detail = "the passphrase does not open this keystore"
        raise KeystoreError("wrong_passphrase", detail) from None


def encrypt(key: bytes, secret: bytes, *, bound_to: bytes) -> bytes:
    """Return nonce, ciphertext and tag of a secret that is bound to public bytes."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, secret, bound_to)


def decrypt(key: bytes, sealed: bytes, *, bound_to: bytes) -> bytes:
    """Return the secret.

    Raises:
        InvalidTag: another key, other public bytes, or a changed ciphertext.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    if len(nonce) < NONCE_BYTES:
        raise InvalidTag
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, bound_to)
