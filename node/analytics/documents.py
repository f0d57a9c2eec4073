"""The JSON documents of the embedded analytics: their fields, and what OpenAPI says of them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_DESCRIBED)
class AnalyticsStatusDocument(TypedDict):
    """How the embedded analytics fares."""

    state: Literal["live", "catching_up", "restarting"]
    """``live``: the warehouse and the search for alerts are both at most 10 final blocks behind;
    ``restarting`` while the process is away."""
    height: int | None
    """Last block in the warehouse; null before its first start."""
    detection_height: int | None
    """Last block that was searched for alerts; null before the first. The search has come to every
    final block where this is the height of ``finalized``."""


@with_config(_DESCRIBED)
class BlockComparisonDocument(TypedDict):
    """A block, and what the warehouse says of it (``sunlit analytics verify-warehouse``)."""

    height: int
    hash: str
    """Hash of the block in the warehouse."""
    block: str
    """The block's canonical bytes, hex; empty for block 0, which is the genesis document."""
    transactions: int
    legs: int
    rows: str
    """SHA-256 of the block's rows, hex."""
    changes: str
    """SHA-256 of the balances and supplies that it changed, hex."""


@with_config(_DESCRIBED)
class WarehouseStateDocument(TypedDict):
    """What the warehouse says of everything up to its last block, as SHA-256 in hex."""

    height: int
    """The last block in the warehouse."""
    hash: str
    accounts: int
    """Accounts that are open."""
    balances: str
    supply: str
    registers: str
    """Accounts with status and activity, members, assets."""
    days: str
    """Balances that each account closed each day with."""


@with_config(_DESCRIBED)
class ReasonDocument(TypedDict):
    """One measured fact behind a score, and its share of it."""

    feature: str
    value: float
    contribution: float
    """Share of the score; the shares of all reasons add up to it."""
    text: str


@with_config(_DESCRIBED)
class AlertDocument(TypedDict):
    """A warning of the analytics."""

    id: str
    typology: str
    severity: Literal["low", "medium", "high", "critical"]
    account: str | None
    """Account that it is about; null where it is about the market."""
    score: float
    """Strength of the pattern, 0 to 1."""
    reasons: list[ReasonDocument]
    transactions: list[str]
    """Txids that it rests on, oldest first; each can be proved."""
    height: int
    """Block at which it was found."""
    time: str
    """Time of that block."""
    model: str
    """Name and version of what found it."""


@with_config(_DESCRIBED)
class AlertLineDocument(AlertDocument):
    """An alert as a line of a stream."""

    event: Literal["alert"]
