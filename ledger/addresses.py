"""Account ids as people see them: bech32m text with the prefix ``sun`` (BIP 350).

Bytes stand inside, text only at the edges. The checksum catches any four wrong characters or
fewer, so a mistyped id never names another account. The checksum's polynomial comes from the
reference implementation of Bech32; bech32m differs in one constant.
"""

from collections.abc import Iterable
from typing import Final

from bech32 import CHARSET, bech32_hrp_expand, bech32_polymod

from ledger.errors import DecodeError
from ledger.identity import ACCOUNT_ID_BYTES

ACCOUNT_ID_PREFIX: Final = "sun"
"""What stands before the separator ``1`` in every account id."""

BECH32M_CHARACTERS_MAX: Final = 90
"""Longest text for which the checksum's guarantee holds (BIP 173), in characters."""

_DATA_CHARACTERS: Final = ACCOUNT_ID_BYTES * 8 // 5
"""Characters of an account id between separator and checksum: exact, so nothing is padded."""

_CHECKSUM_CHARACTERS: Final = 6
_CHECKSUM_RESIDUE: Final = 0x2BC830A3
"""What bech32m's checksum leaves (BIP 350); the older Bech32 leaves 1."""

_SEPARATOR: Final = "1"


def encode_account_id(account_id: bytes) -> str:
    """Return the account id as text: ``sun1`` and 38 lower-case characters, the last 6 a checksum.

    Raises:
        ValueError: `account_id` is not `ACCOUNT_ID_BYTES` long.
    """
    if len(account_id) != ACCOUNT_ID_BYTES:
        raise ValueError(f"an account id has {ACCOUNT_ID_BYTES} bytes, not {len(account_id)}")
    number = int.from_bytes(account_id, "big")
    shifts = range(5 * (_DATA_CHARACTERS - 1), -1, -5)
    return encode_bech32m(ACCOUNT_ID_PREFIX, [number >> shift & 31 for shift in shifts])


def decode_account_id(text: str) -> bytes:
    """Return the 20 bytes of an account id, given in lower case or all in capitals.

    Raises:
        DecodeError: the text is no account id; the code says why (see `decode_bech32m`, and
            ``address_prefix``, ``address_length``).
    """
    prefix, data = decode_bech32m(text)
    if prefix != ACCOUNT_ID_PREFIX:
        detail = f"an account id begins with {ACCOUNT_ID_PREFIX}1, not {prefix}1"
        raise DecodeError("address_prefix", detail, text=text, prefix=prefix)
    if len(data) != _DATA_CHARACTERS:
        detail = f"an account id has {_DATA_CHARACTERS} data characters, not {len(data)}"
        raise DecodeError("address_length", detail, text=text, length=len(data))
    number = 0
    for value in data:
        number = number << 5 | value
    return number.to_bytes(ACCOUNT_ID_BYTES, "big")


def encode_bech32m(prefix: str, data: Iterable[int]) -> str:
    """Return the bech32m text of a lower-case prefix and of values from 0 to 31 (BIP 350)."""
    values = list(data)
    padded = bech32_hrp_expand(prefix) + values + [0] * _CHECKSUM_CHARACTERS
    residue = bech32_polymod(padded) ^ _CHECKSUM_RESIDUE
    shifts = range(5 * (_CHECKSUM_CHARACTERS - 1), -1, -5)
    checksum = [residue >> shift & 31 for shift in shifts]
    return prefix + _SEPARATOR + "".join(CHARSET[value] for value in values + checksum)


def decode_bech32m(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the prefix, in lower case, and the values from 0 to 31 of a bech32m text (BIP 350).

    Raises:
        DecodeError: with the code ``address_length`` (over `BECH32M_CHARACTERS_MAX`),
            ``address_character``, ``address_mixed_case``, ``address_separator`` (none, nothing
            before it, or no room for a checksum after it) or ``address_checksum``.
    """
    if len(text) > BECH32M_CHARACTERS_MAX:
        detail = f"bech32m text has at most {BECH32M_CHARACTERS_MAX} characters, not {len(text)}"
        raise DecodeError("address_length", detail, length=len(text))
    # Before any change of case: some letters outside ASCII become ASCII letters in lower case.
    for character in text:
        if not "!" <= character <= "~":
            raise _foreign_character(text, character)
    if text not in (text.lower(), text.upper()):
        raise DecodeError("address_mixed_case", "capitals and small letters are mixed", text=text)
    prefix, separator, body = text.lower().rpartition(_SEPARATOR)
    if not separator or not prefix or len(body) < _CHECKSUM_CHARACTERS:
        detail = f"a prefix, {_SEPARATOR!r} and {_CHECKSUM_CHARACTERS} or more characters expected"
        raise DecodeError("address_separator", detail, text=text)
    for character in body:
        if character not in CHARSET:
            raise _foreign_character(text, character)
    values = [CHARSET.index(character) for character in body]
    if bech32_polymod(bech32_hrp_expand(prefix) + values) != _CHECKSUM_RESIDUE:
        raise DecodeError("address_checksum", "the checksum does not match: mistyped?", text=text)
    return prefix, tuple(values[:-_CHECKSUM_CHARACTERS])


def _foreign_character(text: str, character: str) -> DecodeError:
    """Return the error for a character that bech32m does not use at that place."""
    detail = f"{character!r} is not a bech32m character"
    return DecodeError("address_character", detail, text=text, character=character)
