"""Amounts as people read them, without floats: format_amount(1250, decimals=2) == "12.50"."""

from __future__ import annotations


def format_amount(amount: int, *, decimals: int) -> str:
    """Return smallest units as a decimal with all the asset's places: -1250 gives ``-12.50``."""
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
