"""Amounts in the rules: parameters by asset, and sums as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from analytics.activity import Market
from analytics.typologies.parameters import EVERY_ASSET

_T = TypeVar("_T")


def of_asset(values: Mapping[str, _T], asset: str) -> _T | None:
    """Return the value for an asset: its own, else that of every asset, else None."""
    return values.get(asset, values.get(EVERY_ASSET))


def shown(market: Market, units: int, asset: str) -> str:
    """Return an amount with its asset, such as ``12,500.00 CNY``."""
    return f"{market.decimal(units, asset):,f} {asset}"
