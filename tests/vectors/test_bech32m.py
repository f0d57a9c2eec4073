"""The published strings of BIP 350."""

import pytest

from ledger.addresses import decode_bech32m, encode_bech32m
from ledger.errors import DecodeError
from tests.vectors import load_vectors

BIP350 = load_vectors("bech32m/bip350.json")


@pytest.mark.parametrize("text", BIP350["valid"])
def test_valid_strings_decode_and_encode_to_themselves(text: str) -> None:
    """Every valid string is read, and written again in lower case."""
    prefix, data = decode_bech32m(text)
    assert encode_bech32m(prefix, data) == text.lower()


@pytest.mark.parametrize(("text", "code"), BIP350["invalid"])
def test_invalid_strings_are_refused_for_their_reason(text: str, code: str) -> None:
    """Every invalid string is refused, and the code says why."""
    with pytest.raises(DecodeError) as refusal:
        decode_bech32m(text)
    assert refusal.value.code == code


def test_older_bech32_checksum_is_refused() -> None:
    """A valid string of BIP 173 is not one of BIP 350."""
    with pytest.raises(DecodeError) as refusal:
        decode_bech32m("a12uel5l")
    assert refusal.value.code == "address_checksum"
