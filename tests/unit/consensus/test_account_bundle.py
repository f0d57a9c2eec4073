"""An account's bundle: a good one verifies, and each part of another is refused by its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from consensus.account_bundle import (
    ENTRIES_MAX,
    AccountProof,
    ProvedEntry,
    VerifiedAccount,
    account_bundle_document,
    verify_account_bundle,
)
from ledger.errors import DecodeError, InvalidProof
from ledger.genesis_document import format_genesis
from ledger.identity import AccountId
from ledger.keys import verify
from ledger.state import account_key, balance_key, encode_record
from ledger.state_tree import LEVELS
from tests.chains import ChainBuilder
from tests.factories import CNY, OPENING_BALANCE, USD, Network, make_network
from tests.refusals import refuses

Document = dict[str, Any]
NOBODY = AccountId(bytes(20))


@pytest.fixture(scope="module")
def network() -> Network:
    """Return the network whose accounts are proved."""
    return make_network()


def make_bundle(network: Network, account: AccountId) -> Document:
    """Return an account's bundle at block 1, which holds the opening balances."""
    chain = ChainBuilder(network)
    finalized, child = chain.extend(chain.genesis, 2)
    state, entries = network.state(), []
    for key in [account_key(account), *(balance_key(account, code) for code in (CNY, USD))]:
        record = state.get(key)
        value = None if record is None else encode_record(record)
        entries.append(ProvedEntry(key=key, value=value, proof=state.tree.prove(key)))
    proof = AccountProof(
        account=account,
        entries=entries,
        finalized=finalized,
        certificate=chain.certificate(finalized, child).encode(),
    )
    return account_bundle_document(
        proof,
        chain_id=network.genesis.chain_id,
        genesis_hash=network.genesis_hash,
        genesis=json.loads(format_genesis(network.genesis)),
    )


def verified(network: Network, document: Document) -> VerifiedAccount:
    """Return what a bundle proves to who trusts the network's genesis document."""
    return verify_account_bundle(document, genesis=network.genesis, verify=verify)


@pytest.fixture(scope="module")
def good(network: Network) -> Document:
    """Return Alice's bundle."""
    return make_bundle(network, network.holders["alice"].id)


def test_a_good_bundle_shows_record_and_balances(network: Network, good: Document) -> None:
    """What the state holds of the account, at the height of its final header."""
    alice = verified(network, good)
    assert alice.account == network.holders["alice"].id
    assert alice.record == network.state().get(account_key(alice.account))
    assert alice.balances == {CNY: OPENING_BALANCE, USD: OPENING_BALANCE}
    assert alice.finalized.header.height == good["height"] == 1
    assert len(alice.voters) >= network.genesis.sealers().quorum


def test_that_an_account_is_not_there_is_proved_too(network: Network) -> None:
    """No record, and nothing of any asset."""
    nobody = verified(network, make_bundle(network, NOBODY))
    assert (nobody.record, nobody.balances) == (None, {CNY: 0, USD: 0})


def test_a_bundle_may_show_fewer_balances(network: Network, good: Document) -> None:
    """Of an asset that it does not show it says nothing, rather than zero."""
    document = good | {"entries": good["entries"][:2]}
    assert verified(network, document).balances == {CNY: OPENING_BALANCE}


Change = Callable[[Document], object]
MALFORMED: list[Change] = [
    lambda d: d.update(account=None),
    lambda d: d.update(account=7),
    lambda d: d.update(account=d["account"].upper()),
    lambda d: d.pop("finalized_header"),
    lambda d: d.update(finalized_header="AB"),
    lambda d: d.update(entries=None),
    lambda d: d.update(entries={}),
    lambda d: d.update(entries=[]),
    lambda d: d.update(entries=d["entries"][:1] * (ENTRIES_MAX + 1)),
    lambda d: d.update(entries=["entry"]),
    lambda d: d["entries"][0].pop("key"),
    lambda d: d["entries"][0].update(key="AB"),
    lambda d: d["entries"][0].update(value=0),
    lambda d: d["entries"][0].pop("value"),
    lambda d: d["entries"][0].update(value="xyz"),
    lambda d: d["entries"][0].pop("bucket"),
    lambda d: d["entries"][0].pop("siblings"),
    lambda d: d["entries"][0].update(siblings="row"),
    lambda d: d["entries"][0]["siblings"].pop(),
    lambda d: d["entries"][0]["siblings"].append(d["entries"][0]["siblings"][0]),
    lambda d: d["entries"][0]["siblings"].__setitem__(0, 7),
]


@pytest.mark.parametrize("change", MALFORMED)
def test_a_malformed_bundle_is_refused(network: Network, good: Document, change: Change) -> None:
    """A part that is missing, of another type, or of another length."""
    document = deepcopy(good)
    change(document)
    with refuses(InvalidProof, "malformed_bundle"):
        verified(network, document)


REFUSED: list[tuple[str, Change]] = [
    ("wrong_height", lambda d: d.update(height=2)),
    ("wrong_height", lambda d: d.update(height="1")),
    ("wrong_height", lambda d: d.update(height=1.0)),
    ("wrong_height", lambda d: d.update(height=True)),
    ("wrong_height", lambda d: d.pop("height")),
    ("foreign_entry", lambda d: d["entries"].append(d["entries"][0])),
    ("foreign_entry", lambda d: d["entries"][1].update(key=account_key(NOBODY).hex())),
    ("foreign_entry", lambda d: d["entries"][1].update(key=balance_key(NOBODY, CNY).hex())),
    ("record_missing", lambda d: d["entries"].pop(0)),
    ("wrong_value", lambda d: d["entries"][0].update(value=None)),
    ("wrong_value", lambda d: d["entries"][1].update(value="00")),
    ("wrong_root", lambda d: d["entries"][1]["siblings"].reverse()),
    ("malformed_proof", lambda d: d["entries"][0].update(bucket="00")),
    ("malformed_proof", lambda d: d["entries"][0]["siblings"].__setitem__(0, "00")),
]


@pytest.mark.parametrize(("code", "change"), REFUSED)
def test_threat_73_a_bundle_that_does_not_add_up_is_refused(
    network: Network, good: Document, code: str, change: Change
) -> None:
    """Whoever made it: each entry leads to the final header's state, and is the account's."""
    document = deepcopy(good)
    change(document)
    with refuses(InvalidProof, code):
        verified(network, document)


def test_an_account_id_with_a_typing_error_is_refused(network: Network, good: Document) -> None:
    """The checksum of the id is looked at before anything is proved."""
    account = good["account"]
    changed = account[:-1] + ("q" if account[-1] != "q" else "p")
    with pytest.raises(DecodeError):
        verified(network, good | {"account": changed})


def test_every_level_of_the_tree_is_in_a_proof(good: Document) -> None:
    """The counts that the refusals above change are those of a good bundle."""
    assert [len(entry["siblings"]) for entry in good["entries"]] == [LEVELS] * 3
