"""The reference trees of Certificate Transparency."""

import pytest

from ledger.merkle import EMPTY_FRONTIER, EMPTY_ROOT, leaf_hash, merkle_root
from tests.vectors import load_vectors

VECTORS = load_vectors("rfc9162/roots.json")
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]


@pytest.mark.parametrize("size", range(1, len(LEAVES) + 1))
def test_reference_roots(size: int) -> None:
    """The whole list and the append-only tree both give the published root at every size."""
    expected = VECTORS["roots"][size - 1]
    frontier = EMPTY_FRONTIER
    for leaf in LEAVES[:size]:
        frontier = frontier.append(leaf)
    assert merkle_root(LEAVES[:size]).hex() == expected
    assert frontier.root().hex() == expected


def test_empty_root() -> None:
    """The tree without leaves has the root that the standard gives it."""
    published = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert EMPTY_ROOT.hex() == published
    assert merkle_root([]) == EMPTY_FRONTIER.root() == EMPTY_ROOT
