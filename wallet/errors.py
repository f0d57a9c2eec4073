"""What can be wrong on the client's side of the ledger.

    WalletError
    ├── KeystoreError      a key that is missing, exposed, damaged, or locked by another passphrase
    ├── ProfileError       the home does not say which network or node to speak to
    ├── InvalidAmount      a decimal that the asset cannot hold
    ├── InvalidBatch       rows of a payments file that cannot be sent; nothing was
    ├── InvalidRequest     a request that contradicts itself or what the wallet knows
    ├── OutboxError        a kept transaction that is unknown or damaged
    ├── NodeUnreachable    no answer from the node within the limits
    ├── ApiError           the node answered with a problem (RFC 9457)
    ├── TransactionFailed  the chain will not hold the transaction: rejected or expired
    └── WaitTimedOut       not yet as final as was asked; sending the same bytes again is safe

Each carries a stable ``code`` and the offending values in ``fields``, as ``ledger.errors`` does.
"""

from __future__ import annotations


class WalletError(Exception):
    """Base of every fault that a command reports in one line, ``error[code]: detail``."""

    def __init__(self, code: str, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class KeystoreError(WalletError):
    """The key cannot be read or written; the code says what to repair."""


class ProfileError(WalletError):
    """The network profile is missing, malformed, or lacks the node that is needed."""


class InvalidAmount(WalletError):
    """The text is no positive amount of the asset."""


class InvalidBatch(WalletError):
    """The payments file has wrong rows; each is named with its line number."""


class InvalidRequest(WalletError):
    """What was asked for contradicts itself or what the wallet knows."""


class OutboxError(WalletError):
    """A kept transaction is unknown, damaged, or in the way."""


class NodeUnreachable(WalletError):
    """The node did not answer; whether it got the request is unknown."""


class ApiError(WalletError):
    """The node refused; ``status`` is the HTTP status, ``code`` the problem's own code."""

    def __init__(self, code: str, detail: str, *, status: int, **fields: object) -> None:
        super().__init__(code, detail, **fields)
        self.status = status


class TransactionFailed(WalletError):
    """The transaction will never be on the chain."""


class WaitTimedOut(WalletError):
    """The transaction is not yet where it was to be waited for; it may still get there."""
