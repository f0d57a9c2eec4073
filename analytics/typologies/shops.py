"""Who lives on many payers: what is paid there is shopping, and what comes back from there a refund."""

from __future__ import annotations

from typing import Final

from analytics.activity import Activity

SHOP_PAYERS_MIN: Final = 8
"""Fewest payers of a shop."""
SHOP_PAYERS_RATIO: Final = 3
"""How many times more payers than payees it has, refunds apart."""


def is_shop(activity: Activity) -> bool:
    """Tell whether an account is a shop by what it did so far: paid by many, paying few others."""
    payers = len(activity.received.others)
    return payers >= max(SHOP_PAYERS_MIN, SHOP_PAYERS_RATIO * activity.net_payees)
