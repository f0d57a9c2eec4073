"""Merkle trees judged by an independent implementation of RFC 9162."""

from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from ledger.merkle import (
    EMPTY_FRONTIER,
    consistency_path,
    inclusion_path,
    leaf_hash,
    merkle_root,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = st.lists(st.binary(max_size=40), min_size=1, max_size=130)
HASHES = st.binary(min_size=32, max_size=32)


def _judge(entries: list[bytes]) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    return tree


@given(entries=ENTRIES, data=st.data())
def test_inclusion_agrees_with_the_judge(entries: list[bytes], data: st.DataObject) -> None:
    """Root and path are the judge's, and each side accepts the other's proof."""
    index = data.draw(st.integers(0, len(entries) - 1))
    judge = _judge(entries)
    leaves = [leaf_hash(entry) for entry in entries]
    root, path = merkle_root(leaves), inclusion_path(leaves, index)
    proof = judge.prove_inclusion(index + 1)
    assert root == judge.get_root()
    # The judge's path begins with the leaf itself, which the standard's leaves out.
    assert (leaves[index], *path) == tuple(proof.path)
    proof.verify(leaves[index], root, index=index + 1, size=len(entries))
    assert verify_inclusion(
        leaf_hash=leaves[index], index=index, size=len(entries), path=proof.path[1:], root=root
    )


@given(entries=ENTRIES, data=st.data())
def test_consistency_agrees_with_the_judge(entries: list[bytes], data: st.DataObject) -> None:
    """The path between two sizes is the standard's, over the judge's hashes, and is accepted.

    The judge's own proofs prove the same, but start from a leaf where the standard starts from
    the largest subtree, so only its hashes and its verdict are comparable.
    """
    old_size = data.draw(st.integers(1, len(entries)))
    judge = _judge(entries)
    leaves = [leaf_hash(entry) for entry in entries]
    path = consistency_path(leaves, old_size)
    old_root, new_root = judge.get_root(old_size), judge.get_root()
    judge.prove_consistency(old_size).verify(old_root, new_root)
    assert list(path) == _subproof(old_size, entries, is_complete=True)
    assert verify_consistency(
        old_size=old_size, old_root=old_root, new_size=len(entries), new_root=new_root, path=path
    )


def _subproof(old_size: int, entries: list[bytes], *, is_complete: bool) -> list[bytes]:
    """Return SUBPROOF(m, D_n, b) word for word from RFC 9162 section 2.1.4.1."""
    if old_size == len(entries):
        return [] if is_complete else [_judge(entries).get_root()]
    k = 1
    while 2 * k < len(entries):
        k *= 2
    left, right = entries[:k], entries[k:]
    if old_size <= k:
        return [*_subproof(old_size, left, is_complete=is_complete), _judge(right).get_root()]
    return [*_subproof(old_size - k, right, is_complete=False), _judge(left).get_root()]


@given(entries=ENTRIES)
def test_appending_agrees_with_the_judge(entries: list[bytes]) -> None:
    """The frontier has the judge's root after every leaf."""
    judge = InmemoryTree(algorithm="sha256")
    frontier = EMPTY_FRONTIER
    for entry in entries:
        judge.append_entry(entry)
        frontier = frontier.append(leaf_hash(entry))
        assert frontier.root() == judge.get_root()
        assert frontier.size == judge.get_size()


@given(
    numbers=st.tuples(st.integers(), st.integers()),
    hashes=st.tuples(HASHES | st.binary(), HASHES | st.binary()),
    path=st.lists(HASHES | st.binary(), max_size=70),
)
def test_strangers_bytes_prove_nothing(
    numbers: tuple[int, int], hashes: tuple[bytes, bytes], path: list[bytes]
) -> None:
    """Any integers and bytes get an answer, never an error, and the answer is no."""
    (first, second), (one, other) = numbers, hashes
    is_proof = verify_inclusion(leaf_hash=one, index=first, size=second, path=path, root=other)
    extends = verify_consistency(
        old_size=first, old_root=one, new_size=second, new_root=other, path=path
    )
    # Equal roots are honest proofs: of a tree's only leaf, and of a tree that has not grown.
    assert not is_proof or (one == other and (first, second) == (0, 1))
    assert not extends or (one == other and first == second)
