"""Amounts survive the way to people and back."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import format_amount
from ledger.limits import AMOUNT_MAX, ASSET_DECIMALS_MAX
from wallet.amounts import parse_amount
from wallet.errors import InvalidAmount

AMOUNTS = st.integers(min_value=1, max_value=AMOUNT_MAX)
PLACES = st.integers(min_value=0, max_value=ASSET_DECIMALS_MAX)


@given(amount=AMOUNTS, decimals=PLACES)
def test_an_amount_reads_back_as_itself(amount: int, decimals: int) -> None:
    """Writing and reading change nothing, at any number of places."""
    assert parse_amount(format_amount(amount, decimals=decimals), decimals=decimals) == amount


@given(amount=AMOUNTS, decimals=PLACES)
def test_the_decimal_is_the_amount_scaled(amount: int, decimals: int) -> None:
    """The text has the exact value of the units, by an independent decimal arithmetic."""
    with localcontext() as context:
        context.prec = 60
        assert Decimal(format_amount(amount, decimals=decimals)).scaleb(decimals) == amount


@given(text=st.text(max_size=50), decimals=PLACES)
def test_any_text_is_an_amount_or_a_typed_error(text: str, decimals: int) -> None:
    """No text crashes the reader or gives an amount outside the ledger's range."""
    try:
        amount = parse_amount(text, decimals=decimals)
    except InvalidAmount:
        return
    assert 1 <= amount <= AMOUNT_MAX


@given(amount=AMOUNTS, decimals=PLACES, digit=st.integers(min_value=0, max_value=9))
def test_one_place_too_many_is_refused(amount: int, decimals: int, digit: int) -> None:
    """Nothing is rounded, not even a zero."""
    text = format_amount(amount, decimals=decimals)
    text += str(digit) if decimals else f".{digit}"
    with pytest.raises(InvalidAmount):
        parse_amount(text, decimals=decimals)
