"""Ready blocks of signed payments: the work that the ledger benchmarks connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger.blocks import Block, SealedHeader
from ledger.kinds import Leg, Transfer
from ledger.state import Overlay
from ledger.transactions import Actor, SignedTransaction
from ledger.transition import apply_block
from tests.chains import ChainBuilder
from tests.factories import CNY, Holder, Network, make_network, sign

AMOUNTS = 997
"""Legs move 1 to this many smallest units, one more from leg to leg, so that a balance that is
both debited and credited in a block changes all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A chain that is ready to be connected, block by block, by a node that has its genesis."""

    chain: ChainBuilder
    """Its rules, members and keys."""
    blocks: tuple[bytes, ...]
    """Encoded blocks, height 1 first."""
    transactions_per_block: int
    """Transactions in each block."""
    legs_per_transaction: int
    """Legs in each transaction."""
    accounts: int
    """Accounts in the state."""


def single_payments(*, blocks: int, size: int, accounts: int) -> Workload:
    """Return blocks of ``size`` one-leg payments, each by another account to yet another."""
    payments = _Payments(accounts)
    for number in range(blocks):
        first = number * size
        payments.add_block([payments.transfer(first + at, 1, skipped=size) for at in range(size)])
    return payments.workload(size, 1)


def batch_payments(*, blocks: int, size: int, legs: int, accounts: int) -> Workload:
    """Return blocks of ``size`` batches of ``legs`` legs, in a block to as many accounts."""
    payments = _Payments(accounts)
    for number in range(blocks):
        first = number * size * legs
        payments.add_block([payments.transfer(first + at * legs, legs) for at in range(size)])
    return payments.workload(size, legs)


class _Payments:
    """A chain in the making, with the state and the sequences of its accounts."""

    def __init__(self, accounts: int) -> None:
        network: Network = make_network(accounts=accounts)
        self._chain = ChainBuilder(network)
        self._state = network.state()
        self._holders: tuple[Holder, ...] = tuple(network.holders.values())
        self._sequences = [0] * accounts
        self._parent: SealedHeader = self._chain.genesis
        self._blocks: list[bytes] = []

    def transfer(self, first: int, legs: int, *, skipped: int = 1) -> SignedTransaction:
        """Return a signed transfer by account ``first`` to ``legs`` others, ``skipped`` further."""
        count = len(self._holders)
        payer = self._holders[first % count]
        payees = [self._holders[(first + skipped + at) % count] for at in range(legs)]
        sequence = self._sequences[first % count]
        self._sequences[first % count] += 1
        body = self._chain.network.body(
            Transfer(
                legs=tuple(
                    Leg(payer.id, payee.id, CNY, 1 + at % AMOUNTS)
                    for at, payee in enumerate(payees, start=first)
                )
            ),
            [Actor(payer.id, 0, sequence)],
            nonce=first.to_bytes(16),
        )
        return sign(body, payer.signers)

    def add_block(self, transactions: Sequence[SignedTransaction]) -> None:
        """Mine and seal a block of the transactions on the last one."""
        rules = self._chain.rules
        draft = self._chain.draft(self._parent, transactions=transactions)
        overlay = Overlay(self._state)
        apply_block(
            overlay,
            transactions,
            height=draft.height,
            genesis_hash=rules.genesis_hash,
            parameters=rules.parameters,
        )
        self._state.write(overlay.delta())
        sealed = self._chain.mine(replace(draft, state_root=self._state.tree.root))
        block = Block(sealed=sealed, transactions=tuple(transactions), certificates=())
        self._blocks.append(block.encode())
        self._parent = sealed

    def workload(self, transactions: int, legs: int) -> Workload:
        """Return what was built."""
        return Workload(
            chain=self._chain,
            blocks=tuple(self._blocks),
            transactions_per_block=transactions,
            legs_per_transaction=legs,
            accounts=len(self._holders),
        )
