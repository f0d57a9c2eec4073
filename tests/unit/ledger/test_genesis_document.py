"""The genesis document as JSON: a view of the canonical bytes that people can read and edit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import InvalidGenesis
from ledger.genesis import decode_genesis
from ledger.genesis_document import MemberDocument, format_genesis, parse_genesis
from ledger.identity import AccountKind, MemberId
from tests.factories import CNY, make_network
from tests.refusals import refuses

NETWORK = make_network()
GENESIS = NETWORK.genesis
TEXT = format_genesis(GENESIS)
Document = dict[str, Any]


def test_json_and_bytes_say_the_same() -> None:
    """JSON to genesis to bytes and back loses nothing."""
    assert parse_genesis(TEXT) == GENESIS
    assert format_genesis(decode_genesis(parse_genesis(TEXT).encode())) == TEXT
    assert TEXT.endswith("}\n")


def test_spacing_and_order_do_not_matter() -> None:
    """Another spelling of the JSON is the same chain."""
    document = json.loads(TEXT)
    document["members"].reverse()
    dense = json.dumps(dict(reversed(document.items())), separators=(",", ":"))
    assert parse_genesis(dense.encode()).header().hash == NETWORK.genesis_hash


def test_accounts_without_money_and_of_any_kind() -> None:
    """An account may start empty."""
    alice = NETWORK.holders["alice"].id
    record = replace(GENESIS.accounts[alice], kind=AccountKind.TREASURY)
    genesis = replace(GENESIS, accounts={alice: record}, balances={})
    assert parse_genesis(format_genesis(genesis)) == genesis


def test_member_entry_round_trips() -> None:
    """A member's public entry gives its record; roles may come in any order."""
    record = GENESIS.members[MemberId("regulator")]
    entry = MemberDocument.of("regulator", record)
    shuffled = entry.model_copy(update={"roles": list(reversed(entry.roles))})
    assert entry.to_member() == shuffled.to_member() == record


def bank(document: Document) -> Document:
    """Return the first member's entry."""
    entry: Document = document["members"][0]
    return entry


def alice(document: Document) -> Document:
    """Return the first account's entry."""
    entry: Document = document["accounts"][0]
    return entry


FAULTS: list[tuple[Callable[[Document], object], str]] = [
    (lambda d: d.pop("chain_id"), "bad_document"),
    (lambda d: d.update(surprise=1), "bad_document"),
    (lambda d: d.update(time_ms="soon"), "bad_document"),
    (lambda d: d.update(time_ms=True), "bad_document"),
    (lambda d: d.update(time_ms=-1), "bad_time"),
    (lambda d: d["parameters"].update(unheard_of=1), "bad_document"),
    (lambda d: d["parameters"].update(target_block_ms=1), "bad_parameter"),
    (lambda d: d["parameters"].update(easiest_bits=2**70), "bad_parameter"),
    (lambda d: d["parameters"].update(genesis_bits=2**32), "bad_parameter"),
    (lambda d: bank(d).update(lei="7LTWFZYICNSX8D621K87"), "bad_lei"),
    (lambda d: bank(d).update(id="Bank 1"), "bad_member_id"),
    (lambda d: bank(d).update(roles=["king"]), "bad_document"),
    (lambda d: bank(d).update(sealing_key="xyz"), "bad_hex"),
    (lambda d: bank(d).update(sealing_key=bank(d)["sealing_key"].upper()), "bad_hex"),
    (lambda d: alice(d)["keys"].update(keys=[" " + alice(d)["keys"]["keys"][0]]), "bad_hex"),
    (lambda d: bank(d).update(sealing_key="0102"), "bad_bytes"),
    (lambda d: bank(d).update(certificate="%%"), "bad_base64"),
    (lambda d: bank(d).update(certificate="AB=="), "bad_base64"),
    (lambda d: bank(d).update(legal_name="x" * 201), "bad_text"),
    (lambda d: bank(d)["officers"].update(threshold=3), "bad_threshold"),
    (lambda d: bank(d)["officers"].update(keys=[]), "bad_document"),
    (lambda d: d["members"].append(bank(d)), "repeated_entry"),
    (lambda d: d["assets"].append(d["assets"][0]), "repeated_entry"),
    (lambda d: d["accounts"].append(alice(d)), "repeated_entry"),
    (lambda d: d["assets"][0].update(code="yuan"), "bad_asset_code"),
    (lambda d: d["assets"][0].update(decimals=19), "bad_integer"),
    (lambda d: d["assets"][0].update(issuer="bank9"), "unknown_issuer"),
    (lambda d: alice(d).update(id="sun1" + "q" * 38), "address_checksum"),
    (lambda d: alice(d).update(kind="person"), "bad_document"),
    (lambda d: alice(d).update(member="bank9"), "unknown_member"),
    (lambda d: alice(d).update(balances={"CNY": "1.5"}), "bad_amount"),
    (lambda d: alice(d).update(balances={"CNY": 5}), "bad_document"),
    (lambda d: alice(d).update(balances={"CNY": "-5"}), "bad_amount"),
    (lambda d: alice(d).update(balances={"CNY": "9" * 5_000}), "bad_amount"),
    (lambda d: alice(d).update(balances={"XAU": "5"}), "unknown_asset"),
]


@pytest.mark.parametrize(("spoil", "code"), FAULTS)
def test_each_fault_has_its_code(spoil: Callable[[Document], object], code: str) -> None:
    """One wrong entry is refused as InvalidGenesis with a code that names it."""
    document = json.loads(TEXT)
    spoil(document)
    with refuses(InvalidGenesis, code):
        parse_genesis(json.dumps(document))


def test_an_account_id_is_in_small_letters() -> None:
    """Bech32m in capitals is another spelling of the same id, which people would compare in vain."""
    document = json.loads(TEXT)
    alice(document)["id"] = alice(document)["id"].upper()
    with refuses(InvalidGenesis, "bad_document"):
        parse_genesis(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"time_ms": NaN}', b"\xff"])
def test_what_is_not_a_document(text: str | bytes) -> None:
    """Text that is not the JSON of a document is refused."""
    with refuses(InvalidGenesis, "bad_document"):
        parse_genesis(text)


def test_balances_are_strings_of_smallest_units() -> None:
    """JSON readers that hold numbers as doubles keep every unit."""
    document = json.loads(TEXT)
    held = GENESIS.balances[min(GENESIS.accounts)][CNY]
    assert alice(document)["balances"]["CNY"] == str(held)


@pytest.mark.parametrize("spelling", ["", "0", "1_000", " 5 ", "+5", "05", "٥", "5\n"])
def test_balances_have_one_spelling(spelling: str) -> None:
    """What Python's int() would also take for a number is refused."""
    document = json.loads(TEXT)
    alice(document)["balances"]["CNY"] = spelling
    with refuses(InvalidGenesis, "bad_amount"):
        parse_genesis(json.dumps(document))


@pytest.mark.parametrize("field", ["chain_id", "legal_name", "CNY", "threshold"])
def test_a_key_twice_in_one_object(field: str) -> None:
    """JSON with a repeated key, of which readers would keep either value, is refused."""
    start = TEXT.index(f'"{field}":')
    pair = TEXT[start : TEXT.index("\n", start)].removesuffix(",")
    with refuses(InvalidGenesis, "repeated_key"):
        parse_genesis(f"{TEXT[:start]}{pair}, {TEXT[start:]}")
