"""Keys on their way out of the keystore and in."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.factories import make_signer
from tests.unit.wallet.conftest import seed_of
from wallet.errors import KeystoreError
from wallet.pem import decode_pem, encode_pem, is_encrypted

ALICE = make_signer("alice")


def test_an_exported_key_is_read_by_an_independent_library() -> None:
    """The PEM is PKCS #8 as the standards say: `cryptography` opens it with the passphrase."""
    pem = encode_pem(ALICE.private_key, "pässphrase")
    key = load_pem_private_key(pem, "pässphrase".encode())
    assert key.public_key() == ALICE.private_key.public_key()
    assert decode_pem(pem, "pässphrase") == seed_of(ALICE)
    assert is_encrypted(pem)


def test_an_export_is_costly_to_guess_threat_59() -> None:
    """The cost N of scrypt is 2^17 or more, by OpenSSL's own reading of the file."""
    pem = encode_pem(ALICE.private_key, "x")
    listing = subprocess.run(
        ["openssl", "asn1parse"], input=pem, capture_output=True, check=True
    ).stdout.decode()
    assert ":1.3.6.1.4.1.11591.4.11" in listing or ":scrypt" in listing
    assert "INTEGER           :020000" in listing


def test_other_tools_keys_are_read() -> None:
    """A PEM in clear, and one with another derivation, are taken in."""
    clear = ALICE.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert decode_pem(clear, None) == seed_of(ALICE)
    locked = ALICE.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    assert decode_pem(locked, "x") == seed_of(ALICE)


def test_what_is_no_ed25519_key_is_refused() -> None:
    """Each fault has its code: passphrase, format, scheme."""
    locked = encode_pem(ALICE.private_key, "x")
    foreign = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for pem, passphrase, code in (
        (locked, "y", "wrong_passphrase"),
        (locked, None, "passphrase_required"),
        (b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n", None, "bad_pem"),
        (foreign, None, "bad_pem"),
    ):
        with pytest.raises(KeystoreError) as caught:
            decode_pem(pem, passphrase)
        assert caught.value.code == code
    with pytest.raises(KeystoreError, match="bad_passphrase"):
        encode_pem(ALICE.private_key, "")
