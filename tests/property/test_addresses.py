"""Account ids: what a hand may mistype is caught, and what is read is what was written."""

import pytest
from bech32 import CHARSET
from hypothesis import given
from hypothesis import strategies as st

from ledger.addresses import decode_account_id, encode_account_id
from ledger.errors import DecodeError
from ledger.identity import ACCOUNT_ID_BYTES

ACCOUNT_IDS = st.binary(min_size=ACCOUNT_ID_BYTES, max_size=ACCOUNT_ID_BYTES)


@given(account_id=ACCOUNT_IDS)
def test_text_and_bytes_stand_for_each_other(account_id: bytes) -> None:
    """An id is read back from its text, in either case."""
    text = encode_account_id(account_id)
    assert decode_account_id(text) == decode_account_id(text.upper()) == account_id


@given(account_id=ACCOUNT_IDS, data=st.data())
def test_up_to_four_wrong_characters_are_caught(account_id: bytes, data: st.DataObject) -> None:
    """Whichever characters stand instead of one to four right ones, the id is refused."""
    text = encode_account_id(account_id)
    places = st.integers(len("sun1"), len(text) - 1)
    mistyped = list(text)
    for at in data.draw(st.sets(places, min_size=1, max_size=4)):
        mistyped[at] = data.draw(st.sampled_from(sorted(set(CHARSET) - {text[at]})))
    with pytest.raises(DecodeError) as refusal:
        decode_account_id("".join(mistyped))
    assert refusal.value.code == "address_checksum"


@given(account_id=ACCOUNT_IDS)
def test_swapped_neighbours_are_caught(account_id: bytes) -> None:
    """Two neighbouring characters written in the other order are refused."""
    text = encode_account_id(account_id)
    for at in range(len(text) - 1):
        swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        if swapped != text:
            with pytest.raises(DecodeError):
                decode_account_id(swapped)


@given(text=st.text() | st.text(alphabet=CHARSET + "1SUNsun"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """What a stranger types is an id that writes as it was typed, or a typed error."""
    try:
        account_id = decode_account_id(text)
    except DecodeError:
        return
    assert encode_account_id(account_id) == text.lower()
