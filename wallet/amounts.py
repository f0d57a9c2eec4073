"""Amounts as people write them, in smallest units: parse_amount("12.50", decimals=2) == 1250."""

from __future__ import annotations

import re
from typing import Final

from ledger.amounts import format_amount
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
