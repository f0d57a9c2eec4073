"""What detection reads of a block: movements of amounts, and accounts that were opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Movement(NamedTuple):
    """One leg as the warehouse keeps it. A named tuple, because there are many."""

    txid: str | None
    """Transaction, lower-case hex; None for balances of the genesis document."""
    position: int
    """Position of the transaction in its block."""
    leg: int
    """Position of the leg in its transaction."""
    kind: str
    """``transfer``, ``issue``, ``redeem`` or ``genesis``."""
    debit: str | None
    """Payer, ``sun1…``; None where supply is created."""
    credit: str | None
    """Payee, ``sun1…``; None where supply is destroyed."""
    asset: str
    """Code of the asset."""
    amount: int
    """Smallest units, at least 1."""
    reference: str
    """Payment text of the leg, else of the transaction."""


class AccountOpened(NamedTuple):
    """An account that came into being."""

    account: str
    """Its id, ``sun1…``."""
    member: str
    """Member that keeps it."""
    kind: str
    """``institution``, ``innovator``, ``user`` or ``treasury``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts:
    """What one final block did."""

    height: int
    """Its height; 0 stands for the genesis document."""
    time_ms: int
    """Its time, milliseconds since 1970-01-01 UTC."""
    opened: tuple[AccountOpened, ...]
    """Accounts opened by it, in order."""
    movements: tuple[Movement, ...]
    """Movements in it, in the order in which they were applied."""
