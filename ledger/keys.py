"""Public keys and the one rule by which every node judges a signature.

A public key is a scheme byte and the scheme's own encoding, so that governance can add schemes.
The only scheme is Ed25519. Signatures are judged by ZIP 215, which was written for consensus: every
verifier gives the same answer for every input. It accepts keys of small order, under which one
signature fits every message, and second spellings of one key, so `check_registrable` keeps both
out of the register.

Signing lives outside the ledger: no function here sees a secret.
"""

from typing import Final

from ed25519_zebra import ed_verify

from ledger.errors import InvalidKey
from ledger.hashing import VERDICT

SCHEME_ED25519: Final = 1
"""First byte of an Ed25519 public key."""

PUBLIC_KEY_BYTES: Final = 33
"""Size of a public key: the scheme byte and the 32 bytes of RFC 8032 section 5.1.2."""

SIGNATURE_BYTES: Final = 64
"""Size of a signature: R and s (RFC 8032 section 5.1.6)."""

_LENGTH_FRAME_BYTES: Final = 8
"""Size of the length before each framed part of a verdict's key, in bytes."""

# The curve -x² + y² = 1 + d·x²·y² over the integers modulo p (RFC 8032 section 5.1).
_FIELD_PRIME: Final = 2**255 - 19
_CURVE_D: Final = -121665 * pow(121666, -1, _FIELD_PRIME) % _FIELD_PRIME
_SQUARE_ROOT_OF_MINUS_ONE: Final = pow(2, (_FIELD_PRIME - 1) // 4, _FIELD_PRIME)
_SIGN_BIT: Final = 1 << 255
_IDENTITY: Final = (0, 1)
_COFACTOR_DOUBLINGS: Final = 3
"""The cofactor is 8: a point that three doublings bring to the identity has small order."""


def check_registrable(public_key: bytes) -> None:
    """Accept a public key that may enter the register: canonical and not of small order.

    Takes about a millisecond, so it belongs where keys enter the register and not where
    signatures are checked. A point with a small-order component is accepted: it has a secret.

    Raises:
        InvalidKey: with the code ``key_length``, ``key_scheme``, ``key_not_canonical`` (y is not
            reduced, or x is 0 with the sign bit set), ``key_not_on_curve`` or ``key_small_order``.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        detail = f"a public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}"
        raise InvalidKey("key_length", detail, length=len(public_key))
    if public_key[0] != SCHEME_ED25519:
        detail = f"scheme {public_key[0]} is unknown; Ed25519 is {SCHEME_ED25519}"
        raise InvalidKey("key_scheme", detail, scheme=public_key[0])
    point = _decompress(public_key)
    for _ in range(_COFACTOR_DOUBLINGS):
        point = _double(point)
    if point == _IDENTITY:
        detail = "the point has small order: one signature would fit every message"
        raise InvalidKey("key_small_order", detail, public_key=public_key)


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Answer whether the signature is valid, by ZIP 215; bytes of any length never raise.

    Takes 75 microseconds or so and holds the interpreter's lock: never on the event loop.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or public_key[0] != SCHEME_ED25519:
        return False
    if len(signature) != SIGNATURE_BYTES:
        return False
    return bool(ed_verify(signature, message, public_key[1:]))


def verdict_key(public_key: bytes, signature: bytes, message: bytes) -> bytes:
    """Return the 32 bytes under which the verdict on this signature is cached.

    Key and signature are framed by their lengths, so that no bytes can move from one part to the
    next and borrow another signature's verdict.
    """
    key_length = len(public_key).to_bytes(_LENGTH_FRAME_BYTES, "big")
    signature_length = len(signature).to_bytes(_LENGTH_FRAME_BYTES, "big")
    return VERDICT(key_length + public_key + signature_length + signature + message)


def _decompress(public_key: bytes) -> tuple[int, int]:
    """Return the point (x, y) of an Ed25519 public key (RFC 8032 section 5.1.3).

    Raises:
        InvalidKey: the encoding is not canonical or names no point of the curve.
    """
    encoded = int.from_bytes(public_key[1:], "little")
    sign, y = encoded >> 255, encoded & ~_SIGN_BIT
    if y >= _FIELD_PRIME:
        detail = "y is not reduced modulo 2^255 - 19"
        raise InvalidKey("key_not_canonical", detail, public_key=public_key)
    numerator = (y * y - 1) % _FIELD_PRIME
    denominator = (_CURVE_D * y * y + 1) % _FIELD_PRIME
    x = _square_root_of_ratio(numerator, denominator)
    if x is None:
        detail = "no point of the curve has this y"
        raise InvalidKey("key_not_on_curve", detail, public_key=public_key)
    if x == 0 and sign:
        detail = "x is 0 and has no negative"
        raise InvalidKey("key_not_canonical", detail, public_key=public_key)
    return (_FIELD_PRIME - x if x & 1 != sign else x), y


def _square_root_of_ratio(numerator: int, denominator: int) -> int | None:
    """Return a square root of numerator / denominator in the field; None if there is none."""
    exponent = (_FIELD_PRIME - 5) // 8
    candidate = (
        numerator
        * pow(denominator, 3, _FIELD_PRIME)
        * pow(numerator * pow(denominator, 7, _FIELD_PRIME), exponent, _FIELD_PRIME)
        % _FIELD_PRIME
    )
    squared = denominator * candidate * candidate % _FIELD_PRIME
    if squared == numerator:
        return candidate
    if squared == -numerator % _FIELD_PRIME:
        return candidate * _SQUARE_ROOT_OF_MINUS_ONE % _FIELD_PRIME
    return None


def _double(point: tuple[int, int]) -> tuple[int, int]:
    """Return twice the point; on this curve neither denominator is ever 0."""
    x, y = point
    cross = _CURVE_D * x * x * y * y
    doubled_x = 2 * x * y * pow(1 + cross, -1, _FIELD_PRIME)
    doubled_y = (y * y + x * x) * pow(1 - cross, -1, _FIELD_PRIME)
    return doubled_x % _FIELD_PRIME, doubled_y % _FIELD_PRIME
