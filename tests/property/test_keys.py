"""Keys and signatures over any bytes, judged by an independent criterion and library."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.errors import InvalidKey
from ledger.keys import check_registrable, verify

FIELD_PRIME = 2**255 - 19
CURVE_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555

SEEDS = st.binary(min_size=32, max_size=32)


@given(public_key=st.binary(max_size=70), signature=st.binary(max_size=130), message=st.binary())
def test_verification_never_raises(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Bytes of any length, with or without the scheme's, are just not valid."""
    assert not verify(public_key, signature, message)
    assert not verify(b"\x01" + public_key, signature, message)


@given(
    raw_key=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
    message=st.binary(),
)
def test_verification_of_well_sized_bytes_never_raises(
    raw_key: bytes, signature: bytes, message: bytes
) -> None:
    """Nor do bytes of the right sizes, most of which are no point or no scalar."""
    assert verify(b"\x01" + raw_key, signature, message) in (True, False)


@given(seed=SEEDS, message=st.binary(), other=st.binary())
def test_honest_signatures_agree_with_another_library(
    seed: bytes, message: bytes, other: bytes
) -> None:
    """Honest keys are registrable, and both libraries give one verdict on their signatures."""
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    public_key = b"\x01" + secret.public_key().public_bytes_raw()
    signature = secret.sign(message)
    check_registrable(public_key)
    assert verify(public_key, signature, message)
    try:
        secret.public_key().verify(signature, other)
    except InvalidSignature:
        assert not verify(public_key, signature, other)
    else:
        assert verify(public_key, signature, other)


@given(y=st.integers(2, FIELD_PRIME - 2), sign=st.booleans())
def test_points_are_told_by_eulers_criterion(y: int, sign: bool) -> None:
    """A reduced y is refused as off the curve exactly if x squared has no root."""
    ratio = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    has_root = pow(ratio, (FIELD_PRIME - 1) // 2, FIELD_PRIME) == 1
    code = _refusal(b"\x01" + (y | sign << 255).to_bytes(32, "little"))
    assume(code != "key_small_order")
    assert code == (None if has_root else "key_not_on_curve")


def _refusal(public_key: bytes) -> str | None:
    try:
        check_registrable(public_key)
    except InvalidKey as refusal:
        return refusal.code
    return None
