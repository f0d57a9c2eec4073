"""What ``GET /v1/audit/supply`` answers, as OpenAPI describes it."""

from __future__ import annotations

from typing import NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_DESCRIBED)
class SupplyDocument(TypedDict):
    """How much of an asset there is."""

    asset: str
    name: str
    decimals: int
    issuer: str
    supply: str
    genesis_supply: str
    """What the chain began with; the rest was issued or redeemed since."""
    issued: NotRequired[str]
    """With ``height``: sum of all issues up to it."""
    redeemed: NotRequired[str]
    """With ``height``: sum of all redemptions up to it."""
    balances: NotRequired[str]
    """With ``height``: sum of the balances of all accounts then."""
    holders: NotRequired[int]
    """With ``height``: accounts that held some."""
    conserved: NotRequired[bool]
    """With ``height``: genesis supply + issued - redeemed = balances = supply."""


@with_config(_DESCRIBED)
class SupplyPage(TypedDict):
    """Each asset's supply at one block; with ``height`` counted from the genesis on."""

    items: list[SupplyDocument]
    next_cursor: str | None
    """What to give as ``cursor`` for the next part; null at the end."""
    height: int
    block_hash: str
    state_root: NotRequired[str]
    """With ``height``: the root that the block's header commits to."""
    replayed_root: NotRequired[str]
    """With ``height``: root of the state that was made anew from the genesis and every block."""
    conserved: NotRequired[bool]
    """With ``height``: the roots are one, and every asset of the chain is conserved."""
