"""The published vectors of RFC 8032 and the small-order points of ZIP 215."""

from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import InvalidKey
from ledger.keys import SCHEME_ED25519, check_registrable, verify
from tests.vectors import load_vectors

RFC8032 = load_vectors("ed25519/rfc8032.json")["vectors"]
ZIP215 = load_vectors("ed25519/zip215.json")
SMALL_ORDER = ZIP215["canonical"] + ZIP215["not_canonical"]
SCHEME = bytes([SCHEME_ED25519])


@pytest.mark.parametrize("vector", RFC8032, ids=lambda vector: vector["name"])
def test_rfc8032_signatures_are_valid(vector: dict[str, str]) -> None:
    """Each published key may be registered, its signature is valid, and for its message only."""
    raw_key, signature, message = (
        bytes.fromhex(vector[name]) for name in ("public_key", "signature", "message")
    )
    check_registrable(SCHEME + raw_key)
    assert verify(SCHEME + raw_key, signature, message)
    assert not verify(SCHEME + raw_key, signature, message + b"\0")


@pytest.mark.parametrize("vector", RFC8032, ids=lambda vector: vector["name"])
def test_rfc8032_signing_agrees(vector: dict[str, str]) -> None:
    """The library that wallets sign with makes exactly the published keys and signatures."""
    secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["secret_key"]))
    assert secret.public_key().public_bytes_raw().hex() == vector["public_key"]
    assert secret.sign(bytes.fromhex(vector["message"])).hex() == vector["signature"]


def test_zip215_small_order_matrix_is_valid() -> None:
    """All 196 pairs of small-order key and R, with s = 0, verify: the rule is ZIP 215 and no other."""
    message = bytes.fromhex(ZIP215["message"])
    pairs = list(product(SMALL_ORDER, repeat=2))
    assert len(pairs) == 196
    refused = [
        (key, commitment)
        for key, commitment in pairs
        if not verify(SCHEME + bytes.fromhex(key), bytes.fromhex(commitment) + bytes(32), message)
    ]
    assert refused == []


@pytest.mark.parametrize("encoding", ZIP215["canonical"])
def test_threat_25_small_order_keys_are_not_registrable(encoding: str) -> None:
    """A key under which one signature fits every message never enters the register."""
    with pytest.raises(InvalidKey) as refusal:
        check_registrable(SCHEME + bytes.fromhex(encoding))
    assert refusal.value.code == "key_small_order"


@pytest.mark.parametrize("encoding", ZIP215["not_canonical"])
def test_threat_25_second_spellings_of_small_order_keys_are_not_registrable(encoding: str) -> None:
    """Nor does another spelling of such a key, which ZIP 215 would accept."""
    with pytest.raises(InvalidKey) as refusal:
        check_registrable(SCHEME + bytes.fromhex(encoding))
    assert refusal.value.code == "key_not_canonical"
