"""Proposals: drafted, signed one by one, written as a file, and what is refused on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger import codec, limits
from ledger.errors import DecodeError, InvalidProposal, InvalidTransaction
from ledger.identity import KeySet, MemberId
from ledger.keys import verify
from ledger.measures import Freeze, Measure, Unfreeze
from ledger.proposal_document import (
    PROPOSAL_BYTES_MAX,
    format_proposal,
    parse_proposal,
    proposal_json,
)
from ledger.proposals import (
    PROPOSAL_VALIDITY_BLOCKS,
    Proposal,
    add_signature,
    complete,
    draft_proposal,
    renew,
)
from ledger.transactions import Actor, Signature, decode_transaction
from ledger.transition import signature_items
from tests.factories import REGULATOR, Signer, make_account_id, make_network, make_signer
from tests.refusals import refuses

NETWORK = make_network()
MAKER, CHECKER = NETWORK.officers[REGULATOR]
ALICE = NETWORK.holders["alice"].id
FREEZE = Freeze(account=ALICE, reason='the "court" – order 7', case="2026-7")


def draft(*measures: Measure, **chosen: Any) -> Proposal:
    """Return an unsigned proposal of the regulator."""
    fields: dict[str, Any] = {
        "chain_id": "test",
        "genesis_hash": NETWORK.genesis_hash,
        "actor": Actor(REGULATOR, 0, 3),
        "member": NETWORK.genesis.members[REGULATOR],
        "head_height": 10,
        "nonce": bytes(16),
    }
    return draft_proposal(measures or (FREEZE,), **(fields | chosen))


def signed(proposal: Proposal, *signers: Signer) -> Proposal:
    """Return the proposal with the signatures of some officers."""
    for signer in signers:
        signature = Signature(signer.public_key, signer.sign(proposal.message))
        proposal = add_signature(proposal, signature)
    return proposal


def test_two_signatures_make_a_transaction_that_the_ledger_takes() -> None:
    """What comes out decodes, verifies and freezes."""
    transaction = complete(signed(draft(actor=Actor(REGULATOR, 0, 0)), CHECKER, MAKER))
    assert decode_transaction(transaction.raw) == transaction
    assert all(verify(*item) for item in signature_items(transaction))
    NETWORK.state().apply(transaction, height=11)


def test_a_draft_is_valid_for_a_week_of_seconds_unless_told() -> None:
    """The window begins at the head and may be as long as the ledger allows."""
    body = draft().body
    assert (body.valid_from, body.valid_until) == (10, 10 + PROPOSAL_VALIDITY_BLOCKS)
    longest = draft(valid_blocks=limits.GOVERN_VALIDITY_BLOCKS_MAX).body
    assert longest.valid_until == 10 + limits.GOVERN_VALIDITY_BLOCKS_MAX
    for blocks in (-1, limits.GOVERN_VALIDITY_BLOCKS_MAX + 1):
        with refuses(InvalidProposal, "bad_validity"):
            draft(valid_blocks=blocks)


def test_only_a_regulator_with_two_officers_drafts() -> None:
    """What could never get its signatures is not begun."""
    bank = MemberId("bank1")
    with refuses(InvalidTransaction, "not_regulator"):
        draft(actor=Actor(bank, 0, 0), member=NETWORK.genesis.members[bank])
    lone = KeySet(keys=(MAKER.public_key,), threshold=1)
    with refuses(InvalidProposal, "too_few_officers"):
        draft(member=replace(NETWORK.genesis.members[REGULATOR], officers=lone))
    with refuses(DecodeError, "no_reason"):
        draft(Freeze(account=ALICE, reason=""))


def test_threat_30_a_proposal_takes_each_officer_once_and_no_stranger() -> None:
    """The maker cannot check; a stranger cannot sign; nobody signs in vain or wrongly."""
    once = signed(draft(), MAKER)
    with refuses(InvalidProposal, "already_signed"):
        signed(once, MAKER)
    with refuses(InvalidProposal, "not_a_decider"):
        signed(once, make_signer("mallory"))
    with refuses(InvalidProposal, "bad_signature"):
        add_signature(once, Signature(CHECKER.public_key, MAKER.sign(once.message)))
    with refuses(InvalidProposal, "signatures_missing"):
        complete(once)
    third = make_signer("third")
    keys = tuple(sorted(s.public_key for s in (MAKER, CHECKER, third)))
    trio = replace(draft(), deciders=KeySet(keys=keys, threshold=2))
    with refuses(InvalidProposal, "already_complete"):
        signed(trio, MAKER, CHECKER, third)


def test_a_draft_takes_the_sequence_that_is_next() -> None:
    """It is the same while that holds; another sequence, or a window that is over, changes it."""
    drafted = draft()
    assert renew(drafted, sequence=3, head_height=500) == drafted
    later = renew(drafted, sequence=4, head_height=500)
    assert later.actor == Actor(REGULATOR, 0, 4)
    assert later.body.valid_until == drafted.body.valid_until
    assert later.effect == drafted.effect
    over = renew(drafted, sequence=3, head_height=drafted.body.valid_until)
    assert over.body.valid_from == drafted.body.valid_until
    with refuses(InvalidProposal, "already_signed"):
        renew(signed(drafted, MAKER), sequence=4, head_height=10)


@pytest.mark.parametrize("signers", [(), (MAKER,), (MAKER, CHECKER)])
def test_the_file_says_all_of_it(signers: tuple[Signer, ...]) -> None:
    """Written and read again it is the same, and people can read it."""
    bob = Unfreeze(account=make_account_id("bob"), reason="cleared")
    proposal = signed(draft(FREEZE, bob), *signers)
    text = format_proposal(proposal)
    assert parse_proposal(text) == proposal == parse_proposal(text.encode())
    assert text.endswith("}\n")
    decoded = json.loads(text)["decoded"]
    assert [m["measure"] for m in decoded["measures"]] == ["freeze", "unfreeze"]
    assert decoded["measures"][0]["reason"] == FREEZE.reason
    assert decoded["member"] == "regulator"


def test_the_largest_proposal_fits_into_its_file() -> None:
    """As many measures, reasons and cases as the ledger takes, each character at its longest."""
    many = [
        Freeze(
            account=make_account_id(str(number)),
            reason="\x01" * limits.REASON_BYTES_MAX,
            case="\x01" * limits.CASE_BYTES_MAX,
        )
        for number in range(limits.MEASURES_MAX)
    ]
    proposal = signed(draft(*many), MAKER, CHECKER)
    text = format_proposal(proposal)
    assert len(text.encode()) < PROPOSAL_BYTES_MAX
    assert parse_proposal(text) == proposal


def other_body(document: dict[str, Any], at: int, value: codec.Value) -> None:
    """Replace a field of the body's bytes, and make the words fit where they can."""
    fields = list(codec.decode(bytes.fromhex(document["body"]), bytes_max=1 << 20))
    fields[at] = value
    document["body"] = codec.encode(tuple(fields)).hex()


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what replaces a part of the document."""

    def change(document: dict[str, Any]) -> None:
        part: Any = document
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value

    return change


ACTORS, REFERENCE, PAYLOAD, EFFECT = 6, 7, 8, 9
TRANSFER = NETWORK.transfer(NETWORK.leg("alice", "bob", 1)).body_bytes.hex()

TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another account in words": (
        put("decoded", "measures", 0, "account", value="sun1qqqq"),
        "proposal_differs",
    ),
    "another measure in words": (
        put("decoded", "measures", 0, "measure", value="unfreeze"),
        "proposal_differs",
    ),
    "another reason in words": (
        put("decoded", "measures", 0, "reason", value="harmless"),
        "proposal_differs",
    ),
    "no measure in words": (put("decoded", "measures", value=[]), "proposal_differs"),
    "another expiry in words": (put("decoded", "valid_until", value=11), "proposal_differs"),
    "another genesis": (put("genesis_hash", value="00" * 32), "proposal_differs"),
    "another txid": (put("txid", value="00" * 32), "proposal_differs"),
    "bytes with a reference": (lambda d: other_body(d, REFERENCE, "hidden"), "bad_proposal"),
    "bytes with a payload": (lambda d: other_body(d, PAYLOAD, b"hidden"), "bad_proposal"),
    "bytes for an account": (lambda d: other_body(d, ACTORS, ((ALICE, 0, 3),)), "bad_proposal"),
    "bytes that decide otherwise": (
        lambda d: other_body(d, EFFECT, (1, ((2, ALICE, "r", ""),))),
        "proposal_differs",
    ),
    "a payment": (put("body", value=TRANSFER), "bad_proposal"),
    "no bytes": (put("body", value=""), "bad_proposal"),
    "no hex": (put("body", value="zz"), "bad_proposal"),
    "a signature of other bytes": (
        put("signatures", 0, "signature", value="00" * 64),
        "bad_signature",
    ),
    "a stranger's signature": (
        put("signatures", 0, "public_key", value=make_signer("mallory").public_key.hex()),
        "not_a_decider",
    ),
    "a threshold of none": (put("deciders", "threshold", value=0), "bad_proposal"),
    "another format": (put("format", value="sunlit-proposal/2"), "bad_proposal"),
    "a surplus field": (put("note", value="sign here"), "bad_proposal"),
    "a number as text": (put("decoded", "sequence", value="3"), "bad_proposal"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_threat_30_a_file_that_was_changed_is_refused(name: str) -> None:
    """Words that are not the bytes, bytes that hide something, signatures that do not hold."""
    change, code = TAMPERED[name]
    document = proposal_json(signed(draft(), MAKER))
    change(document)
    with refuses(InvalidProposal, code):
        parse_proposal(json.dumps(document))


def test_threat_30_the_same_signature_twice_is_no_second_officer() -> None:
    """A copied signature does not make a proposal complete."""
    document = proposal_json(signed(draft(), MAKER))
    document["signatures"] *= 2
    with refuses(InvalidProposal, "already_signed"):
        parse_proposal(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", " " * (PROPOSAL_BYTES_MAX + 1)])
def test_what_is_no_proposal_is_refused(text: str) -> None:
    """Empty, cut off, of another shape, or too large."""
    with refuses(InvalidProposal, "bad_proposal"):
        parse_proposal(text)


def test_a_repeated_field_is_refused() -> None:
    """JSON readers would take either of the two."""
    text = format_proposal(draft())
    doubled = text.replace('"decoded": {', '"decoded": {\n    "sequence": 9,', 1)
    with refuses(InvalidProposal, "bad_proposal"):
        parse_proposal(doubled)
