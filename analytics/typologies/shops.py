"""Who lives on many payers: what is paid there is shopping, and what comes back from there a refund."""

from __future__ import annotations

from typing import Final

from analytics.activity import Activity

SHOP_PAYERS_MIN: Final = 8
"""Fewest payers of a shop that it never paid."""
SHOP_PAYERS_RATIO: Final = 3
"""How many times more of them there are than payees that never paid it."""


def is_shop(activity: Activity) -> bool:
    """Tell whether an account is a shop by what it did so far: paid by many, paying few others.

    Who paid and was paid is left out on both sides: refunds make no payee, and where everybody pays
    everybody nobody is a shop.
    """
    mutual = len(activity.paid.others) - activity.net_payees
    payers = len(activity.received.others) - mutual
    return payers >= max(SHOP_PAYERS_MIN, SHOP_PAYERS_RATIO * activity.net_payees)
