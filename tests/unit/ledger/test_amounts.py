"""Amounts as people read them."""

from __future__ import annotations

from ledger.amounts import format_amount


def test_smallest_units_become_decimals() -> None:
    """All places are shown, and a sign where there is one."""
    assert format_amount(1250, decimals=2) == "12.50"
    assert format_amount(5, decimals=2) == "0.05"
    assert format_amount(-1250, decimals=2) == "-12.50"
    assert format_amount(0, decimals=2) == "0.00"
    assert format_amount(7, decimals=0) == "7"
