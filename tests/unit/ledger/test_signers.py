"""Who must act and who must sign: exactly the required, none missing and none to spare."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from ledger.errors import InvalidTransaction
from ledger.identity import MemberId
from ledger.transactions import Actor, SignedTransaction
from tests.factories import (
    CNY,
    OPENING_BALANCE,
    Holder,
    MemoryState,
    Network,
    Signer,
    key_set,
    make_account,
    make_account_id,
    make_network,
    make_signer,
    network_of,
    sign,
)
from tests.refusals import refuses

A, B, C, STRANGER = (make_signer(name) for name in ("a", "b", "c", "stranger"))
BANK1, BANK2 = MemberId("bank1"), MemberId("bank2")
MAKER, CHECKER = make_signer("bank1 maker"), make_signer("bank1 checker")


def with_holders(base: Network, *holders: tuple[str, Holder]) -> Network:
    """Return the network with more accounts, each with the opening balance."""
    more = dict(holders)
    genesis = replace(
        base.genesis,
        accounts={**base.genesis.accounts, **{h.id: make_account(h) for h in more.values()}},
        balances={
            **base.genesis.balances,
            **{h.id: {CNY: OPENING_BALANCE} for h in more.values()},
        },
    )
    genesis.validate()
    return network_of(genesis, {**base.holders, **more})


def holder(name: str, threshold: int, *signers: Signer) -> tuple[str, Holder]:
    """Return a named account of bank1 with a threshold of signers."""
    account = make_account_id(name)
    return name, Holder(id=account, member=BANK1, signers=signers, threshold=threshold)


NETWORK = with_holders(
    make_network(),
    holder("two_of_three", 2, A, B, C),
    holder("joint", 1, A, B),
    holder("both", 2, A, C),
)


@pytest.fixture
def state() -> MemoryState:
    """Return a fresh state of block 0."""
    return NETWORK.state()


def transfer(payers: tuple[str, ...], *signers: Signer) -> SignedTransaction:
    """Return a transfer from each payer to alice with these signatures."""
    return NETWORK.transfer(*[NETWORK.leg(p, "alice", 1) for p in payers], signers=signers)


@pytest.mark.parametrize("signers", [(A, B), (A, C), (B, C)])
def test_any_two_of_three_sign(state: MemoryState, signers: tuple[Signer, ...]) -> None:
    """Any two of a 2-of-3 account's keys suffice."""
    state.apply(transfer(("two_of_three",), *signers))


@pytest.mark.parametrize(
    ("signers", "code"),
    [
        ((A,), "missing_signature"),
        ((A, STRANGER), "missing_signature"),
        ((A, B, STRANGER), "surplus_signature"),
        ((A, B, C), "surplus_signature"),
    ],
)
def test_threat_30_too_few_or_too_many_sign(
    state: MemoryState, signers: tuple[Signer, ...], code: str
) -> None:
    """One signature of two is missing one; a third, or a stranger's, is to spare."""
    with refuses(InvalidTransaction, code):
        state.apply(transfer(("two_of_three",), *signers))


@pytest.mark.parametrize(
    ("payers", "signers", "code"),
    [
        (("two_of_three", "joint"), (A, B), None),
        (("two_of_three", "joint"), (A, C), None),
        (("two_of_three", "joint"), (C, B), None),
        (("both", "joint"), (A, C), None),
        (("both", "joint"), (A, B, C), "surplus_signature"),
        (("both", "joint"), (B, C), "missing_signature"),
        (("both", "two_of_three"), (A, C), None),
        (("both", "two_of_three"), (A, B), "missing_signature"),
        (("two_of_three", "alice"), (A, B), "missing_signature"),
        (("two_of_three", "alice"), (A, B, make_signer("alice")), None),
    ],
)
def test_joint_debits_share_keys(
    state: MemoryState, payers: tuple[str, ...], signers: tuple[Signer, ...], code: str | None
) -> None:
    """One signature serves every debited account that holds its key."""
    transaction = transfer(payers, *signers)
    if code is None:
        state.apply(transaction)
    else:
        with refuses(InvalidTransaction, code):
            state.apply(transaction)


def test_a_shared_key_that_one_account_needs_is_not_to_spare(state: MemoryState) -> None:
    """Where one account needs A and C, A beside B over-fills the joint account and stays needed."""
    both_and_three = transfer(("both", "two_of_three"), A, B, C)
    with refuses(InvalidTransaction, "surplus_signature"):
        state.apply(both_and_three)
    state.apply(transfer(("both", "two_of_three"), A, C))


def test_redeem_needs_issuer_and_account(state: MemoryState) -> None:
    """A redemption is signed by an officer of the issuer and by the account's quorum."""
    entry = NETWORK.entry("two_of_three", 5)
    for signers, code in (
        ((MAKER,), "missing_signature"),
        ((A, B), "missing_signature"),
        ((MAKER, A), "missing_signature"),
        ((MAKER, CHECKER, A, B), "surplus_signature"),
    ):
        with refuses(InvalidTransaction, code):
            state.apply(NETWORK.redeem(entry, signers=signers))
    state.apply(NETWORK.redeem(entry, signers=(CHECKER, B, C)))


def test_regulator_needs_both_officers(state: MemoryState) -> None:
    """A member with a threshold of two opens an account with two officers' signatures only."""
    keys = key_set([STRANGER])
    maker, checker = NETWORK.officers[MemberId("regulator")]
    for lone in (maker, checker):
        with refuses(InvalidTransaction, "missing_signature"):
            state.apply(NETWORK.open_account(keys, member="regulator", signers=[lone]))
    state.apply(NETWORK.open_account(keys, member="regulator", signers=[maker, checker]))


def acting(transaction: SignedTransaction, *ids: object) -> SignedTransaction:
    """Return the transaction with these actors, signed by everybody it might need."""
    actors = tuple(Actor(identity, 0, 0) for identity in ids)  # type: ignore[arg-type]  # both kinds
    return sign(structs.replace(transaction.body, actors=actors), [A, MAKER, make_signer("alice")])


def test_threat_30_actors_are_exactly_those_that_the_kind_needs(state: MemoryState) -> None:
    """A missing actor, one too many, one twice, or a member in a transfer is refused."""
    alice, bob = NETWORK.holders["alice"].id, NETWORK.holders["bob"].id
    pay = NETWORK.transfer(NETWORK.leg("alice", "bob", 1))
    issue = NETWORK.issue(NETWORK.entry("alice", 1))
    redeem = NETWORK.redeem(NETWORK.entry("alice", 1))
    opening = NETWORK.open_account(key_set([A]))
    for transaction in (
        acting(pay, bob),
        acting(pay, alice, bob),
        acting(pay, alice, BANK1),
        acting(pay, BANK1),
        acting(pay, alice, alice),
        acting(issue, alice),
        acting(issue, alice, BANK1),
        acting(issue, BANK1, BANK2),
        acting(redeem, BANK1),
        acting(redeem, alice),
        acting(redeem, bob, BANK1),
        acting(opening, alice),
        acting(opening, alice, BANK1),
        acting(opening, BANK1, BANK2),
    ):
        with refuses(InvalidTransaction, "wrong_actors"):
            state.apply(transaction)
