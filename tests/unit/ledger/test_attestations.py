"""Attestations: what the state keeps of a document's hash, and each reason for a refusal."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger import codec, limits
from ledger.attestations import (
    Attest,
    Attestation,
    DocumentKind,
    attest_value,
    decode_attest,
)
from ledger.attesting import (
    AttestationName,
    attestation_key,
    attestation_name,
    attestation_prefix,
)
from ledger.errors import DecodeError, InvalidTransaction
from ledger.identity import MemberId
from ledger.state import (
    ATTESTATION,
    Overlay,
    StateKey,
    decode_record,
    encode_record,
    next_sequence,
)
from ledger.transactions import Actor, SignedTransaction, decode_transaction
from ledger.transition import apply_transaction, validate_window
from tests.factories import REGULATOR, MemoryState, make_network, make_signer, sign
from tests.refusals import refuses

NETWORK = make_network()
BANK = MemberId("bank1")
ALICE = NETWORK.holders["alice"].id
CARD = AttestationName(BANK, DocumentKind.MODEL_CARD, "scoring 1.0", 1)


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


def test_an_attestation_is_kept_with_its_height_and_transaction(state: MemoryState) -> None:
    """One record and one sequence change, no balance, and the record survives its bytes."""
    transaction = NETWORK.attest(b"card")
    delta = state.apply(transaction, height=7)
    key = attestation_key(CARD)
    record = state.get(key)
    assert record == Attestation(sha256=sha256(b"card").digest(), height=7, txid=transaction.txid)
    assert {found[:1] for found in delta.after} == {ATTESTATION, b"n"}
    assert next_sequence(state, Actor(BANK, 0, 0)) == 1
    assert decode_record(key, encode_record(record)) == record


def test_an_attestation_can_be_proved_and_so_can_that_none_follows(state: MemoryState) -> None:
    """Revision 1 is in the state and revision 2 is not: the document is the current one."""
    state.apply(NETWORK.attest())
    first, second = (attestation_key(CARD._replace(revision=n)) for n in (1, 2))
    root = state.tree.root
    state.tree.prove(first).verify(root=root, key=first, value=encode_record(state.get(first)))
    state.tree.prove(second).verify(root=root, key=second, value=None)


def test_an_attestation_is_undone_with_its_block(state: MemoryState) -> None:
    """The delta takes record, sequence and root back."""
    entries, root = dict(state.entries), state.tree.root
    delta = state.apply(NETWORK.attest())
    assert state.tree.root != root
    state.undo(delta)
    assert (state.entries, state.tree.root) == (entries, root)


def test_a_later_revision_supersedes_and_forgets_nothing(state: MemoryState) -> None:
    """Each revision keeps its record; an older document may be stood by again."""
    for revision, content in enumerate((b"first", b"second", b"first"), start=1):
        state.apply(NETWORK.attest(content, revision=revision, sequence=revision - 1))
    records = [state.entries[attestation_key(CARD._replace(revision=n))] for n in (1, 2, 3)]
    hashes = [record.sha256 for record in records]
    assert hashes == [sha256(content).digest() for content in (b"first", b"second", b"first")]


def test_an_attestation_must_say_something_new(state: MemoryState) -> None:
    """The same revision, the same document again, and a revision left out: each has its code."""
    refused(state, NETWORK.attest(revision=2), "revision_gap")
    state.apply(NETWORK.attest(b"card"))
    refused(state, NETWORK.attest(b"card", sequence=1), "already_attested")
    refused(state, NETWORK.attest(b"other", sequence=1), "already_attested")
    refused(state, NETWORK.attest(b"card", revision=2, sequence=1), "already_attested")
    refused(state, NETWORK.attest(b"other", revision=3, sequence=1), "revision_gap")


def test_members_kinds_and_subjects_do_not_meet(state: MemoryState) -> None:
    """The first revision of each is its own."""
    state.apply(NETWORK.attest())
    state.apply(NETWORK.attest(member="bank2"))
    state.apply(NETWORK.attest(kind=DocumentKind.MODEL, sequence=1))
    state.apply(NETWORK.attest(subject="scoring 1.1", sequence=2))
    names = [attestation_name(key) for key in state.entries if key[:1] == ATTESTATION]
    assert {name.revision for name in names} == {1}
    assert len(set(names)) == 4


def test_threat_30_an_attestation_is_signed_by_as_many_officers_as_must(
    state: MemoryState,
) -> None:
    """Another's officer, an account's key, one of two and one to spare are refused."""
    maker, checker = NETWORK.officers[BANK]
    other = NETWORK.officers[MemberId("bank2")][:1]
    refused(state, NETWORK.attest(signers=other), "missing_signature")
    refused(state, NETWORK.attest(signers=[make_signer("alice")]), "missing_signature")
    refused(state, NETWORK.attest(signers=[maker, checker]), "surplus_signature")
    alone = NETWORK.officers[REGULATOR][:1]
    refused(state, NETWORK.attest(member=REGULATOR, signers=alone), "missing_signature")
    state.apply(NETWORK.attest(member=REGULATOR))


def test_one_member_attests(state: MemoryState) -> None:
    """Neither an account, nor two members, nor one that is unknown."""
    effect = NETWORK.attest().body.effect
    signers = NETWORK.officers_of(BANK)
    for actors, code in (
        ([Actor(ALICE, 0, 0)], "wrong_actors"),
        ([Actor(BANK, 0, 0), Actor(MemberId("bank2"), 0, 0)], "wrong_actors"),
        ([Actor(ALICE, 0, 0), Actor(BANK, 0, 0)], "wrong_actors"),
        ([Actor(MemberId("nobody"), 0, 0)], "unknown_member"),
    ):
        refused(state, sign(NETWORK.body(effect, actors), signers), code)


def test_an_attestation_has_the_window_of_a_payment() -> None:
    """A longer window is governance's alone."""
    long = NETWORK.attest(valid_until=limits.VALIDITY_BLOCKS_MAX + 1)
    with refuses(InvalidTransaction, "bad_validity"):
        validate_window(long, height=1, genesis_hash=NETWORK.genesis_hash)


def test_the_longest_attestation_round_trips() -> None:
    """Subject and reference at their limits, in characters of several bytes."""
    subject = "模" * (limits.SUBJECT_BYTES_MAX // 3) + "ab"
    assert len(subject.encode()) == limits.SUBJECT_BYTES_MAX
    reference = "é" * (limits.REFERENCE_BYTES_MAX // 2)
    transaction = NETWORK.attest(
        subject=subject, revision=limits.REVISIONS_MAX, reference=reference
    )
    assert decode_transaction(transaction.raw) == transaction


GOOD = ("model_card", "scoring 1.0", 1, bytes(32))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (GOOD[:3], "bad_shape"),
        (("card", *GOOD[1:]), "bad_choice"),
        ((1, *GOOD[1:]), "bad_choice"),
        ((GOOD[0], "", *GOOD[2:]), "bad_subject"),
        ((GOOD[0], "a\nb", *GOOD[2:]), "bad_subject"),
        ((GOOD[0], "a\x00b", *GOOD[2:]), "bad_subject"),
        ((GOOD[0], "a\x9b31m", *GOOD[2:]), "bad_subject"),
        ((GOOD[0], "a\udcff", *GOOD[2:]), "bad_subject"),
        ((GOOD[0], "a" * (limits.SUBJECT_BYTES_MAX + 1), *GOOD[2:]), "bad_text"),
        ((GOOD[0], b"scoring", *GOOD[2:]), "bad_text"),
        ((*GOOD[:2], 0, GOOD[3]), "bad_revision"),
        ((*GOOD[:2], True, GOOD[3]), "bad_revision"),
        ((*GOOD[:2], limits.REVISIONS_MAX + 1, GOOD[3]), "bad_revision"),
        ((*GOOD[:3], bytes(31)), "bad_bytes"),
    ],
)
def test_what_is_no_attestation_is_refused(value: codec.Value, code: str) -> None:
    """Every field has its type and limits."""
    with refuses(DecodeError, code):
        decode_attest(value)


def test_the_effect_round_trips() -> None:
    """Its array decodes to itself."""
    effect = Attest(kind=DocumentKind.DATASET, subject="loans", revision=2, sha256=bytes(32))
    assert decode_attest(attest_value(effect)) == effect


def test_a_key_says_whose_attestation_it_is() -> None:
    """Keys have one reading, stand in the order of their parts, and begin with each prefix."""
    names = [CARD._replace(revision=n) for n in (1, 2, 256, limits.REVISIONS_MAX)]
    keys = [attestation_key(name) for name in names]
    assert keys == sorted(keys)
    assert [attestation_name(key) for key in keys] == names
    for prefix in (
        attestation_prefix(),
        attestation_prefix(BANK),
        attestation_prefix(BANK, CARD.kind),
        attestation_prefix(BANK, CARD.kind, CARD.subject),
    ):
        assert all(key.startswith(prefix) for key in keys)
    assert attestation_prefix(None, CARD.kind) == ATTESTATION
    longer = attestation_key(CARD._replace(subject="scoring 1.0 b"))
    assert not longer.startswith(attestation_prefix(BANK, CARD.kind, CARD.subject))


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (b"", "malformed"),
        (b"a" + bytes(20), "malformed"),
        (b"dbank1\x00model\x00x\x01", "malformed"),
        (b"dbank1\x00model\x00x\x00y\x00\x01", "malformed"),
        (b"dbank1\x00model\x00\xff\x00\x00\x01", "malformed"),
        (b"dBANK\x00model\x00x\x00\x00\x01", "bad_member_id"),
        (b"dbank1\x00card\x00x\x00\x00\x01", "bad_choice"),
        (b"dbank1\x00model\x00\x00\x00\x01", "bad_subject"),
        (b"dbank1\x00model\x00x\x00\x00\x00", "bad_revision"),
    ],
)
def test_other_keys_are_refused(key: bytes, code: str) -> None:
    """What is no key of an attestation has a code, not a name."""
    with refuses(DecodeError, code):
        attestation_name(StateKey(key))
