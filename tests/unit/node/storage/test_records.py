"""What the store keeps of a block's change of state."""

from __future__ import annotations

from ledger.state import Record, StateKey, account_key, balance_key, sequence_key
from ledger.transactions import Actor
from node.storage.records import decode_undo, encode_undo
from tests.factories import CNY, make_account, make_network

NETWORK = make_network()
ALICE = NETWORK.holders["alice"]


def test_undo_of_every_sort_of_entry() -> None:
    """Integers, other records and absence come back as they were, 0 told from absence."""
    before: dict[StateKey, Record | None] = {
        balance_key(ALICE.id, CNY): 2**63,
        sequence_key(Actor(ALICE.id, 0, 0)): 0,
        sequence_key(Actor(ALICE.id, 1, 0)): None,
        account_key(ALICE.id): make_account(ALICE),
    }
    assert decode_undo(encode_undo(before)) == before
    assert decode_undo(encode_undo({})) == {}
