"""Chains on which every kind of transaction happens, with the state that each header commits to.

history = History(seed=7)
history.grow(20)
history.blocks            # lowest first, from height 1
history.states[5]         # every record of the state after block 5
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ledger.blocks import Block
from ledger.identity import AccountId, MemberId
from ledger.kinds import Leg
from ledger.measures import Freeze, Measure, Unfreeze
from ledger.state import Record, StateKey, next_sequence
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction, opened_account_id
from tests.chains import ChainBuilder
from tests.factories import (
    CNY,
    REGULATOR,
    USD,
    Holder,
    Network,
    key_set,
    make_network,
    make_signer,
)

DAY_MS = 86_400_000


class History:
    """Grows one chain with transfers, issues, redemptions, new accounts, freezes and unfreezes."""

    def __init__(self, *, seed: int = 0, network: Network | None = None) -> None:
        self.network = network or make_network(accounts=6)
        self.chain = ChainBuilder(self.network, seed=seed)
        self.state = self.network.state()
        self.blocks: list[Block] = []
        self.states: list[dict[StateKey, Record]] = [dict(self.state.entries)]
        self.holders: dict[str, Holder] = dict(self.network.holders)
        self._random = random.Random(seed)
        self._nonces = 0
        self._frozen: set[str] = set()

    def grow(self, count: int, *, transactions: int = 4, step_ms: int = 1_000) -> list[Block]:
        """Add blocks of that many transactions each, a time apart; return them."""
        grown = []
        for _ in range(count):
            chosen = [self._transaction() for _ in range(transactions)]
            grown.append(self.add([tx for tx in chosen if tx is not None], step_ms=step_ms))
        return grown

    def add(self, transactions: Sequence[SignedTransaction], *, step_ms: int = 1_000) -> Block:
        """Seal a block of transactions that the state has taken already."""
        parent = self.blocks[-1].sealed if self.blocks else self.chain.genesis
        draft = self.chain.draft(parent, step_ms=step_ms, transactions=transactions)
        sealed = self.chain.mine(replace(draft, state_root=self.state.tree.root))
        block = Block(sealed=sealed, transactions=tuple(transactions), certificates=())
        self.blocks.append(block)
        self.states.append(dict(self.state.entries))
        return block

    def apply(self, transaction: SignedTransaction) -> SignedTransaction:
        """Take a transaction of the next block into the state."""
        self.state.apply(transaction, height=len(self.blocks) + 1)
        return transaction

    def pay(self, debit: str, credit: str, amount: int, reference: str = "") -> SignedTransaction:
        """Return a transfer of yuan that the next block may hold, taken into the state."""
        leg = Leg(self.holders[debit].id, self.holders[credit].id, CNY, amount, "")
        return self.apply(self._network().transfer(leg, **self._next(debit, reference)))

    def _network(self) -> Network:
        return replace(self.network, holders=self.holders)

    def _next(self, name: str, reference: str = "") -> dict[str, Any]:
        actor = Actor(self.holders[name].id, 0, 0)
        return {"sequence": next_sequence(self.state, actor), **self._chosen(reference)}

    def _of_member(self, member: MemberId) -> int:
        return next_sequence(self.state, Actor(member, 0, 0))

    def _chosen(self, reference: str = "") -> dict[str, Any]:
        self._nonces += 1
        return {"nonce": self._nonces.to_bytes(NONCE_BYTES), "reference": reference}

    def _transaction(self) -> SignedTransaction | None:
        makers: list[Callable[[], SignedTransaction | None]] = [
            *[self._transfer] * 6,
            self._issue,
            self._redeem,
            self._open,
            self._measure,
            self._attest,
        ]
        return self._random.choice(makers)()

    def _transfer(self) -> SignedTransaction | None:
        payers = [name for name in self.holders if self._balance(name) > 100]
        payers = [name for name in payers if name not in self._frozen]
        if not payers:
            return None
        debit = self._random.choice(payers)
        legs = [
            Leg(
                self.holders[debit].id,
                self.holders[self._random.choice(list(self.holders))].id,
                self._random.choice((CNY, USD)) if debit in self.network.holders else CNY,
                self._random.randint(1, 20),
                self._random.choice(("", "", "salary")),
            )
            for _ in range(self._random.randint(1, 4))
        ]
        reference = self._random.choice(("", "invoice"))
        return self.apply(self._network().transfer(*legs, **self._next(debit, reference)))

    def _issue(self) -> SignedTransaction:
        name = self._random.choice(list(self.holders))
        entry = self._network().entry(name, self._random.randint(1, 10_000))
        sequence = self._of_member(self.network.genesis.assets[CNY].issuer)
        return self.apply(self._network().issue(entry, sequence=sequence, **self._chosen("issue")))

    def _redeem(self) -> SignedTransaction | None:
        rich = [n for n in self.holders if self._balance(n) > 100 and n not in self._frozen]
        if not rich:
            return None
        name = self._random.choice(rich)
        sequence = self._of_member(self.network.genesis.assets[CNY].issuer)
        redemption = self._network().redeem(
            self._network().entry(name, self._random.randint(1, 50)),
            sequence=sequence,
            account_sequence=next_sequence(self.state, Actor(self.holders[name].id, 0, 0)),
            **self._chosen(),
        )
        return self.apply(redemption)

    def _open(self) -> SignedTransaction:
        signer = make_signer(f"holder {len(self.holders)}")
        sequence = self._of_member(MemberId("bank1"))
        opening = self.network.open_account(key_set([signer]), sequence=sequence, **self._chosen())
        account: AccountId = opened_account_id(opening.txid)
        member = self.network.holders["alice"].member
        self.holders[signer.name] = Holder(id=account, member=member, signers=(signer,))
        return self.apply(opening)

    def _measure(self) -> SignedTransaction:
        name = self._random.choice(list(self.holders))
        account = self.holders[name].id
        is_frozen = name in self._frozen
        measure: Measure = (Unfreeze if is_frozen else Freeze)(
            account=account, reason="test", case="7"
        )
        self._frozen ^= {name}
        sequence = self._of_member(REGULATOR)
        return self.apply(self.network.govern(measure, sequence=sequence, **self._chosen()))

    def _attest(self) -> SignedTransaction:
        member = self._random.choice(list(self.network.genesis.members))
        subject = f"report {self._nonces}"
        sequence = self._of_member(member)
        chosen = self._chosen("attested")
        return self.apply(
            self.network.attest(subject=subject, member=member, sequence=sequence, **chosen)
        )

    def _balance(self, name: str) -> int:
        key = StateKey(b"b" + self.holders[name].id + CNY.encode())
        return self.state.get(key) or 0
