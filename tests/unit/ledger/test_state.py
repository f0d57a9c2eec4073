"""Records under their keys, the overlay, and deltas that undo."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import codec
from ledger.errors import DecodeError
from ledger.identity import MemberId
from ledger.state import (
    PARAMETERS_KEY,
    Overlay,
    StateKey,
    account_key,
    account_of,
    asset_key,
    asset_of,
    balance_key,
    balance_of,
    decode_record,
    encode_record,
    member_key,
    member_of,
    next_sequence,
    parameters_of,
    sequence_key,
    supply_key,
    supply_of,
)
from ledger.transactions import Actor
from tests.factories import CNY, OPENING_BALANCE, key_set, make_network, make_signer
from tests.refusals import refuses

NETWORK = make_network()
ALICE = NETWORK.holders["alice"].id
BANK1 = MemberId("bank1")


def test_every_record_of_genesis_round_trips() -> None:
    """Each entry decodes from its bytes to the same record, told by its key."""
    for key, record in NETWORK.genesis.state().items():
        assert decode_record(key, encode_record(record)) == record


def test_keys_are_as_documented() -> None:
    """A prefix a type; then ids, codes and lanes."""
    assert account_key(ALICE) == b"a" + ALICE
    assert balance_key(ALICE, CNY) == b"b" + ALICE + b"CNY"
    assert member_key(BANK1) == b"mbank1"
    assert sequence_key(Actor(BANK1, 0, 9)) == b"nbank1"
    assert sequence_key(Actor(ALICE, 15, 9)) == b"q" + ALICE + b"\x0f"
    assert asset_key(CNY) == b"sCNY"
    assert supply_key(CNY) == b"tCNY"
    assert PARAMETERS_KEY == b"p"


def test_readers_give_records_or_nothing() -> None:
    """Named readers find what genesis holds, and zero or None elsewhere."""
    state = NETWORK.state()
    empty = Overlay({})
    assert parameters_of(state) == NETWORK.genesis.parameters
    assert member_of(state, BANK1) == NETWORK.genesis.members[BANK1]
    assert asset_of(state, CNY) == NETWORK.genesis.assets[CNY]
    assert account_of(state, ALICE) == NETWORK.genesis.accounts[ALICE]
    assert balance_of(state, ALICE, CNY) == OPENING_BALANCE
    assert supply_of(state, CNY) == 3 * OPENING_BALANCE
    assert member_of(empty, BANK1) is None
    assert asset_of(empty, CNY) is None
    assert account_of(empty, ALICE) is None
    assert balance_of(empty, ALICE, CNY) == supply_of(empty, CNY) == 0
    assert next_sequence(empty, Actor(ALICE, 3, 0)) == 0


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"z", 1, "unknown_state_key"),
        (b"", 1, "unknown_state_key"),
        (b"b", -1, "bad_integer"),
        (b"t", "1", "bad_integer"),
        (b"a", (1, 2), "bad_shape"),
        (b"m", 5, "bad_shape"),
        (b"s", ("Yuan", 19, "bank1"), "bad_integer"),
        (b"s", ("Yuan", 2, "Bank"), "bad_member_id"),
        (b"s", ("x" * 201, 2, "bank1"), "bad_text"),
        (b"p", (1,), "bad_shape"),
        (b"a", b"\x00" * (16 * 1024), "too_large"),
    ],
)
def test_bad_records_are_refused(key: bytes, value: Any, code: str) -> None:
    """Bytes that are no record of the key's type have a code."""
    with refuses(DecodeError, code):
        decode_record(key, codec.encode(value))


def test_overlay_writes_above_and_never_below() -> None:
    """Reads see what was written, absence too; the base keeps its entries."""
    base = {StateKey(b"tA"): 1, StateKey(b"tB"): 2}
    overlay = Overlay(base)
    overlay.put(StateKey(b"tA"), 5)
    overlay.put_all({StateKey(b"tB"): None, StateKey(b"tC"): 7})
    assert [overlay.get(StateKey(key)) for key in (b"tA", b"tB", b"tC", b"tD")] == [
        5,
        None,
        7,
        None,
    ]
    assert base == {b"tA": 1, b"tB": 2}
    delta = overlay.delta()
    assert delta.before == {b"tA": 1, b"tB": 2, b"tC": None}
    assert delta.after == {b"tA": 5, b"tB": None, b"tC": 7}


def test_delta_leaves_out_what_ended_as_it_was() -> None:
    """A balance that goes and comes back in one block is no change."""
    overlay = Overlay({StateKey(b"tA"): 1})
    overlay.put(StateKey(b"tA"), 2)
    overlay.put(StateKey(b"tA"), 1)
    overlay.put(StateKey(b"tB"), None)
    assert overlay.delta().after == {}


def test_undo_restores_state_and_root() -> None:
    """Each kind's delta taken back, in reverse, gives back entries and root."""
    state = NETWORK.state()
    entries, root = dict(state.entries), state.tree.root
    deltas = [
        state.apply(transaction)
        for transaction in (
            NETWORK.issue(NETWORK.entry("alice", 9)),
            NETWORK.transfer(NETWORK.leg("alice", "bob", OPENING_BALANCE + 9)),
            NETWORK.redeem(NETWORK.entry("bob", 9), sequence=1),
            NETWORK.open_account(key_set([make_signer("x")]), sequence=2),
        )
    ]
    assert state.tree.root != root
    for delta in reversed(deltas):
        state.undo(delta)
    assert state.entries == entries
    assert state.tree.root == root
