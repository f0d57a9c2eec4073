"""Units of assets: amounts of all assets on one scale, so that they may stand side by side."""

from __future__ import annotations

import math
from typing import Final

UNIT_PAYMENTS: Final = 1_000
"""Payments of an asset whose geometric mean is its unit; later ones do not change it."""


class Scale:
    """The unit of each asset: the geometric mean of its first payments.

    It settles with the asset's thousandth payment, so that a market whose amounts change is seen to
    change.
    """

    def __init__(self) -> None:
        self._means: dict[str, tuple[int, float]] = {}

    def note(self, asset: str, amount: int) -> None:
        """Take a payment in."""
        count, mean = self._means.get(asset, (0, 0.0))
        if count < UNIT_PAYMENTS:
            self._means[asset] = (count + 1, mean + (math.log(amount) - mean) / (count + 1))

    def size(self, asset: str, amount: int) -> float:
        """Return an amount as a multiple of its asset's unit."""
        return amount / math.exp(self._means[asset][1])
