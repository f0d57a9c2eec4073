"""The tables that features are made of, named but bound to no backend."""

from __future__ import annotations

from typing import Final

import ibis
from ibis.expr.types import Table

LEGS: Final[Table] = ibis.table(
    {
        "height": "int64",
        "time": "timestamp",
        "kind": "string",
        "debit": "string",
        "credit": "string",
        "asset": "string",
        "amount": "int64",
    },
    name="legs",
)
"""Movements; ``amount`` in smallest units of its asset."""
ACCOUNTS: Final[Table] = ibis.table(
    {"account": "string", "member": "string", "kind": "string", "opened_height": "int64"},
    name="accounts",
)
"""Accounts and the members that keep them."""
ASSETS: Final[Table] = ibis.table({"asset": "string", "decimals": "int32"}, name="assets")
"""Assets and their decimal places."""
WINDOW: Final[Table] = ibis.table(
    {
        "until_height": "int64",
        "until": "timestamp",
        "after": "timestamp",
        "remembered_after": "timestamp",
    },
    name="feature_window",
)
"""One row: the last block, its time, what the window begins after, and what the memory begins after.

A table, because an expression takes half a second to become SQL, and so does it once.
"""

KEPT_PAYMENTS: Final[Table] = ibis.table(
    {
        "height": "int64",
        "time": "timestamp",
        "debit": "int32",
        "credit": "int32",
        "asset": "string",
        "amount": "int64",
        "receipt": "timestamp",
    },
    name="kept_payments",
)
"""Payments as a warehouse keeps them: accounts as numbers, and what `payments` says of receipts."""
KEPT_PAIRS: Final[Table] = ibis.table({"account": "int32", "other": "int32"}, name="kept_pairs")
"""Who paid whom in the memory, as `earlier_pairs`."""
KEPT_MEANS: Final[Table] = ibis.table({"asset": "string", "mean": "float64"}, name="kept_means")
"""The mean payment of each asset in the window, where not all of its payments are at hand."""
KEPT_ACCOUNTS: Final[Table] = ibis.table(
    {"account": "int32", "member": "string", "kind": "string", "opened_height": "int64"},
    name="kept_accounts",
)
"""`ACCOUNTS` by their numbers."""
