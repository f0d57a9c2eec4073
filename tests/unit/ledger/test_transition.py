"""The state transition: each kind's effect, and each reason for which it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from ledger import limits
from ledger.errors import InvalidBlock, InvalidTransaction
from ledger.hashing import BlockHash
from ledger.identity import AccountId, AccountKind, AccountStatus, AssetCode, MemberId
from ledger.kinds import Entry, Leg, Transfer
from ledger.parameters import Parameters
from ledger.state import (
    Overlay,
    account_key,
    account_of,
    asset_key,
    balance_of,
    member_key,
    next_sequence,
    sequence_key,
    supply_of,
)
from ledger.transactions import Actor, SignedTransaction, opened_account_id
from ledger.transition import apply_block, apply_transaction, validate_sequences, validate_window
from tests.factories import (
    CNY,
    OPENING_BALANCE,
    USD,
    MemoryState,
    key_set,
    make_network,
    make_signer,
    sign,
)
from tests.refusals import refuses

NETWORK = make_network()
ALICE, BOB, CAROL = (NETWORK.holders[name].id for name in ("alice", "bob", "carol"))
ALICE_KEY, BOB_KEY = make_signer("alice"), make_signer("bob")
NOBODY = AccountId(bytes(20))
SUPPLY = 3 * OPENING_BALANCE


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


def set_status(state: MemoryState, account: AccountId, status: AccountStatus) -> None:
    """Freeze or close an account, as governance would."""
    key = account_key(account)
    state.entries[key] = replace(state.entries[key], status=status)


def test_transfer_moves_money_and_uses_the_sequence(state: MemoryState) -> None:
    """The debit, the credit and the next sequence are all that changes."""
    delta = state.apply(NETWORK.transfer(NETWORK.leg("alice", "bob", 30)))
    assert balance_of(state, ALICE, CNY) == OPENING_BALANCE - 30
    assert balance_of(state, BOB, CNY) == OPENING_BALANCE + 30
    assert next_sequence(state, Actor(ALICE, 0, 0)) == 1
    assert len(delta.after) == 3


def test_delivery_versus_payment_is_one_transfer(state: MemoryState) -> None:
    """Two accounts exchange two assets, signed by both."""
    legs = NETWORK.leg("alice", "bob", 7), NETWORK.leg("bob", "alice", 1, USD)
    state.apply(NETWORK.transfer(*legs))
    assert balance_of(state, ALICE, USD) == OPENING_BALANCE + 1
    assert balance_of(state, BOB, CNY) == OPENING_BALANCE + 7
    refused(state, NETWORK.transfer(*legs, sequence=1, signers=[ALICE_KEY]), "missing_signature")


def test_lanes_count_apart(state: MemoryState) -> None:
    """Each of an account's 16 lanes has a sequence of its own."""
    leg = NETWORK.leg("alice", "bob", 1)
    for lane in (15, 0, 7):
        state.apply(NETWORK.transfer(leg, lane=lane))
    state.apply(NETWORK.transfer(leg, lane=7, sequence=1))
    assert [next_sequence(state, Actor(ALICE, lane, 0)) for lane in (0, 7, 15)] == [1, 2, 1]


def test_threat_17_replay(state: MemoryState) -> None:
    """A transaction that is applied is refused ever after: its sequence is used."""
    transaction = NETWORK.transfer(NETWORK.leg("alice", "bob", 1))
    state.apply(transaction)
    refused(state, transaction, "sequence_conflict")


def test_threat_18_sequence_gap(state: MemoryState) -> None:
    """A sequence ahead of its lane's next is a gap, which a mempool may park."""
    transaction = NETWORK.transfer(NETWORK.leg("alice", "bob", 1), sequence=2)
    refused(state, transaction, "sequence_gap")
    with pytest.raises(InvalidTransaction) as caught:
        validate_sequences(state, transaction)
    assert caught.value.fields == {"sequence": 2, "expected": 0, "lane": 0}


def test_sequences_tell_what_using_them_writes(state: MemoryState) -> None:
    """Checking sequences gives the entries that move them on."""
    transaction = NETWORK.redeem(NETWORK.entry("alice", 1))
    writes = validate_sequences(state, transaction)
    assert writes == {sequence_key(actor): 1 for actor in transaction.body.actors}


def test_threat_19_one_sequence_twice(state: MemoryState) -> None:
    """Of two transactions with one sequence the first wins."""
    state.apply(NETWORK.transfer(NETWORK.leg("alice", "bob", 1)))
    refused(state, NETWORK.transfer(NETWORK.leg("alice", "carol", 1)), "sequence_conflict")


def test_threat_21_supply_bounds_every_credit(state: MemoryState) -> None:
    """Supply reaches 2^63 - 1 and no unit more, so no balance can overflow."""
    room = limits.AMOUNT_MAX - SUPPLY
    over = NETWORK.issue(NETWORK.entry("alice", room), NETWORK.entry("bob", 1))
    refused(state, over, "supply_overflow")
    state.apply(NETWORK.issue(NETWORK.entry("alice", room)))
    assert supply_of(state, CNY) == limits.AMOUNT_MAX
    refused(state, NETWORK.issue(NETWORK.entry("bob", 1), sequence=1), "supply_overflow")
    for sequence, (payer, payee) in enumerate([("bob", "alice"), ("carol", "alice")]):
        state.apply(NETWORK.transfer(NETWORK.leg(payer, payee, OPENING_BALANCE)))
        assert next_sequence(state, Actor(ALICE, 0, 0)) == 0, sequence
    assert balance_of(state, ALICE, CNY) == limits.AMOUNT_MAX


def test_threat_22_transfer_to_oneself(state: MemoryState) -> None:
    """Paying oneself changes nothing but the sequence, and still needs the money."""
    state.apply(NETWORK.transfer(NETWORK.leg("alice", "alice", OPENING_BALANCE)))
    assert balance_of(state, ALICE, CNY) == OPENING_BALANCE
    beyond = NETWORK.transfer(NETWORK.leg("alice", "alice", OPENING_BALANCE + 1), sequence=1)
    refused(state, beyond, "insufficient_funds")


def test_threat_23_another_chain(state: MemoryState) -> None:
    """A transaction names its chain."""
    leg = NETWORK.leg("alice", "bob", 1)
    refused(state, NETWORK.transfer(leg, genesis_hash=BlockHash(bytes(32))), "wrong_chain")


def test_threat_25_keys_of_a_new_account(state: MemoryState) -> None:
    """Small-order, non-canonical and unknown keys cannot be registered; the reason is named."""
    bad_keys = {
        "key_small_order": b"\x01\x01" + bytes(31),
        "key_not_canonical": b"\x01\xee" + b"\xff" * 30 + b"\x7f",
        "key_not_on_curve": b"\x01\x02" + bytes(31),
        "key_scheme": b"\x02" + make_signer("x").public_key[1:],
    }
    for reason, key in bad_keys.items():
        keys = replace(key_set([make_signer("x")]), keys=(key,))
        refused(state, NETWORK.open_account(keys), "invalid_key")
        with pytest.raises(InvalidTransaction) as caught:
            state.apply(NETWORK.open_account(keys))
        assert caught.value.fields == {"key": key, "reason": reason}


def test_threat_26_unknown_asset(state: MemoryState) -> None:
    """An asset that is not on the chain cannot be moved, issued or redeemed."""
    gold = AssetCode("XAU")
    refused(state, NETWORK.transfer(NETWORK.leg("alice", "bob", 1, gold)), "unknown_asset")
    state.entries.pop(asset_key(CNY))
    refused(state, NETWORK.issue(NETWORK.entry("alice", 1)), "unknown_asset")
    refused(state, NETWORK.redeem(NETWORK.entry("alice", 1)), "unknown_asset")


def test_threat_26_mint_without_right(state: MemoryState) -> None:
    """Only the asset's issuer, and only while it has the role, creates or destroys supply."""
    issue = NETWORK.issue(NETWORK.entry("alice", 1))
    stranger = structs.replace(issue.body, actors=(Actor(MemberId("bank2"), 0, 0),))
    refused(state, sign(stranger, NETWORK.officers_of(MemberId("bank2"))), "not_issuer")
    refused(
        state,
        NETWORK.issue(NETWORK.entry("alice", 1), signers=NETWORK.officers_of(MemberId("bank2"))),
        "missing_signature",
    )
    key = member_key(MemberId("bank1"))
    state.entries[key] = replace(state.entries[key], roles=())
    refused(state, issue, "not_issuer")
    refused(state, NETWORK.redeem(NETWORK.entry("alice", 1)), "not_issuer")


def test_threat_30_leg_order(state: MemoryState) -> None:
    """A leg may spend what an earlier leg brought, never what a later one brings."""
    bring = NETWORK.leg("alice", "bob", 50)
    spend = NETWORK.leg("bob", "carol", OPENING_BALANCE + 50)
    refused(state, NETWORK.transfer(spend, bring), "insufficient_funds")
    state.apply(NETWORK.transfer(bring, spend))
    assert balance_of(state, BOB, CNY) == 0
    assert balance_of(state, CAROL, CNY) == 2 * OPENING_BALANCE + 50


def test_insufficient_funds_tells_the_values(state: MemoryState) -> None:
    """The error carries account, asset, what was needed and what was there."""
    with pytest.raises(InvalidTransaction) as caught:
        state.apply(NETWORK.transfer(NETWORK.leg("alice", "bob", OPENING_BALANCE + 1)))
    assert caught.value.fields == {
        "account": ALICE,
        "asset": CNY,
        "needed": OPENING_BALANCE + 1,
        "available": OPENING_BALANCE,
    }


def test_transfer_is_all_or_nothing(state: MemoryState) -> None:
    """The last leg's failure takes back the first."""
    legs = [NETWORK.leg("alice", "bob", 1)] * 9 + [NETWORK.leg("alice", "bob", 2**62)]
    refused(state, NETWORK.transfer(*legs), "insufficient_funds")


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "code"),
    [
        (2, 9, "not_yet_valid"),
        (0, 0, "expired"),
        (3, 2, "bad_validity"),
        (0, limits.VALIDITY_BLOCKS_MAX + 1, "bad_validity"),
    ],
)
def test_validity_window(state: MemoryState, valid_from: int, valid_until: int, code: str) -> None:
    """A transaction is for blocks of its window, which is bounded."""
    leg = NETWORK.leg("alice", "bob", 1)
    late = NETWORK.transfer(leg, valid_from=valid_from, valid_until=valid_until)
    refused(state, late, code)


def test_validity_window_includes_its_ends() -> None:
    """The first and the last height are valid."""
    leg = NETWORK.leg("alice", "bob", 1)
    window = NETWORK.transfer(leg, valid_from=5, valid_until=5 + limits.VALIDITY_BLOCKS_MAX)
    for height in (5, 5 + limits.VALIDITY_BLOCKS_MAX):
        validate_window(window, height=height, genesis_hash=NETWORK.genesis_hash)


def test_unknown_accounts(state: MemoryState) -> None:
    """Money neither leaves nor reaches an account that is not open."""
    into = NETWORK.transfer(Leg(ALICE, NOBODY, CNY, 1))
    refused(state, into, "unknown_account")
    body = NETWORK.body(Transfer(legs=(Leg(NOBODY, ALICE, CNY, 1),)), [Actor(NOBODY, 0, 0)])
    refused(state, sign(body, [ALICE_KEY]), "unknown_account")
    refused(state, NETWORK.issue(Entry(NOBODY, 1)), "unknown_account")


def test_frozen_accounts_receive_but_do_not_pay(state: MemoryState) -> None:
    """Freezing keeps money in."""
    set_status(state, ALICE, AccountStatus.FROZEN)
    refused(state, NETWORK.transfer(NETWORK.leg("alice", "bob", 1)), "account_frozen")
    refused(state, NETWORK.redeem(NETWORK.entry("alice", 1)), "account_frozen")
    state.apply(NETWORK.transfer(NETWORK.leg("bob", "alice", 1)))
    state.apply(NETWORK.issue(NETWORK.entry("alice", 1)))
    assert balance_of(state, ALICE, CNY) == OPENING_BALANCE + 2


def test_closed_accounts_neither_pay_nor_receive(state: MemoryState) -> None:
    """A closed account is out of every kind."""
    set_status(state, ALICE, AccountStatus.CLOSED)
    for transaction in (
        NETWORK.transfer(NETWORK.leg("alice", "bob", 1)),
        NETWORK.transfer(NETWORK.leg("bob", "alice", 1)),
        NETWORK.issue(NETWORK.entry("alice", 1)),
        NETWORK.redeem(NETWORK.entry("alice", 1)),
    ):
        refused(state, transaction, "account_closed")


def test_issue_and_redeem_change_supply(state: MemoryState) -> None:
    """Issuing and redeeming the same leaves balances and supply as they were."""
    before = dict(state.entries)
    state.apply(NETWORK.issue(NETWORK.entry("alice", 5), NETWORK.entry("bob", 6)))
    assert supply_of(state, CNY) == SUPPLY + 11
    state.apply(NETWORK.redeem(NETWORK.entry("bob", 6), NETWORK.entry("alice", 5), sequence=1))
    assert supply_of(state, CNY) == SUPPLY
    assert {key: state.get(key) for key in before} == before


def test_redeeming_more_than_is_held(state: MemoryState) -> None:
    """An account cannot give back what it does not hold, be it in several entries."""
    entry = NETWORK.entry("alice", OPENING_BALANCE)
    refused(state, NETWORK.redeem(entry, NETWORK.entry("alice", 1)), "insufficient_funds")


def test_open_account(state: MemoryState) -> None:
    """The account is the acting member's, active, with the given keys, opened at the height."""
    keys = key_set([make_signer("x"), make_signer("y")], 2)
    opening = NETWORK.open_account(keys, member="bank2", kind=AccountKind.INNOVATOR)
    state.apply(opening, height=9)
    account = account_of(state, opened_account_id(opening.txid))
    assert account is not None
    assert (account.member, account.kind, account.keys) == ("bank2", AccountKind.INNOVATOR, keys)
    assert (account.status, account.opened_height) == (AccountStatus.ACTIVE, 9)
    assert next_sequence(state, Actor(MemberId("bank2"), 0, 0)) == 1


def test_an_account_opens_once(state: MemoryState) -> None:
    """An id that is taken is refused, even if the sequence were not."""
    opening = NETWORK.open_account(key_set([ALICE_KEY]))
    taken = account_key(opened_account_id(opening.txid))
    state.entries[taken] = state.entries[account_key(ALICE)]
    refused(state, opening, "account_exists")


def test_unknown_member(state: MemoryState) -> None:
    """A member that is not on the chain opens nothing."""
    body = NETWORK.open_account(key_set([ALICE_KEY])).body
    stranger = structs.replace(body, actors=(Actor(MemberId("bank9"), 0, 0),))
    refused(state, sign(stranger, [ALICE_KEY]), "unknown_member")


def test_block_applies_in_order_and_has_limits(state: MemoryState) -> None:
    """A block's legs and signatures are counted over all its transactions."""
    two_legs = [NETWORK.leg("alice", "bob", 1)] * 2
    transactions = [NETWORK.transfer(*two_legs, sequence=sequence) for sequence in range(3)]

    def apply(parameters: Parameters) -> Overlay:
        overlay = Overlay(state)
        apply_block(
            overlay,
            transactions,
            height=1,
            genesis_hash=NETWORK.genesis_hash,
            parameters=parameters,
        )
        return overlay

    fits = apply(Parameters(block_legs_max=6, block_signatures_max=3))
    assert balance_of(fits, BOB, CNY) == OPENING_BALANCE + 6
    for parameters in (Parameters(block_legs_max=5), Parameters(block_signatures_max=2)):
        with refuses(InvalidBlock, "block_too_large"):
            apply(parameters)
