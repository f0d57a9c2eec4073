"""The state commitment: what the root covers, and proofs of presence and absence."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import state_tree
from ledger.errors import InvalidProof
from ledger.hashing import HASH_BYTES, STATE_BUCKET, STATE_KEY, STATE_NODE, STATE_VALUE
from ledger.state_tree import (
    ENTRY_BYTES,
    FANOUT,
    LEVELS,
    PROOF_BUCKET_BYTES_MAX,
    StateProof,
    StateTree,
    tree_of,
)
from tests.refusals import refuses

ENTRIES = {f"key {number}".encode(): f"value {number}".encode() for number in range(500)}
KEY, VALUE = next(iter(ENTRIES.items()))


def crowd(size: int) -> list[bytes]:
    """Return keys that fall into one bucket, in order of their hashes."""
    first = STATE_KEY(KEY)[:2]
    found: list[bytes] = [KEY]
    for number in count():
        if len(found) == size:
            break
        if STATE_KEY(key := b"neighbour %d" % number)[:2] == first:
            found.append(key)
    return sorted(found, key=STATE_KEY)


CROWD = crowd(3)


def test_empty_root_by_definition() -> None:
    """The root of nothing is four levels of sixteen equal children over the empty bucket."""
    node = STATE_BUCKET(b"")
    for _ in range(LEVELS):
        node = STATE_NODE(node * FANOUT)
    assert StateTree().root == node


def test_root_depends_on_content_not_on_history() -> None:
    """Any order of writes, with detours, gives the root of the final entries."""
    tree = StateTree()
    tree.update([(b"gone", b"x"), (KEY, b"other")])
    for key, value in reversed(ENTRIES.items()):
        tree.update([(key, value)])
    assert tree.update([(b"gone", None), (b"never there", None)]) == tree_of(ENTRIES).root


def test_crowded_bucket_in_any_order() -> None:
    """Entries of one bucket are kept ascending, are replaced and removed one by one."""
    forwards, backwards = StateTree(), StateTree()
    forwards.update((key, b"v") for key in CROWD)
    backwards.update((key, b"v") for key in reversed(CROWD))
    assert forwards.root == backwards.root
    for key in CROWD:
        backwards.update([(key, b"w")])
        backwards.update([(key, None)])
    assert backwards.root == StateTree().root


def test_proofs_of_presence_and_absence() -> None:
    """Each entry is proved with its value, and a missing one with its absence."""
    tree = tree_of(ENTRIES)
    for key, value in ENTRIES.items():
        tree.prove(key).verify(root=tree.root, key=key, value=value)
    tree.prove(b"missing").verify(root=tree.root, key=b"missing", value=None)


def test_forgotten_key_hashes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is the same when hardly a hashed key is kept at hand."""
    root = tree_of(ENTRIES).root
    monkeypatch.setattr(state_tree, "PLACES_MAX", 1)
    assert tree_of(ENTRIES).root == root


def test_a_proof_does_not_prove_another_thing() -> None:
    """Another value, absence of a present key, presence of an absent one, another root: refused."""
    tree = tree_of(ENTRIES)
    proof = tree.prove(KEY)
    for value in (b"other", None):
        with refuses(InvalidProof, "wrong_value"):
            proof.verify(root=tree.root, key=KEY, value=value)
    with refuses(InvalidProof, "wrong_value"):
        tree.prove(b"missing").verify(root=tree.root, key=b"missing", value=b"x")
    with refuses(InvalidProof, "wrong_root"):
        proof.verify(root=StateTree().root, key=KEY, value=VALUE)


def entry(key: bytes, value: bytes = b"v") -> bytes:
    """Return the 64 bytes of an entry."""
    return STATE_KEY(key) + STATE_VALUE(value)


@pytest.mark.parametrize(
    "bucket",
    [
        entry(CROWD[1]) + entry(CROWD[0]),
        entry(CROWD[0]) * 2,
        entry(CROWD[0])[:-1],
        entry(b"a stranger"),
        bytes(PROOF_BUCKET_BYTES_MAX + ENTRY_BYTES),
    ],
    ids=["unsorted", "repeated", "cut", "of another bucket", "too large"],
)
def test_malformed_buckets(bucket: bytes) -> None:
    """A bucket in which a search could miss an entry proves nothing."""
    tree = StateTree()
    tree.update((key, b"v") for key in CROWD)
    with refuses(InvalidProof, "malformed_proof"):
        replace(tree.prove(KEY), bucket=bucket).verify(root=tree.root, key=KEY, value=None)


@pytest.mark.parametrize("rows", [0, LEVELS - 1, LEVELS + 1])
def test_malformed_siblings(rows: int) -> None:
    """A proof has four rows of fifteen siblings."""
    row = bytes((FANOUT - 1) * HASH_BYTES)
    for proof in (
        StateProof(bucket=b"", siblings=(row,) * rows),
        StateProof(bucket=b"", siblings=(row,) * (LEVELS - 1) + (row[:-1],)),
    ):
        with refuses(InvalidProof, "malformed_proof"):
            proof.verify(root=bytes(HASH_BYTES), key=KEY, value=None)


def test_a_value_hash_is_not_taken_for_a_key() -> None:
    """A key hash that stands in a bucket as bytes of a value is not an entry of that key."""
    target = STATE_KEY(CROWD[2])
    bucket = STATE_KEY(CROWD[0]) + target
    siblings = StateTree().prove(KEY).siblings
    node, index = STATE_BUCKET(bucket), target[0] << 8 | target[1]
    for row in siblings:
        at = index % FANOUT * HASH_BYTES
        node = STATE_NODE(row[:at] + node + row[at:])
        index //= FANOUT
    proof = StateProof(bucket=bucket, siblings=siblings)
    proof.verify(root=node, key=CROWD[2], value=None)


def test_staging_leaves_the_tree_alone() -> None:
    """A staged update tells its root; root and proofs change only when it is adopted."""
    tree, changes = tree_of(ENTRIES), [(KEY, b"new"), (b"more", b"x"), (b"absent", None)]
    before = tree.root
    staged = tree.stage(changes)
    assert tree.root == before != staged.root
    tree.prove(KEY).verify(root=before, key=KEY, value=VALUE)
    tree.adopt(staged)
    assert tree.root == staged.root
    assert tree.root == tree_of({**ENTRIES, KEY: b"new", b"more": b"x"}).root
    tree.prove(KEY).verify(root=tree.root, key=KEY, value=b"new")


def test_staging_nothing_keeps_the_root() -> None:
    """An empty batch has the root that there was."""
    tree = tree_of(ENTRIES)
    assert tree.stage([]).root == tree.update([]) == tree.root


batches = st.lists(
    st.lists(st.tuples(st.integers(0, 400), st.none() | st.binary(max_size=2)), max_size=40),
    min_size=1,
    max_size=4,
)


@given(batches)
def test_what_is_staged_in_steps_is_what_is_staged_at_once(
    numbered: list[list[tuple[int, bytes | None]]],
) -> None:
    """Each batch goes onto the one before: the same root, the same tree once it is adopted."""
    steps = [[(number.to_bytes(2), value) for number, value in batch] for batch in numbered]
    tree, other = tree_of(ENTRIES), tree_of(ENTRIES)
    staged = tree.stage([])
    for batch in steps:
        staged = tree.stage(batch, onto=staged)
        assert staged.root == other.update(batch)
    tree.adopt(staged)
    assert tree.root == other.root
    key, value = steps[0][0] if steps[0] else (KEY, b"last")
    assert tree.update([(key, value)]) == other.update([(key, value)])


@given(st.lists(st.dictionaries(st.sampled_from([*ENTRIES, *CROWD]), st.none() | st.binary())))
def test_what_was_adopted_can_be_taken_back_and_proved_before(
    batches: list[dict[bytes, bytes | None]],
) -> None:
    """Each adopted update returns its undo: earlier states are proved by it, and come back."""
    tree = tree_of(ENTRIES)
    root, keys = tree.root, [*list(ENTRIES)[:3], *CROWD, b"absent"]
    proofs = [tree.prove(key) for key in keys]
    undo = [tree.adopt(tree.stage(batch.items())) for batch in batches]
    assert [tree.prove(key, undo) for key in keys] == proofs
    for one in reversed(undo):
        tree.adopt(one)
    assert tree.root == root
    assert [tree.prove(key) for key in keys] == proofs
