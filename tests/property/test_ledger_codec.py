"""Round trips of every value the ledger writes, and of nothing else."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgpack
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ledger import codec, limits, transactions
from ledger.attestations import Attest, DocumentKind
from ledger.blocks import Block, SealedHeader, decode_block
from ledger.errors import DecodeError
from ledger.hashing import BlockHash
from ledger.identity import ACCOUNT_ID_BYTES, AccountId, AccountKind, AssetCode, KeySet, MemberId
from ledger.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from ledger.kinds import Effect, Entry, Issue, Leg, OpenAccount, Redeem, Transfer
from ledger.measures import Freeze, Govern, Measure, Policy, Unfreeze
from ledger.transactions import (
    HEIGHT_MAX,
    SEQUENCE_MAX,
    Actor,
    Body,
    Signature,
    SignedTransaction,
    actor_order,
    assemble,
    decode_body,
    decode_transaction,
)
from tests.factories import make_network

BYTES_MAX = 1 << 20
HEADER = make_network().block().header


def binary(size: int) -> st.SearchStrategy[bytes]:
    """Return byte strings of exactly ``size`` bytes."""
    return st.binary(min_size=size, max_size=size)


VALUES: st.SearchStrategy[codec.Value] = st.recursive(
    st.integers(0, codec.UINT64_MAX) | st.text() | st.binary(),
    lambda children: st.lists(children).map(tuple),
)
ACCOUNTS = binary(ACCOUNT_ID_BYTES).map(AccountId)
MEMBERS = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True).map(MemberId)
ASSETS = st.from_regex(r"[A-Z][A-Z0-9]{0,11}", fullmatch=True).map(AssetCode)
AMOUNTS = st.integers(1, limits.AMOUNT_MAX)
REFERENCES = st.text(max_size=limits.REFERENCE_BYTES_MAX // 4)
HEIGHTS = st.integers(0, HEIGHT_MAX)
SEQUENCES = st.integers(0, SEQUENCE_MAX)

KEY_SETS = st.sets(binary(PUBLIC_KEY_BYTES), min_size=1, max_size=limits.KEYS_MAX).flatmap(
    lambda keys: st.builds(
        KeySet, keys=st.just(tuple(sorted(keys))), threshold=st.integers(1, len(keys))
    )
)
LEGS = st.builds(Leg, ACCOUNTS, ACCOUNTS, ASSETS, AMOUNTS, REFERENCES)
ENTRIES = st.lists(st.builds(Entry, ACCOUNTS, AMOUNTS), min_size=1, max_size=4).map(tuple)
REASONS = st.text(min_size=1, max_size=limits.REASON_BYTES_MAX // 4)
CASES = st.text(max_size=limits.CASE_BYTES_MAX // 4)
MEASURES: st.SearchStrategy[Measure] = st.one_of(
    st.builds(Freeze, account=ACCOUNTS, reason=REASONS, case=CASES),
    st.builds(Unfreeze, account=ACCOUNTS, reason=REASONS, case=CASES),
)
SUBJECTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=limits.SUBJECT_BYTES_MAX // 4,
)
EFFECTS: st.SearchStrategy[Effect] = st.one_of(
    st.builds(Transfer, legs=st.lists(LEGS, min_size=1, max_size=4).map(tuple)),
    st.builds(Issue, asset=ASSETS, entries=ENTRIES),
    st.builds(Redeem, asset=ASSETS, entries=ENTRIES),
    st.builds(OpenAccount, account_kind=st.sampled_from(AccountKind), keys=KEY_SETS),
    st.builds(
        Govern,
        policy=st.sampled_from(Policy),
        measures=st.lists(MEASURES, min_size=1, max_size=4, unique_by=lambda m: m.account).map(
            tuple
        ),
    ),
    st.builds(
        Attest,
        kind=st.sampled_from(DocumentKind),
        subject=SUBJECTS,
        revision=st.integers(1, limits.REVISIONS_MAX),
        sha256=binary(32),
    ),
)
ACTORS = (
    st.lists(
        st.builds(Actor, ACCOUNTS, st.integers(0, limits.LANES - 1), SEQUENCES)
        | st.builds(Actor, MEMBERS, st.just(0), SEQUENCES),
        min_size=1,
        max_size=4,
        unique_by=lambda actor: actor.id,
    )
    .map(lambda actors: sorted(actors, key=actor_order))
    .map(tuple)
)
BODIES = st.builds(
    Body,
    genesis_hash=binary(32).map(BlockHash),
    valid_from=HEIGHTS,
    valid_until=HEIGHTS,
    nonce=binary(16),
    actors=ACTORS,
    reference=REFERENCES,
    payload=st.binary(max_size=64),
    effect=EFFECTS,
)
SIGNATURES = st.lists(
    st.builds(Signature, binary(PUBLIC_KEY_BYTES), binary(SIGNATURE_BYTES)),
    min_size=1,
    max_size=3,
    unique_by=lambda signature: signature.public_key,
).map(tuple)
TRANSACTIONS = st.builds(assemble, BODIES, SIGNATURES)


@given(VALUES)
def test_every_value_round_trips(value: codec.Value) -> None:
    """Decoding what was encoded gives the same value, its types included."""
    decoded = codec.decode(codec.encode(value), bytes_max=BYTES_MAX)
    assert decoded == value
    assert codec.encode(decoded) == codec.encode(value)


@given(st.binary(max_size=64))
def test_whatever_decodes_re_encodes_to_itself(data: bytes) -> None:
    """Bytes have one meaning and values one spelling; all else is a DecodeError."""
    try:
        value = codec.decode(data, bytes_max=BYTES_MAX)
    except DecodeError:
        return
    assert codec.encode(value) == data


@given(TRANSACTIONS)
def test_every_transaction_round_trips(transaction: SignedTransaction) -> None:
    """A transaction of any kind decodes to itself and its body to the same bytes."""
    decoded = decode_transaction(transaction.raw)
    assert decoded == transaction
    assert decoded.body.encode() == decoded.body_bytes


@given(TRANSACTIONS, st.data())
def test_a_damaged_transaction_is_refused_or_is_another(
    transaction: SignedTransaction, data: st.DataObject
) -> None:
    """One changed byte gives a DecodeError, or a transaction that re-encodes to those very bytes."""
    at = data.draw(st.integers(0, len(transaction.raw) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(transaction.raw)
    damaged[at] ^= flip
    try:
        decoded = decode_transaction(bytes(damaged))
    except DecodeError:
        return
    assert assemble(decoded.body, decoded.signatures).raw == damaged


ODD: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=150)
    | st.binary(max_size=40)
    | st.lists(st.integers(0, 9), max_size=3)
)
TRANSFER_BODIES = st.builds(
    lambda body, legs: structs.replace(body, effect=Transfer(legs=tuple(legs))),
    BODIES,
    st.lists(LEGS, min_size=1, max_size=3),
)


def _outcome(body_bytes: bytes) -> Body | str:
    try:
        return decode_body(body_bytes)
    except DecodeError as error:
        return error.code


@given(TRANSFER_BODIES, ODD, st.data())
def test_a_body_is_read_at_once_as_field_by_field(
    body: Body, odd: Any, data: st.DataObject
) -> None:
    """Whatever stands in any place of a transfer, both ways to read it have the same outcome."""
    tree = msgpack.unpackb(body.encode())
    place = tree
    while True:
        at = data.draw(st.integers(0, len(place) - 1))
        if not isinstance(place[at], list) or not place[at] or data.draw(st.booleans()):
            break
        place = place[at]
    if data.draw(st.booleans()):
        place[at] = odd
    elif data.draw(st.booleans()):
        place.insert(at, odd)
    else:
        del place[at]
    damaged = msgpack.packb(tree)
    with patch.object(transactions, "_read_transfer", lambda _: None):
        exact = _outcome(damaged)
    assert _outcome(damaged) == exact
    assert decode_body(body.encode()) == body


def test_payments_are_read_at_once() -> None:
    """The ready reader takes a payment: were it to take none, all would be right and slow."""
    transaction = make_network().transfer(make_network().leg("alice", "bob", 5, reference="孙"))
    with patch.object(transactions, "_body", side_effect=AssertionError):
        assert decode_transaction(transaction.raw) == transaction


@given(st.lists(TRANSACTIONS, max_size=3), st.lists(st.binary(max_size=9), max_size=3))
def test_every_block_round_trips(
    transactions: list[SignedTransaction], certificates: list[bytes]
) -> None:
    """A block with any body decodes to itself."""
    sealed = SealedHeader(header=HEADER, header_bytes=HEADER.encode(), seal=bytes(64))
    block = Block(sealed=sealed, transactions=tuple(transactions), certificates=tuple(certificates))
    assert decode_block(block.encode(), bytes_max=BYTES_MAX) == block
