"""What can go wrong in the analytics.

AnalyticsError
├── ParametersInvalid    a file of the regulator's cannot be used
├── BlockRefused         this block does not follow the last one: the feeder asks for the cursor
├── WarehouseRefused     the file is not ours to change: the operator decides
└── WarehouseCorrupt     the file is not what the chain says: it is built anew
"""

from __future__ import annotations


class AnalyticsError(Exception):
    """Base of every fault of the analytics; ``code`` is stable, ``fields`` holds offending values."""

    def __init__(self, code: str, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields


class ParametersInvalid(AnalyticsError):
    """Parameters or a sanctions list that cannot be used; nothing runs with half of them."""


class BlockRefused(AnalyticsError):
    """A block that is not the next one of the warehouse's chain; nothing of it was taken."""


class WarehouseRefused(AnalyticsError):
    """The file belongs to another chain, to another program, or is open elsewhere."""


class WarehouseCorrupt(AnalyticsError):
    """The file cannot be read, or what it holds contradicts the chain."""
