"""Signed transactions as bytes: what decodes, what is refused, and by which code."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.hashing import ACCOUNT_ID, TRANSACTION_ID
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.kinds import EFFECT_DECODERS, KIND_OF, Kind, Leg, Transfer
from ledger.transactions import (
    HEIGHT_MAX,
    SEQUENCE_MAX,
    Actor,
    SignedTransaction,
    assemble,
    decode_body,
    decode_transaction,
    opened_account_id,
)
from ledger.transition import signature_items
from tests.factories import CNY, key_set, make_network, make_signer, sign
from tests.refusals import refuses

NETWORK = make_network()
TRANSFER = NETWORK.transfer(NETWORK.leg("alice", "bob", 5, reference="invoice 7"))
ISSUE = NETWORK.issue(NETWORK.entry("alice", 5))
REDEEM = NETWORK.redeem(NETWORK.entry("alice", 5))
OPENING = NETWORK.open_account(key_set([make_signer("a"), make_signer("b")], 2))
EACH_KIND = {
    Kind.TRANSFER: TRANSFER,
    Kind.ISSUE: ISSUE,
    Kind.REDEEM: REDEEM,
    Kind.OPEN_ACCOUNT: OPENING,
    Kind.GOVERN: NETWORK.freeze("alice"),
    Kind.ATTEST: NETWORK.attest(),
}
GENESIS, KIND, FROM, UNTIL, NONCE, ACTORS, REFERENCE, PAYLOAD, EFFECT = range(1, 10)

ACCOUNT = NETWORK.holders["alice"].id
OTHER = NETWORK.holders["bob"].id


def resign(transaction: SignedTransaction, at: int, value: Any) -> bytes:
    """Return the bytes of a transaction with one field of its body replaced."""
    body = list(codec.decode(transaction.body_bytes, bytes_max=limits.TRANSACTION_BYTES_MAX))
    body[at] = value
    return codec.encode((codec.encode(tuple(body)), transaction.signatures))


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_round_trips(kind: Kind) -> None:
    """Decoding gives the same transaction, and its body encodes to the same bytes."""
    transaction = EACH_KIND[kind]
    decoded = decode_transaction(transaction.raw)
    assert decoded == transaction
    assert decoded.body.kind is kind
    assert decoded.body.encode() == transaction.body_bytes
    assert decoded.txid == TRANSACTION_ID(transaction.body_bytes)


def test_every_kind_has_a_number_and_a_decoder() -> None:
    """No kind can be encoded that cannot be decoded."""
    assert set(KIND_OF.values()) == set(EFFECT_DECODERS) == set(Kind)


def test_leg_counts() -> None:
    """Legs and entries count one each, an opening counts one."""
    counts = {kind: transaction.leg_count for kind, transaction in EACH_KIND.items()}
    assert set(counts.values()) == {1}
    assert NETWORK.issue(*[NETWORK.entry("alice", 1)] * 3).leg_count == 3
    assert NETWORK.transfer(*[NETWORK.leg("alice", "bob", 1)] * 4).leg_count == 4


def test_txid_leaves_signatures_out() -> None:
    """Another signer changes the raw bytes but not the txid."""
    other = sign(TRANSFER.body, [make_signer("mallory")])
    assert other.txid == TRANSFER.txid
    assert other.raw != TRANSFER.raw


def test_opened_account_id_follows_from_the_txid() -> None:
    """The id is the first 20 bytes of a tagged hash of the txid."""
    assert opened_account_id(OPENING.txid) == ACCOUNT_ID(OPENING.txid)[:20]


def test_threat_29_control_characters_are_kept() -> None:
    """Control characters, right-to-left marks and look-alikes round-trip as they were signed."""
    text = "\x00\x1b[31m\r\n\u202eоpen\u200b\x7f"
    transaction = NETWORK.transfer(NETWORK.leg("alice", "bob", 1, reference=text), reference=text)
    body = decode_transaction(transaction.raw).body
    assert body.reference == text
    assert isinstance(body.effect, Transfer)
    assert body.effect.legs[0].reference == text


def test_threat_24_malleated_signature_is_refused() -> None:
    """Adding the group's order to s gives other bytes, which do not verify."""
    order = 2**252 + 27742317777372353535851937790883648493
    key, signature, message = signature_items(TRANSFER)[0]
    scalar = int.from_bytes(signature[32:], "little") + order
    malleated = signature[:32] + scalar.to_bytes(32, "little")
    twin = assemble(TRANSFER.body, (structs.replace(TRANSFER.signatures[0], signature=malleated),))
    assert verify(key, signature, message)
    assert decode_transaction(twin.raw).txid == TRANSFER.txid
    assert not verify(*signature_items(twin)[0])


@pytest.mark.parametrize("kind", Kind)
def test_signatures_of_factories_verify(kind: Kind) -> None:
    """Each key signs the tagged body."""
    assert all(verify(*item) for item in signature_items(EACH_KIND[kind]))


LEG = structs.astuple(NETWORK.leg("alice", "bob", 5))


@pytest.mark.parametrize(
    "amount",
    [-1, 0, 1.5, 1.0, True, False, None, "1e3", "5", b"\x05", 2**63, 2**64 - 1, "9" * 4096],
    ids=lambda amount: repr(amount)[:24],
)
def test_threat_20_amounts(amount: Any) -> None:
    """An amount is an integer from 1 to 2^63 - 1, in legs and in entries."""
    with refuses(DecodeError, "bad_amount"):
        decode_transaction(resign(TRANSFER, EFFECT, ((*LEG[:3], amount, ""),)))
    for transaction in (ISSUE, REDEEM):
        with refuses(DecodeError, "bad_amount"):
            decode_transaction(resign(transaction, EFFECT, (CNY, ((ACCOUNT, amount),))))


def test_threat_20_largest_amount() -> None:
    """2^63 - 1 itself decodes."""
    raw = resign(TRANSFER, EFFECT, ((*LEG[:3], limits.AMOUNT_MAX, ""),))
    effect = decode_transaction(raw).body.effect
    assert isinstance(effect, Transfer)
    assert effect.legs == (Leg(ACCOUNT, OTHER, CNY, limits.AMOUNT_MAX),)


BODY_FAULTS = [
    (0, 2, "unknown_version"),
    (0, True, "unknown_version"),
    (GENESIS, bytes(31), "bad_bytes"),
    (GENESIS, "x" * 32, "bad_bytes"),
    (KIND, 0, "unknown_kind"),
    (KIND, 99, "unknown_kind"),
    (KIND, True, "unknown_kind"),
    (KIND, (1,), "unknown_kind"),
    (FROM, -1, "bad_integer"),
    (FROM, HEIGHT_MAX + 1, "bad_integer"),
    (FROM, 1.0, "bad_integer"),
    (UNTIL, HEIGHT_MAX + 1, "bad_integer"),
    (UNTIL, True, "bad_integer"),
    (NONCE, bytes(15), "bad_bytes"),
    (NONCE, bytes(17), "bad_bytes"),
    (NONCE, None, "bad_bytes"),
    (REFERENCE, "x" * 141, "bad_text"),
    (REFERENCE, "孙" * 47, "bad_text"),
    (REFERENCE, b"", "bad_text"),
    (PAYLOAD, bytes(limits.PAYLOAD_BYTES_MAX + 1), "bad_bytes"),
    (PAYLOAD, "", "bad_bytes"),
    (ACTORS, (), "bad_shape"),
    (ACTORS, ((ACCOUNT, 0),), "bad_shape"),
    (ACTORS, ((ACCOUNT[:-1], 0, 0),), "bad_bytes"),
    (ACTORS, ((7, 0, 0),), "bad_bytes"),
    (ACTORS, ((ACCOUNT, 16, 0),), "bad_integer"),
    (ACTORS, ((ACCOUNT, True, 0),), "bad_integer"),
    (ACTORS, ((ACCOUNT, 0, -1),), "bad_integer"),
    (ACTORS, ((ACCOUNT, 0, SEQUENCE_MAX + 1),), "bad_integer"),
    (ACTORS, (("bank1", 1, 0),), "bad_integer"),
    (ACTORS, (("Bank 1", 0, 0),), "bad_member_id"),
    (EFFECT, (), "bad_shape"),
    (EFFECT, (LEG[:4],), "bad_shape"),
    (EFFECT, (7,), "bad_shape"),
    (EFFECT, ((ACCOUNT[:-1], *LEG[1:]),), "bad_bytes"),
    (EFFECT, ((ACCOUNT, "bob", *LEG[2:]),), "bad_bytes"),
    (EFFECT, ((ACCOUNT, OTHER, "cny", 5, ""),), "bad_asset_code"),
    (EFFECT, ((ACCOUNT, OTHER, b"CNY", 5, ""),), "bad_asset_code"),
    (EFFECT, ((*LEG[:4], "x" * 141),), "bad_text"),
    (EFFECT, ((*LEG[:4], b""),), "bad_text"),
    (EFFECT, (LEG,) * (limits.TRANSACTION_LEGS_MAX + 1), "bad_shape"),
]


@pytest.mark.parametrize(("at", "value", "code"), BODY_FAULTS, ids=lambda part: repr(part)[:24])
def test_each_fault_of_a_body_has_its_code(at: int, value: Any, code: str) -> None:
    """One wrong field is refused with the code of that field."""
    with refuses(DecodeError, code):
        decode_transaction(resign(TRANSFER, at, value))


@pytest.mark.parametrize(
    ("transaction", "effect", "code"),
    [
        (ISSUE, (CNY,), "bad_shape"),
        (ISSUE, (CNY, ()), "bad_shape"),
        (ISSUE, (CNY, ((ACCOUNT,),)), "bad_shape"),
        (ISSUE, ("C", (("x", 1),)), "bad_bytes"),
        (REDEEM, ("1CNY", ((ACCOUNT, 1),)), "bad_asset_code"),
        (REDEEM, 7, "bad_shape"),
        (OPENING, ("person", (1, (make_signer("a").public_key,))), "bad_choice"),
        (OPENING, (7, (1, (make_signer("a").public_key,))), "bad_choice"),
        (OPENING, ("user", (1, (make_signer("a").public_key[:32],))), "bad_bytes"),
        (OPENING, ("user", (2, (make_signer("a").public_key,))), "bad_threshold"),
        (OPENING, ("user",), "bad_shape"),
    ],
    ids=lambda part: repr(part)[:16],
)
def test_each_fault_of_an_effect_has_its_code(
    transaction: SignedTransaction, effect: Any, code: str
) -> None:
    """Issues, redemptions and openings refuse what is not theirs."""
    with refuses(DecodeError, code):
        decode_transaction(resign(transaction, EFFECT, effect))


def test_threat_30_unsorted_actors() -> None:
    """Actors are distinct and ascending, accounts before members."""
    low, high = sorted((ACCOUNT, OTHER))
    members = MemberId("bank1"), MemberId("bank2")
    ordered = [Actor(low, 0, 0), Actor(high, 0, 0), *(Actor(name, 0, 0) for name in members)]
    decoded = decode_transaction(resign(TRANSFER, ACTORS, tuple(ordered))).body.actors
    assert decoded == tuple(ordered)
    for first in range(3):
        swapped = ordered.copy()
        swapped[first : first + 2] = reversed(swapped[first : first + 2])
        with refuses(DecodeError, "actors_unsorted"):
            decode_transaction(resign(TRANSFER, ACTORS, tuple(swapped)))
    with refuses(DecodeError, "actors_unsorted"):
        decode_transaction(resign(TRANSFER, ACTORS, ((low, 0, 0), (low, 1, 0))))


def test_threat_30_unsorted_or_repeated_signatures() -> None:
    """Signatures are in ascending order of their keys, one a key."""
    one, two = sorted(make_signer(name).public_key for name in ("a", "b"))
    seal = bytes(64)
    for pairs in (((two, seal), (one, seal)), ((one, seal), (one, bytes(63) + b"\x01"))):
        with refuses(DecodeError, "signatures_unsorted"):
            decode_transaction(codec.encode((TRANSFER.body_bytes, pairs)))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, "bad_shape"),
        ((b"",), "bad_shape"),
        (("body", ()), "bad_shape"),
        ((TRANSFER.body_bytes, ()), "bad_shape"),
        ((TRANSFER.body_bytes, ((bytes(33), bytes(64)),) * 1_025), "bad_shape"),
        ((TRANSFER.body_bytes, ((bytes(33),),)), "bad_shape"),
        ((TRANSFER.body_bytes, ((bytes(32), bytes(64)),)), "bad_bytes"),
        ((TRANSFER.body_bytes, ((bytes(33), bytes(63)),)), "bad_bytes"),
        ((b"", ((bytes(33), bytes(64)),)), "malformed"),
        ((codec.encode((1, 2)), ((bytes(33), bytes(64)),)), "bad_shape"),
    ],
    ids=lambda part: repr(part)[:24],
)
def test_each_fault_of_an_envelope_has_its_code(value: Any, code: str) -> None:
    """Envelope and signatures are pinned too."""
    with refuses(DecodeError, code):
        decode_transaction(codec.encode(value))


def test_threat_3_oversized_transaction() -> None:
    """A transaction over 2 MiB is refused by its length, body alone or whole."""
    for decode in (decode_transaction, decode_body):
        with refuses(DecodeError, "too_large"):
            decode(bytes(limits.TRANSACTION_BYTES_MAX + 1))


def test_threat_5_body_in_a_longer_spelling() -> None:
    """The body inside its byte string is canonical as well."""
    body = b"\xdc\x00\x0a" + TRANSFER.body_bytes[1:]
    with refuses(DecodeError, "not_canonical"):
        decode_transaction(codec.encode((body, TRANSFER.signatures)))


def test_threat_41_fields_cannot_slide() -> None:
    """Moving a byte from one text to the next gives another txid, because hashing is framed."""
    one = structs.replace(TRANSFER.body, reference="ab", payload=b"c")
    two = structs.replace(TRANSFER.body, reference="a", payload=b"bc")
    assert sign(one, [make_signer("alice")]).txid != sign(two, [make_signer("alice")]).txid


@pytest.mark.parametrize("levels", [9, 1_000, 1_024, 1_025, 1_000_000])
def test_threat_2_depth_bomb(levels: int) -> None:
    """Nesting beyond the schema is refused in the envelope, in the body and in an effect."""
    bomb = b"\x91" * levels + b"\x01"
    with pytest.raises(DecodeError):
        decode_transaction(bomb)
    with pytest.raises(DecodeError):
        decode_body(bomb)
    at = TRANSFER.body_bytes.rindex(codec.encode(TRANSFER.body.payload))
    with pytest.raises(DecodeError):
        decode_body(TRANSFER.body_bytes[: at + 2] + bomb)
