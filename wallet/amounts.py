"""Amounts as people write them and as the ledger counts them, without floats.

parse_amount("12.50", decimals=2) == 1250
format_amount(1250, decimals=2) == "12.50"
"""

from __future__ import annotations

import re
from typing import Final

from ledger.limits import AMOUNT_MAX
from wallet.errors import InvalidAmount

AMOUNT_CHARACTERS_MAX: Final = 40
"""Longest text that is read as an amount, characters: 19 digits, a point, 18 decimals and to spare."""

_DECIMAL = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def parse_amount(text: str, *, decimals: int) -> int:
    """Return an amount in smallest units, from 1 to `AMOUNT_MAX`.

    Digits and one point only: no sign, exponent, grouping or rounding.

    Raises:
        InvalidAmount: ``amount_format``, ``amount_decimals`` (more than the asset has) or
            ``amount_range``.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= AMOUNT_CHARACTERS_MAX else None
    if match is None:
        shown = text[:AMOUNT_CHARACTERS_MAX]
        detail = f"{shown!r} is no amount: write digits and a point, such as 12.50"
        raise InvalidAmount("amount_format", detail, text=shown)
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        detail = f"{text} has {len(fraction)} decimals where the asset has {decimals}"
        raise InvalidAmount("amount_decimals", detail, text=text, decimals=decimals)
    amount = int(whole + fraction.ljust(decimals, "0"))
    if not 1 <= amount <= AMOUNT_MAX:
        least, most = (
            format_amount(1, decimals=decimals),
            format_amount(AMOUNT_MAX, decimals=decimals),
        )
        detail = f"{text} is not from {least} to {most}"
        raise InvalidAmount("amount_range", detail, text=text, decimals=decimals)
    return amount


def format_amount(amount: int, *, decimals: int) -> str:
    """Return smallest units as a decimal with all the asset's places: -1250 gives ``-12.50``."""
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
