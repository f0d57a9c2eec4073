"""What the warehouse and a replay of the chain are compared by.

A digest is SHA-256, in hexadecimal, over JSON without spaces: of a block's rows, of what the block
changed, and of a whole state. Both sides make the same lists, each in its own way: the warehouse by
SQL over its tables (``comparison``), the replay from blocks and the ledger's state (``replay``).

    block row     [hash, parent, time ms, sealer, bits, transactions, legs]
    transaction   [txid, index, kind, member, legs, reference]
    leg           [txid, index, leg, kind, debit, credit, asset, amount, reference]
    account       [account, member, kind]
    measure       [txid, index, measure, account, member, reason, case]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

Row: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDigest:
    """What a block left, or must have left, in the warehouse."""

    height: int
    """Its height."""
    hash: str
    """Its hash, lower-case hex."""
    transactions: int
    """Its transactions."""
    legs: int
    """Movements of amounts in them."""
    rows: str
    """Digest of its rows of blocks, transactions, legs, accounts and measures."""
    changes: str
    """Digest of the balances and supplies that it changed, and by how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDigest:
    """What all blocks up to a height left, or must have left."""

    height: int
    """The height."""
    hash: str
    """Hash of that block."""
    accounts: int
    """Accounts that are open."""
    balances: str
    """Digest of every balance that is not zero."""
    supply: str
    """Digest of every asset's supply that is not zero."""
    registers: str
    """Digest of the accounts with status and activity, of members and of assets."""
    days: str
    """Digest of the balances with which each account closed each day."""


def digest(value: Any) -> str:
    """Return the digest of a value that JSON can hold."""
    return sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def rows_digest(
    block: Row,
    transactions: Iterable[Row],
    legs: Iterable[Row],
    accounts: Iterable[Row],
    measures: Iterable[Row],
) -> str:
    """Return the digest of a block's rows, each list in the order of the block."""
    return digest([block, list(transactions), list(legs), list(accounts), list(measures)])


def changes_digest(balances: Mapping[tuple[str, str], int], supplies: Mapping[str, int]) -> str:
    """Return the digest of changes of balances, by account and asset, and of supplies."""
    changed = sorted([*pair, change] for pair, change in balances.items() if change)
    return digest([changed, sorted([a, change] for a, change in supplies.items() if change)])
