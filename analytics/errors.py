"""What can go wrong in the analytics.

AnalyticsError
└── ParametersInvalid    a file of the regulator's cannot be used
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
