"""Keys that leave or enter the keystore: PEM, PKCS #8, encrypted under a passphrase of their own.

Written with PBES2, scrypt and AES-256-CBC (RFC 8018, RFC 7914). ``cryptography`` would write PBKDF2
with 2,048 rounds, which a graphics card tries by the million, so the few ASN.1 structures are
built here; it reads them back. scrypt at this cost needs 128 MiB, which is more than the
``openssl`` command grants; libraries read it.
"""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from wallet.errors import KeystoreError

SCRYPT_COST: Final = 2**17
"""scrypt's N (RFC 7914); with r = 8 a guess takes 128 MiB."""
SCRYPT_BLOCK_SIZE: Final = 8
SCRYPT_PARALLELISM: Final = 1

SALT_BYTES: Final = 16
AES_KEY_BYTES: Final = 32
AES_BLOCK_BYTES: Final = 16

_LABEL: Final = "ENCRYPTED PRIVATE KEY"
_LINE_CHARACTERS: Final = 64
_PBES2: Final = bytes.fromhex("2a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT: Final = bytes.fromhex("2b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC: Final = bytes.fromhex("60864801650304012a")  # 2.16.840.1.101.3.4.1.42

_INTEGER, _OCTETS, _OBJECT_ID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30


def encode_pem(private_key: Ed25519PrivateKey, passphrase: str) -> bytes:
    """Return a private key as an encrypted PKCS #8 PEM (RFC 5958).

    Raises:
        KeystoreError: ``bad_passphrase`` (empty).
    """
    if not passphrase:
        raise KeystoreError("bad_passphrase", "an exported key needs a passphrase of its own")
    salt, vector = os.urandom(SALT_BYTES), os.urandom(AES_BLOCK_BYTES)
    key = Scrypt(
        salt=salt,
        length=AES_KEY_BYTES,
        n=SCRYPT_COST,
        r=SCRYPT_BLOCK_SIZE,
        p=SCRYPT_PARALLELISM,
    ).derive(passphrase.encode())
    plain = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    padder = PKCS7(AES_BLOCK_BYTES * 8).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    ciphertext = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    algorithm = _sequence(
        _der(_OBJECT_ID, _PBES2), _sequence(_scrypt_identifier(salt), _cipher_identifier(vector))
    )
    return _armour(_sequence(algorithm, _der(_OCTETS, ciphertext)))


def decode_pem(pem: bytes, passphrase: str | None) -> bytes:
    """Return the 32-byte seed of an Ed25519 private key in PEM, encrypted or not.

    Raises:
        KeystoreError: ``bad_pem`` (no private key, or not Ed25519), ``passphrase_required`` or
            ``wrong_passphrase``.
    """
    try:
        key = load_pem_private_key(pem, None if passphrase is None else passphrase.encode())
    except TypeError as error:  # a passphrase is missing, or given for a key that has none
        raise KeystoreError("passphrase_required", str(error)) from None
    except (ValueError, UnsupportedAlgorithm):
        if b"ENCRYPTED" in pem:
            detail = "the passphrase does not open this PEM file, or the file is damaged"
            raise KeystoreError("wrong_passphrase", detail) from None
        raise KeystoreError("bad_pem", "the file holds no private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeystoreError("bad_pem", "the key is not an Ed25519 key")
    return key.private_bytes_raw()


def is_encrypted(pem: bytes) -> bool:
    """Tell whether a PEM file asks for a passphrase."""
    return _LABEL.encode() in pem


def _scrypt_identifier(salt: bytes) -> bytes:
    """Return the scrypt AlgorithmIdentifier (RFC 7914 section 7)."""
    costs = (SCRYPT_COST, SCRYPT_BLOCK_SIZE, SCRYPT_PARALLELISM)
    parameters = _sequence(_der(_OCTETS, salt), *map(_integer, costs))
    return _sequence(_der(_OBJECT_ID, _SCRYPT), parameters)


def _cipher_identifier(vector: bytes) -> bytes:
    return _sequence(_der(_OBJECT_ID, _AES_256_CBC), _der(_OCTETS, vector))


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _integer(number: int) -> bytes:
    # One bit more than the number has, so that the first bit, the sign, is 0.
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    """Return tag, length and content (X.690 section 10.1)."""
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    encoded = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(encoded)]) + encoded + content


def _armour(der: bytes) -> bytes:
    """Return the PEM text of DER bytes (RFC 7468)."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + _LINE_CHARACTERS] for at in range(0, len(text), _LINE_CHARACTERS)]
    return "\n".join([f"-----BEGIN {_LABEL}-----", *lines, f"-----END {_LABEL}-----", ""]).encode()
