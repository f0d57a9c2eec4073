"""Account ids as text: what is read, what is refused and for which reason."""

import pytest

from ledger.addresses import decode_account_id, encode_account_id, encode_bech32m
from ledger.errors import DecodeError

ACCOUNT_ID = bytes(range(20))
TEXT = "sun1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn45sfkt"


def test_text_is_fixed() -> None:
    """The text of an id is part of the protocol and never changes."""
    assert encode_account_id(ACCOUNT_ID) == TEXT
    assert decode_account_id(TEXT) == ACCOUNT_ID


def test_capitals_are_read() -> None:
    """A QR code may hold the id in capitals, which take less room there (BIP 173)."""
    assert decode_account_id(TEXT.upper()) == ACCOUNT_ID


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "address_separator"),
        ("sun1", "address_separator"),
        (TEXT[:-1] + "T", "address_mixed_case"),
        (TEXT.capitalize(), "address_mixed_case"),
        (f" {TEXT}", "address_character"),
        (f"{TEXT}\n", "address_character"),
        (TEXT.replace("s", "ſ", 1), "address_character"),
        (TEXT.upper().replace("K", "\N{KELVIN SIGN}"), "address_character"),
        (TEXT.replace("q", "b", 1), "address_character"),
        (TEXT[:-1], "address_checksum"),
        (TEXT + "q", "address_checksum"),
        (TEXT * 3, "address_length"),
        (encode_bech32m("sum", [0] * 32), "address_prefix"),
        (encode_bech32m("sun1", [0] * 32), "address_prefix"),
        (encode_bech32m("bc", [0] * 32), "address_prefix"),
        (encode_bech32m("sun", [0] * 31), "address_length"),
        (encode_bech32m("sun", [0] * 33), "address_length"),
        (encode_bech32m("sun", []), "address_length"),
    ],
)
def test_refusals_say_what_is_wrong(text: str, code: str) -> None:
    """Each fault of a text has its own code."""
    with pytest.raises(DecodeError) as refusal:
        decode_account_id(text)
    assert refusal.value.code == code


@pytest.mark.parametrize("at", range(len(TEXT)))
def test_every_wrong_character_is_caught(at: int) -> None:
    """Whichever character stands at this place instead of the right one, the id is refused."""
    for wrong in map(chr, range(128)):
        if wrong != TEXT[at]:
            with pytest.raises(DecodeError):
                decode_account_id(TEXT[:at] + wrong + TEXT[at + 1 :])


@pytest.mark.parametrize("size", [0, 19, 21])
def test_other_lengths_are_not_written(size: int) -> None:
    """Bytes that are no account id have no text."""
    with pytest.raises(ValueError, match="20 bytes"):
        encode_account_id(bytes(size))
