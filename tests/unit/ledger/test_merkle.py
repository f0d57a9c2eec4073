"""Merkle trees: what a proof shows, what it refuses, what a store must keep."""

from itertools import pairwise

import pytest

from ledger.merkle import (
    EMPTY_FRONTIER,
    Frontier,
    consistency_path,
    consistency_path_from_store,
    inclusion_path,
    inclusion_path_from_store,
    leaf_hash,
    merkle_root,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(33)]
SIZES = range(1, len(LEAVES) + 1)


def _proves(index: int, size: int, path: tuple[bytes, ...]) -> bool:
    root = merkle_root(LEAVES[:size])
    return verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, path=path, root=root)


def _extends(old_size: int, new_size: int, path: tuple[bytes, ...]) -> bool:
    return verify_consistency(
        old_size=old_size,
        old_root=merkle_root(LEAVES[:old_size]),
        new_size=new_size,
        new_root=merkle_root(LEAVES[:new_size]),
        path=path,
    )


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proved_in_every_tree(size: int) -> None:
    """A path proves its own leaf and no other."""
    for index in range(size):
        path = inclusion_path(LEAVES[:size], index)
        assert [other for other in range(size) if _proves(other, size, path)] == [index]


@pytest.mark.parametrize("size", SIZES)
def test_every_earlier_tree_is_extended(size: int) -> None:
    """A path proves that the tree extends its own earlier size and no other."""
    for old_size in range(1, size):
        path = consistency_path(LEAVES[:size], old_size)
        assert [other for other in range(1, size) if _extends(other, size, path)] == [old_size]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 21, 32, 33])
def test_damaged_paths_prove_nothing(size: int) -> None:
    """A path with a flipped, missing, extra, swapped or cut hash is refused."""
    for index in range(size):
        for path in _damaged(inclusion_path(LEAVES[:size], index)):
            assert not _proves(index, size, path)
    for old_size in range(1, size):
        for path in _damaged(consistency_path(LEAVES[:size], old_size)):
            assert not _extends(old_size, size, path)


def test_an_empty_path_extends_nothing() -> None:
    """A tree that has grown needs a proof, whether or not its old size was a power of two."""
    for old_size in range(1, 8):
        assert not _extends(old_size, 8, ())


def _damaged(path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Return the ways to spoil a path that leave it the shape of a path."""
    extra = [(*path, LEAVES[0]), (LEAVES[0], *path)]
    missing = [path[:at] + path[at + 1 :] for at in range(len(path))]
    swapped = [
        (*path[:at], right, left, *path[at + 2 :])
        for at, (left, right) in enumerate(pairwise(path))
    ]
    flipped = [
        (*path[:at], bytes([entry[0] ^ 1]) + entry[1:], *path[at + 1 :])
        for at, entry in enumerate(path)
    ]
    cut = [(*path[:at], entry[:-1], *path[at + 1 :]) for at, entry in enumerate(path)]
    return extra + missing + swapped + flipped + cut


def test_threat_32_a_repeated_last_leaf_changes_the_root() -> None:
    """A list and the same list with its end repeated never share a root (CVE-2012-2459)."""
    for size in SIZES:
        for repeated in range(1, size + 1):
            longer = LEAVES[:size] + LEAVES[size - repeated : size]
            assert merkle_root(longer) != merkle_root(LEAVES[:size])


def test_threat_41_a_node_is_not_a_leaf() -> None:
    """Two hashes joined and offered as one leaf do not give their parent's hash."""
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right) == merkle_root([left, right])


def test_threat_41_hashes_of_another_length_prove_nothing() -> None:
    """Bytes cannot move from one child of a node to the other."""
    left, right = LEAVES[:2]
    root = merkle_root([left, right])
    for cut in (16, 31, 33, 48):
        joined = left + right
        moved = verify_inclusion(
            leaf_hash=joined[:cut], index=0, size=2, path=[joined[cut:]], root=root
        )
        assert not moved


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (4, 3), (0, 0), (0, -1)])
def test_places_outside_the_tree(index: int, size: int) -> None:
    """A leaf outside the tree has no path, and a proof of it is refused without an error."""
    with pytest.raises(IndexError):
        inclusion_path(LEAVES[: max(size, 0)], index)
    leaf = LEAVES[0]
    assert not verify_inclusion(leaf_hash=leaf, index=index, size=size, path=(), root=leaf)


@pytest.mark.parametrize(("old_size", "new_size"), [(-1, 3), (0, 3), (4, 3), (0, 0)])
def test_sizes_that_extend_nothing(old_size: int, new_size: int) -> None:
    """A larger or empty old tree has no proof, and a proof of it is refused without an error."""
    with pytest.raises(IndexError):
        consistency_path(LEAVES[:new_size], old_size)
    root = LEAVES[0]
    assert not verify_consistency(
        old_size=old_size, old_root=root, new_size=new_size, new_root=root, path=()
    )


def test_equal_trees_need_no_path() -> None:
    """A tree extends itself by an empty path, and differs from another of its size."""
    root, other = merkle_root(LEAVES[:5]), merkle_root(LEAVES[1:6])
    assert consistency_path(LEAVES[:5], 5) == ()
    assert verify_consistency(old_size=5, old_root=root, new_size=5, new_root=root, path=())
    assert not verify_consistency(old_size=5, old_root=root, new_size=5, new_root=other, path=())
    assert not verify_consistency(
        old_size=5, old_root=root, new_size=5, new_root=root, path=LEAVES[:1]
    )


def test_store_of_completed_subtrees_serves_every_size() -> None:
    """What appending completes is enough for each path of each past size, in few reads."""
    store: dict[tuple[int, int], bytes] = {}
    reads = 0

    def read(level: int, index: int) -> bytes:
        nonlocal reads
        reads += 1
        return store[level, index]

    frontier = EMPTY_FRONTIER
    for leaf in LEAVES:
        for subtree in frontier.completed_subtrees(leaf):
            assert (subtree.level, subtree.index) not in store
            store[subtree.level, subtree.index] = subtree.hash
        frontier = frontier.append(leaf)
        size = frontier.size
        reads_max = 2 * size.bit_length()
        for index in range(size):
            reads = 0
            path = inclusion_path_from_store(index, size, read)
            assert path == inclusion_path(LEAVES[:size], index)
            assert reads <= reads_max
        for old_size in range(1, size + 1):
            reads = 0
            path = consistency_path_from_store(old_size, size, read)
            assert path == consistency_path(LEAVES[:size], old_size)
            assert reads <= reads_max
    assert len(store) < 2 * len(LEAVES)


@pytest.mark.parametrize(
    ("size", "peaks"),
    [(-1, ()), (0, LEAVES[:1]), (3, LEAVES[:1]), (2, LEAVES[:2]), (1, [bytes(31)])],
)
def test_frontiers_that_no_tree_has(size: int, peaks: list[bytes]) -> None:
    """A frontier read back wrong is refused before anything is appended to it."""
    with pytest.raises(ValueError, match="peak"):
        Frontier(size=size, peaks=tuple(peaks))
