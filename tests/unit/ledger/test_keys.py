"""Public keys and signatures: what may be registered, what is valid."""

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import InvalidKey
from ledger.keys import (
    PUBLIC_KEY_BYTES,
    SCHEME_ED25519,
    SIGNATURE_BYTES,
    check_registrable,
    verdict_key,
    verify,
)

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MESSAGE = b"pay the bearer"
SIGNATURE = SECRET.sign(MESSAGE)
SCHEME = bytes([SCHEME_ED25519])
PUBLIC_KEY = SCHEME + SECRET.public_key().public_bytes_raw()

FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
SIGN_BIT = 1 << 255


def _encoding(y: int) -> bytes:
    return SCHEME + y.to_bytes(32, "little")


def _refusal(public_key: bytes) -> str:
    with pytest.raises(InvalidKey) as refusal:
        check_registrable(public_key)
    return refusal.value.code


def test_sizes_are_fixed() -> None:
    """The sizes of key and signature are part of the protocol."""
    assert len(PUBLIC_KEY) == PUBLIC_KEY_BYTES == 33
    assert len(SIGNATURE) == SIGNATURE_BYTES == 64


def test_honest_key_and_signature() -> None:
    """A fresh key may be registered, and its signature holds for its message alone."""
    check_registrable(PUBLIC_KEY)
    assert verify(PUBLIC_KEY, SIGNATURE, MESSAGE)
    assert not verify(PUBLIC_KEY, SIGNATURE, MESSAGE + b"!")


@pytest.mark.parametrize("position", range(SIGNATURE_BYTES * 8))
def test_any_flipped_bit_of_a_signature_is_caught(position: int) -> None:
    """No bit of a signature is ignored."""
    flipped = int.from_bytes(SIGNATURE, "big") ^ 1 << position
    assert not verify(PUBLIC_KEY, flipped.to_bytes(SIGNATURE_BYTES, "big"), MESSAGE)


@pytest.mark.parametrize("multiple", [1, 2, 7, 15])
def test_threat_24_a_signature_has_one_spelling(multiple: int) -> None:
    """S plus a multiple of the group's order proves the same and is refused as malleated."""
    s = int.from_bytes(SIGNATURE[32:], "little") + multiple * GROUP_ORDER
    assert not verify(PUBLIC_KEY, SIGNATURE[:32] + s.to_bytes(32, "little"), MESSAGE)


@pytest.mark.parametrize(
    ("public_key", "signature"),
    [
        (b"", SIGNATURE),
        (PUBLIC_KEY[:-1], SIGNATURE),
        (PUBLIC_KEY[1:], SIGNATURE),
        (PUBLIC_KEY + b"\0", SIGNATURE),
        (b"\x00" + PUBLIC_KEY[1:], SIGNATURE),
        (b"\x02" + PUBLIC_KEY[1:], SIGNATURE),
        (PUBLIC_KEY, b""),
        (PUBLIC_KEY, SIGNATURE[:-1]),
        (PUBLIC_KEY, SIGNATURE + b"\0"),
    ],
)
def test_other_lengths_and_schemes_are_not_valid(public_key: bytes, signature: bytes) -> None:
    """Bytes that are no key or no signature give an answer, not an error."""
    assert not verify(public_key, signature, MESSAGE)


@pytest.mark.parametrize(
    ("public_key", "code"),
    [
        (b"", "key_length"),
        (PUBLIC_KEY[1:], "key_length"),
        (PUBLIC_KEY + b"\0", "key_length"),
        (b"\x00" + PUBLIC_KEY[1:], "key_scheme"),
        (b"\x02" + PUBLIC_KEY[1:], "key_scheme"),
    ],
)
def test_other_lengths_and_schemes_are_not_registrable(public_key: bytes, code: str) -> None:
    """The register holds keys of a known scheme and its size only."""
    assert _refusal(public_key) == code


@pytest.mark.parametrize("sign", [0, SIGN_BIT])
@pytest.mark.parametrize("excess", range(19))
def test_threat_25_unreduced_y_is_not_registrable(excess: int, sign: int) -> None:
    """None of the 38 encodings whose y is not reduced is accepted as a second spelling."""
    assert _refusal(_encoding(FIELD_PRIME + excess | sign)) == "key_not_canonical"


@pytest.mark.parametrize("y", [1, FIELD_PRIME - 1])
def test_threat_25_negative_zero_is_not_registrable(y: int) -> None:
    """Where x is 0, the sign bit would give a second spelling of the same point."""
    assert _refusal(_encoding(y)) == "key_small_order"
    assert _refusal(_encoding(y | SIGN_BIT)) == "key_not_canonical"


def test_a_y_without_a_point_is_not_registrable() -> None:
    """No point of the curve has y = 2, and no signature is valid under that encoding."""
    assert _refusal(_encoding(2)) == "key_not_on_curve"
    assert not verify(_encoding(2), bytes(SIGNATURE_BYTES), MESSAGE)


def test_both_signs_of_x_are_registrable() -> None:
    """The negative of a key is another key: half of all honest keys have the sign bit set."""
    negative = int.from_bytes(PUBLIC_KEY[1:], "little") ^ SIGN_BIT
    check_registrable(_encoding(negative))


def test_a_point_with_a_small_order_part_is_registrable() -> None:
    """A key plus the point of order 2 still needs its secret, so nothing forbids it."""
    encoded = int.from_bytes(PUBLIC_KEY[1:], "little")
    sign, y = encoded & SIGN_BIT, encoded & ~SIGN_BIT
    # (x, y) + (0, -1) = (-x, -y)
    check_registrable(_encoding(FIELD_PRIME - y | sign ^ SIGN_BIT))


def test_verdict_key_is_fixed() -> None:
    """Two processes, or two versions, that share verdicts agree on their keys."""
    expected = "c63e115edc167aed815ab7318e6db6439bf091b8a2a74e6eeaedca743fc17684"
    assert verdict_key(PUBLIC_KEY, SIGNATURE, MESSAGE).hex() == expected


def test_threat_41_verdicts_cannot_be_borrowed_by_moving_bytes() -> None:
    """The same bytes, cut otherwise into key, signature and message, are another question."""
    joined = PUBLIC_KEY + SIGNATURE + MESSAGE
    cuts = list(combinations(range(0, len(joined) + 1, 3), 2))
    keys = {verdict_key(joined[:one], joined[one:two], joined[two:]) for one, two in cuts}
    assert len(keys) == len(cuts)
