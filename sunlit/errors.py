"""What can go wrong while a network is made or a development network is run.

    SunlitError
    ├── NetworkError    the members' document, a directory or a key does not fit the others
    ├── HomeTaken       the home holds another network's keys, and is left as it is
    └── DevnetError     the development network is missing, is another, or one of its nodes failed

Each carries a stable ``code`` and the offending values in ``fields``, as ``ledger.errors`` does.
"""

from __future__ import annotations


class SunlitError(Exception):
    """Base of every fault that a command reports in one line, ``error[code]: detail``."""

    def __init__(self, code: str, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class NetworkError(SunlitError):
    """No network can be made of this; the detail names the member and the file."""


class HomeTaken(SunlitError):
    """A home holds the keys of one network; another must be chosen with ``--home``."""


class DevnetError(SunlitError):
    """The development network cannot do what was asked."""
