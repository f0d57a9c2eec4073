"""What a transaction takes of state and mempool while it waits: lanes, balances, a member's share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.identity import AccountId, AssetCode, MemberId
from ledger.kinds import Redeem, Transfer
from ledger.state import StateKey, StateView, account_of, balance_key, sequence_key
from ledger.transactions import Actor, SignedTransaction

Lane = tuple[StateKey, Actor, int]
"""Sequence key, the actor that uses it, and the lane's next sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledTransaction:
    """A transaction that state and mempool allow, with what it takes of them while it waits."""

    transaction: SignedTransaction
    """The transaction."""
    member: MemberId
    """Member whose share of a template it uses: the first actor's."""
    lanes: tuple[tuple[StateKey, int], ...]
    """Sequence keys and numbers that it consumes."""
    flows: tuple[tuple[StateKey, int], ...]
    """Changes of balances that it would make, smallest units."""
    needs: tuple[tuple[StateKey, int], ...]
    """How far it would draw each balance down on its way, smallest units, below 0."""


def lanes_of(transaction: SignedTransaction, view: StateView) -> list[Lane]:
    """Return the lanes that a transaction uses."""
    return [
        (key := sequence_key(actor), actor, view.get(key) or 0) for actor in transaction.body.actors
    ]


def pool(transaction: SignedTransaction, lanes: list[Lane], view: StateView) -> PooledTransaction:
    """Return a checked transaction with what it takes; ``lanes`` are its own."""
    first = transaction.body.actors[0].id
    if isinstance(first, str):
        member = first
    else:
        account = account_of(view, first)
        member = account.member if account is not None else MemberId("")
    flows: dict[StateKey, int] = {}
    needs: dict[StateKey, int] = {}
    for account_id, asset, change in _moves(transaction):
        key = balance_key(account_id, asset)
        flow = flows[key] = flows.get(key, 0) + change
        if flow < needs.get(key, 0):
            needs[key] = flow
    return PooledTransaction(
        transaction=transaction,
        member=member,
        lanes=tuple([(key, actor.sequence) for key, actor, _ in lanes]),
        flows=tuple([flow for flow in flows.items() if flow[1]]),
        needs=tuple(needs.items()),
    )


def _moves(transaction: SignedTransaction) -> Iterator[tuple[AccountId, AssetCode, int]]:
    """Yield the changes of balances in order; what an issue would create is not there to spend."""
    effect = transaction.body.effect
    if isinstance(effect, Transfer):
        for leg in effect.legs:
            yield leg.debit, leg.asset, -leg.amount
            yield leg.credit, leg.asset, leg.amount
    elif isinstance(effect, Redeem):
        for entry in effect.entries:
            yield entry.account, effect.asset, -entry.amount
