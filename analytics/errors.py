"""What can go wrong in the analytics.

AnalyticsError
├── ParametersInvalid    a file of the regulator's cannot be used
├── RequestRefused       what was asked of the process cannot be answered: tell who asked
├── Unavailable          the process is not there, or not yet: ask again later
├── BlockRefused         this block does not follow the last one: the feeder asks for the cursor
├── WarehouseRefused     the file is not ours to change: the operator decides
├── RecordsUnusable      the regulator's own records cannot be read: the operator decides
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


class RecordsUnusable(AnalyticsError):
    """A file of cases, models or releases cannot be used; it stays, because nothing brings it back."""


class WarehouseCorrupt(AnalyticsError):
    """The file cannot be read, or what it holds contradicts the chain."""


class RequestRefused(AnalyticsError):
    """A request that the analytics process refuses, with the HTTP status that says so."""

    def __init__(self, status: int, code: str, detail: str, **fields: object) -> None:
        super().__init__(code, detail, **fields)
        self.status = status


class Unavailable(AnalyticsError):
    """The analytics process does not answer; ``retry_after_s`` is when to ask again, seconds."""

    def __init__(self, detail: str, *, retry_after_s: int = 2) -> None:
        super().__init__("analytics_unavailable", detail)
        self.retry_after_s = retry_after_s
