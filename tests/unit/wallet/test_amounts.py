"""Amounts as people write them."""

from __future__ import annotations

import pytest

from ledger.limits import AMOUNT_MAX
from wallet.amounts import parse_amount
from wallet.errors import InvalidAmount


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [
        ("12.50", 2, 1250),
        ("12.5", 2, 1250),
        ("12", 2, 1200),
        ("0.01", 2, 1),
        ("7", 0, 7),
        ("0.000000000000000001", 18, 1),
        ("92233720368547758.07", 2, AMOUNT_MAX),
    ],
)
def test_decimals_become_smallest_units(text: str, decimals: int, units: int) -> None:
    """The value is exact, whatever places are left out."""
    assert parse_amount(text, decimals=decimals) == units


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12.505", "amount_decimals"),
        ("1.000", "amount_decimals"),
        ("0", "amount_range"),
        ("0.00", "amount_range"),
        ("92233720368547758.08", "amount_range"),
        ("-1", "amount_format"),
        ("+1", "amount_format"),
        ("", "amount_format"),
        (".5", "amount_format"),
        ("5.", "amount_format"),
        ("1e3", "amount_format"),
        ("1,000", "amount_format"),
        ("1_000", "amount_format"),
        (" 1", "amount_format"),
        ("1\n", "amount_format"),
        ("true", "amount_format"),
        ("NaN", "amount_format"),
        ("١٢", "amount_format"),
        ("9" * 4096, "amount_format"),
    ],
)
def test_what_is_no_amount_is_refused_threat_20(text: str, code: str) -> None:
    """Signs, exponents, groups, other digits, too many places or digits: typed errors."""
    with pytest.raises(InvalidAmount) as caught:
        parse_amount(text, decimals=2)
    assert caught.value.code == code
