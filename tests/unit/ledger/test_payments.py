"""The plain payment: it takes most payments, and never says other than the rules of all transfers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from ledger import transition
from ledger.errors import InvalidTransaction
from ledger.identity import AccountId, AccountStatus, AssetCode, KeySet
from ledger.kinds import Leg, Transfer
from ledger.payments import plain_balances, plain_payment
from ledger.state import Delta, Overlay, account_key, balance_key, sequence_key
from ledger.transactions import Actor, SignedTransaction
from ledger.transition import apply_transaction
from tests.factories import (
    CNY,
    OPENING_BALANCE,
    USD,
    MemoryState,
    Signer,
    key_set,
    make_network,
    make_signer,
    sign,
)

NETWORK = make_network()
ALICE, BOB, CAROL = (NETWORK.holders[name].id for name in ("alice", "bob", "carol"))
NOBODY = AccountId(bytes(20))
ALICE_KEY, BOB_KEY = make_signer("alice"), make_signer("bob")
ALICE_KEYS = key_set([ALICE_KEY])
UNKNOWN = AssetCode("NONE")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A plain payment by alice to bob, each field of which can be another."""

    debit: AccountId = ALICE
    credit: AccountId = BOB
    asset: AssetCode = CNY
    amount: int = 1
    actors: tuple[AccountId, ...] = (ALICE,)
    sequence: int = 0
    more_legs: tuple[Leg, ...] = ()
    signers: tuple[Signer, ...] = (ALICE_KEY,)
    keys: KeySet = ALICE_KEYS
    payer: AccountStatus = AccountStatus.ACTIVE
    payee: AccountStatus = AccountStatus.ACTIVE

    def state(self) -> MemoryState:
        """Return the state that it meets."""
        state = NETWORK.state()
        payer, payee = state.entries[account_key(ALICE)], state.entries[account_key(BOB)]
        state.entries[account_key(ALICE)] = replace(payer, keys=self.keys, status=self.payer)
        state.entries[account_key(BOB)] = replace(payee, status=self.payee)
        # No chain gets there: so the asset is asked for, and not only its balance.
        state.entries[balance_key(ALICE, UNKNOWN)] = OPENING_BALANCE
        return state

    def transaction(self) -> SignedTransaction:
        """Return the signed transfer."""
        legs = (Leg(self.debit, self.credit, self.asset, self.amount), *self.more_legs)
        actors = [Actor(account, 0, self.sequence) for account in self.actors]
        return sign(NETWORK.body(Transfer(legs=legs), actors), self.signers)


CHANGES: list[dict[str, object]] = [
    {},
    {"debit": BOB},
    {"debit": NOBODY},
    {"credit": ALICE},
    {"credit": CAROL},
    {"credit": NOBODY},
    {"asset": USD},
    {"asset": UNKNOWN},
    {"amount": OPENING_BALANCE},
    {"amount": OPENING_BALANCE + 1},
    {"actors": (BOB,)},
    {"actors": (ALICE, BOB)},
    {"sequence": 1},
    {"more_legs": (Leg(ALICE, CAROL, CNY, 1),)},
    {"more_legs": (Leg(ALICE, CAROL, CNY, OPENING_BALANCE),)},
    {"more_legs": (Leg(BOB, ALICE, CNY, 1),)},
    {"signers": (BOB_KEY,)},
    {"signers": (ALICE_KEY, BOB_KEY)},
    {"keys": key_set([BOB_KEY])},
    {"keys": key_set([ALICE_KEY, BOB_KEY])},
    {"keys": key_set([ALICE_KEY, BOB_KEY], 2)},
    {"payer": AccountStatus.FROZEN},
    {"payer": AccountStatus.CLOSED},
    {"payee": AccountStatus.FROZEN},
    {"payee": AccountStatus.CLOSED},
]


def outcome(case: Case, *, is_written: bool = False) -> Delta | str:
    """Return what a transaction changes, or the code of its refusal.

    With ``is_written`` the block has written all of the state before.
    """
    overlay = Overlay(case.state())
    if is_written:
        overlay = Overlay({})
        overlay.put_all(case.state().entries)
    try:
        apply_transaction(overlay, case.transaction(), height=1, genesis_hash=NETWORK.genesis_hash)
    except InvalidTransaction as error:
        return error.code
    return overlay.delta()


def test_a_plain_payment_is_judged_as_every_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the quick way and without it, a transfer has the same effect or the same refusal.

    Held on a plain payment, and on it with any two things about it changed.
    """
    cases = [Case(**{**a, **b}) for a, b in combinations(CHANGES, 2)]  # type: ignore[arg-type]
    quick = [(outcome(case), outcome(case, is_written=True)) for case in cases]
    monkeypatch.setattr(transition, "plain_payment", lambda *_: None)
    monkeypatch.setattr(transition, "plain_balances", lambda *_: None)
    for case, found in zip(cases, quick, strict=True):
        assert (outcome(case), outcome(case, is_written=True)) == found, case


def test_an_ordinary_payment_is_plain() -> None:
    """One leg, one key, two active accounts: taken at once, with what it leaves of both."""
    case = Case(amount=30)
    transaction = case.transaction()
    effect = transaction.body.effect
    assert isinstance(effect, Transfer)
    balances = {
        balance_key(ALICE, CNY): OPENING_BALANCE - 30,
        balance_key(BOB, CNY): OPENING_BALANCE + 30,
    }
    assert plain_balances(Overlay(case.state()), transaction, effect) == balances
    sequence = sequence_key(transaction.body.actors[0])
    assert plain_payment(Overlay(case.state()), transaction) == {**balances, sequence: 1}
