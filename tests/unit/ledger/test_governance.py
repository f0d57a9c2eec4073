"""Governance: what freezing and unfreezing change, and each reason for which they are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import codec, limits
from ledger.errors import DecodeError, InvalidTransaction
from ledger.hashing import BlockHash
from ledger.identity import AccountId, AccountStatus, KeySet, MemberId
from ledger.measures import Freeze, Govern, Measure, Policy, Unfreeze, decode_govern, govern_value
from ledger.state import Overlay, account_key, account_of, balance_of, member_key, next_sequence
from ledger.transactions import Actor, SignedTransaction, decode_transaction
from ledger.transition import apply_transaction, validate_window
from tests.factories import (
    CNY,
    OPENING_BALANCE,
    REGULATOR,
    MemoryState,
    make_network,
    make_signer,
    sign,
)
from tests.refusals import refuses

NETWORK = make_network()
ALICE, BOB = (NETWORK.holders[name].id for name in ("alice", "bob"))
MAKER, CHECKER = NETWORK.officers[REGULATOR]
NOBODY = AccountId(bytes(20))


@pytest.fixture
def state() -> MemoryState:
    """Return a fresh state of block 0."""
    return NETWORK.state()


def refused(state: MemoryState, transaction: SignedTransaction, code: str) -> None:
    """Expect a refusal that leaves the overlay, and so the state, untouched."""
    overlay = Overlay(state)
    with refuses(InvalidTransaction, code):
        apply_transaction(overlay, transaction, height=1, genesis_hash=NETWORK.genesis_hash)
    assert overlay.delta().after == {}


def status_of(state: MemoryState, account: AccountId) -> AccountStatus:
    """Return an account's status."""
    record = account_of(state, account)
    assert record is not None
    return record.status


def test_a_frozen_account_receives_and_does_not_pay_until_it_is_unfrozen(
    state: MemoryState,
) -> None:
    """Freeze, refuse a debit, take a credit, unfreeze, pay."""
    before = account_of(state, ALICE)
    state.apply(NETWORK.freeze("alice"))
    assert status_of(state, ALICE) is AccountStatus.FROZEN
    payment = NETWORK.transfer(NETWORK.leg("alice", "bob", 1))
    refused(state, payment, "account_frozen")
    refused(state, NETWORK.redeem(NETWORK.entry("alice", 1)), "account_frozen")
    state.apply(NETWORK.transfer(NETWORK.leg("bob", "alice", 5)))
    state.apply(NETWORK.unfreeze("alice", sequence=1))
    assert account_of(state, ALICE) == before
    state.apply(payment)
    assert balance_of(state, ALICE, CNY) == OPENING_BALANCE + 4
    assert next_sequence(state, Actor(REGULATOR, 0, 0)) == 2


def test_a_freeze_is_undone_with_its_block(state: MemoryState) -> None:
    """The delta takes status, sequence and root back."""
    entries, root = dict(state.entries), state.tree.root
    delta = state.apply(NETWORK.freeze("alice"))
    assert state.tree.root != root
    state.undo(delta)
    assert (state.entries, state.tree.root) == (entries, root)


def test_measures_are_all_or_nothing(state: MemoryState) -> None:
    """One measure that has nothing to change voids the others."""
    both = (Freeze(account=ALICE, reason="a"), Freeze(account=BOB, reason="b"))
    state.apply(NETWORK.govern(*both))
    assert status_of(state, BOB) is AccountStatus.FROZEN
    mixed = (Unfreeze(account=ALICE, reason="a"), Freeze(account=BOB, reason="b"))
    refused(state, NETWORK.govern(*mixed, sequence=1), "already_frozen")
    assert status_of(state, ALICE) is AccountStatus.FROZEN


def test_a_measure_must_have_something_to_change(state: MemoryState) -> None:
    """Frozen twice, unfrozen while active, closed or unknown: each has its code."""
    refused(state, NETWORK.unfreeze("alice"), "not_frozen")
    refused(state, NETWORK.govern(Freeze(account=NOBODY, reason="?")), "unknown_account")
    state.apply(NETWORK.freeze("alice"))
    refused(state, NETWORK.freeze("alice", sequence=1), "already_frozen")
    key = account_key(BOB)
    state.entries[key] = replace(state.entries[key], status=AccountStatus.CLOSED)
    refused(state, NETWORK.freeze("bob", sequence=1), "account_closed")
    refused(state, NETWORK.unfreeze("bob", sequence=1), "account_closed")


def test_threat_26_only_a_regulator_freezes(state: MemoryState) -> None:
    """A bank's officers, governors though they are, freeze nothing, nor does anyone for another."""
    refused(state, NETWORK.freeze("alice", member="bank1"), "not_regulator")
    bank = NETWORK.officers[MemberId("bank1")]
    refused(state, NETWORK.freeze("alice", signers=bank), "missing_signature")
    effect = NETWORK.freeze("alice").body.effect
    unknown = NETWORK.body(effect, [Actor(MemberId("nobody"), 0, 0)])
    refused(state, sign(unknown, bank), "unknown_member")
    for actors in ([Actor(ALICE, 0, 0)], [Actor(ALICE, 0, 0), Actor(REGULATOR, 0, 0)]):
        refused(state, sign(NETWORK.body(effect, actors), [MAKER, CHECKER]), "wrong_actors")


def test_threat_30_one_officer_alone_freezes_nothing(state: MemoryState) -> None:
    """One key, or one more than needed, is refused; the same key twice does not even decode."""
    refused(state, NETWORK.freeze("alice", signers=[MAKER]), "missing_signature")
    surplus = NETWORK.freeze("alice", signers=[MAKER, CHECKER, make_signer("alice")])
    refused(state, surplus, "surplus_signature")
    signed = NETWORK.freeze("alice", signers=[MAKER])
    doubled = codec.encode((signed.body_bytes, signed.signatures * 2))
    with refuses(DecodeError, "signatures_unsorted"):
        decode_transaction(doubled)


@pytest.mark.parametrize(("threshold", "officers", "needed"), [(1, 3, 2), (2, 3, 2), (3, 3, 3)])
def test_threat_30_two_officers_sign_whatever_the_threshold(
    state: MemoryState, threshold: int, officers: int, needed: int
) -> None:
    """A threshold of 1 does for tokens and accounts, never for a freeze; a higher one counts."""
    signers = [make_signer(f"officer {number}") for number in range(officers)]
    keys = tuple(sorted(signer.public_key for signer in signers))
    key = member_key(REGULATOR)
    state.entries[key] = replace(
        state.entries[key], officers=KeySet(keys=keys, threshold=threshold)
    )
    refused(state, NETWORK.freeze("alice", signers=signers[: needed - 1]), "missing_signature")
    if needed < officers:
        refused(state, NETWORK.freeze("alice", signers=signers), "surplus_signature")
    state.apply(NETWORK.freeze("alice", signers=signers[:needed]))


def test_threat_30_a_regulator_of_one_officer_freezes_nothing(state: MemoryState) -> None:
    """A single person is no maker and checker."""
    key = member_key(REGULATOR)
    lone = KeySet(keys=(MAKER.public_key,), threshold=1)
    state.entries[key] = replace(state.entries[key], officers=lone)
    refused(state, NETWORK.freeze("alice", signers=[MAKER]), "missing_signature")


def test_threat_28_a_measure_is_taken_once(state: MemoryState) -> None:
    """After freeze and unfreeze the first freeze is no longer valid."""
    freeze = NETWORK.freeze("alice")
    state.apply(freeze)
    state.apply(NETWORK.unfreeze("alice", sequence=1))
    refused(state, freeze, "sequence_conflict")


def test_threat_63_who_did_not_sign_does_not_hear_of_a_freeze(state: MemoryState) -> None:
    """Signers are judged before the status, for payments and for measures."""
    state.apply(NETWORK.freeze("alice"))
    stranger = [make_signer("mallory")]
    payment = NETWORK.transfer(NETWORK.leg("alice", "bob", 1), signers=stranger)
    refused(state, payment, "missing_signature")
    refused(state, NETWORK.freeze("alice", sequence=1, signers=stranger), "missing_signature")


def test_governance_may_wait_long_and_payments_may_not() -> None:
    """A window of 1,000,000 blocks is for governance; one more is for nobody."""
    genesis = BlockHash(NETWORK.genesis_hash)
    longest = limits.GOVERN_VALIDITY_BLOCKS_MAX
    validate_window(NETWORK.freeze("alice", valid_until=longest), height=1, genesis_hash=genesis)
    for transaction in (
        NETWORK.freeze("alice", valid_until=longest + 1),
        NETWORK.freeze("alice", valid_from=2, valid_until=1),
        NETWORK.transfer(NETWORK.leg("alice", "bob", 1), valid_until=longest),
    ):
        with refuses(InvalidTransaction, "bad_validity"):
            validate_window(transaction, height=1, genesis_hash=genesis)


def measures(count: int) -> tuple[Measure, ...]:
    """Return that many freezes of different accounts."""
    return tuple(
        Freeze(account=AccountId(number.to_bytes(20)), reason="r") for number in range(count)
    )


def test_as_many_measures_as_the_limit() -> None:
    """The largest proposal round-trips, and counts a leg a measure."""
    effect = Govern(policy=Policy.REGULATOR, measures=measures(limits.MEASURES_MAX))
    assert decode_govern(govern_value(effect)) == effect
    assert NETWORK.govern(*effect.measures).leg_count == limits.MEASURES_MAX


FREEZE = (1, ALICE, "reason", "case")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ((1,), "bad_shape"),
        ((2, (FREEZE,)), "unknown_policy"),
        ((0, (FREEZE,)), "unknown_policy"),
        ((True, (FREEZE,)), "unknown_policy"),
        ((1, ()), "bad_shape"),
        (govern_value(Govern(policy=Policy.REGULATOR, measures=measures(101))), "bad_shape"),
        ((1, ((),)), "bad_shape"),
        ((1, ("freeze",)), "bad_shape"),
        ((1, ((3, ALICE, "reason", "case"),)), "unknown_measure"),
        ((1, ((True, ALICE, "reason", "case"),)), "unknown_measure"),
        ((1, ((1, ALICE, "reason"),)), "bad_shape"),
        ((1, ((1, ALICE[1:], "reason", ""),)), "bad_bytes"),
        ((1, ((1, "alice", "reason", ""),)), "bad_bytes"),
        ((1, ((1, ALICE, "", ""),)), "no_reason"),
        ((1, ((1, ALICE, "ä" * 141, ""),)), "bad_text"),
        ((1, ((1, ALICE, b"reason", ""),)), "bad_text"),
        ((1, ((2, ALICE, "reason", "c" * 65),)), "bad_text"),
        ((1, (FREEZE, (2, ALICE, "reason", ""))), "repeated_account"),
    ],
)
def test_what_is_no_governance_is_refused(value: codec.Value, code: str) -> None:
    """Each field has its type and its limit."""
    with refuses(DecodeError, code):
        decode_govern(value)
