"""Fork choice: justification before work, work before hash, and only what can be used."""

from __future__ import annotations

import pytest

from consensus.fork_choice import best_tip, has_whole_chain, highest_justified, is_usable, rank
from consensus.tree import BlockNode, BlockTree
from ledger.blocks import SealedHeader
from ledger.hashing import BlockHash
from tests.chains import ChainBuilder


@pytest.fixture
def chain() -> ChainBuilder:
    """Return a chain of four sealers."""
    return ChainBuilder()


def _with_bodies(tree: BlockTree) -> BlockTree:
    for node in tree:
        node.has_body = True
    return tree


def _node(tree: BlockTree, sealed: SealedHeader) -> BlockNode:
    node = tree.get(sealed.hash)
    assert node is not None
    return node


def _best(tree: BlockTree, *justified: SealedHeader) -> BlockHash:
    known = {tree.root.hash, *(sealed.hash for sealed in justified)}
    return best_tip(tree, known, tree.root).hash


def test_most_work_wins(chain: ChainBuilder) -> None:
    """Of branches with nothing justified the one with more work is ours."""
    short, long = chain.extend(chain.genesis, 2), chain.extend(chain.genesis, 3)
    assert _best(_with_bodies(chain.tree([*short, *long]))) == long[-1].hash


def test_of_equal_work_the_lower_hash_wins(chain: ChainBuilder) -> None:
    """The order is total: no tie is left to the order of arrival."""
    siblings = [chain.child(chain.genesis) for _ in range(6)]
    lowest = min(sealed.hash for sealed in siblings)
    assert _best(_with_bodies(chain.tree(siblings))) == lowest
    assert _best(_with_bodies(chain.tree(siblings[::-1]))) == lowest


def test_a_justified_branch_wins_over_one_with_more_work(chain: ChainBuilder) -> None:
    """The highest justified checkpoint comes first, whatever the work on the other side."""
    justified, heavy = chain.extend(chain.genesis, 3), chain.extend(chain.genesis, 9)
    tree = _with_bodies(chain.tree([*justified, *heavy]))
    assert _best(tree) == heavy[-1].hash
    assert _best(tree, justified[1]) == justified[-1].hash
    assert _best(tree, justified[1], heavy[2]) == heavy[-1].hash


def test_highest_justified_is_that_of_the_own_chain(chain: ChainBuilder) -> None:
    """A checkpoint on another branch does not count; the root does where there is none."""
    one, two = chain.extend(chain.genesis, 4), chain.extend(chain.genesis, 4)
    tree = _with_bodies(chain.tree([*one, *two]))
    justified = {chain.genesis.hash, one[0].hash, one[2].hash}
    assert highest_justified(_node(tree, one[3]), justified) is _node(tree, one[2])
    assert highest_justified(_node(tree, one[1]), justified) is _node(tree, one[0])
    assert highest_justified(_node(tree, two[3]), justified) is tree.root
    assert highest_justified(_node(tree, two[3]), ()) is tree.root
    assert rank(_node(tree, one[3]), justified) > rank(_node(tree, two[3]), justified)


def test_a_header_without_its_body_is_not_chosen(chain: ChainBuilder) -> None:
    """The tip is the last block before the first missing body, even with bodies above the hole."""
    blocks = chain.extend(chain.genesis, 4)
    tree = _with_bodies(chain.tree(blocks))
    _node(tree, blocks[2]).has_body = False
    assert not is_usable(_node(tree, blocks[2]))
    assert not has_whole_chain(_node(tree, blocks[3]), tree.root)
    assert _best(tree) == blocks[1].hash
    _node(tree, blocks[2]).has_body = True
    assert _best(tree) == blocks[3].hash


def test_an_invalid_branch_is_not_chosen(chain: ChainBuilder) -> None:
    """The best block below an invalid one is chosen instead."""
    blocks, fork = chain.extend(chain.genesis, 4), chain.extend(chain.genesis, 2)
    tree = _with_bodies(chain.tree([*blocks, *fork]))
    tree.mark_invalid(_node(tree, blocks[2]))
    best = {blocks[1].hash: blocks[1], fork[1].hash: fork[1]}
    assert _best(tree) == min(best)
    assert _best(tree, blocks[2]) == min(best)
    assert _best(tree, blocks[0]) == blocks[1].hash


def test_with_no_usable_block_the_root_stays(chain: ChainBuilder) -> None:
    """Headers alone move nothing."""
    tree = chain.tree(chain.extend(chain.genesis, 3))
    assert _best(tree) == chain.genesis.hash


def test_threat_39_a_valid_branch_beside_the_final_block_is_not_chosen(
    chain: ChainBuilder,
) -> None:
    """Only descendants of the final block count, also before the tree has dropped the others."""
    final, heavy = chain.extend(chain.genesis, 2), chain.extend(chain.genesis, 9)
    tree = _with_bodies(chain.tree([*final, *heavy]))
    for node in tree:
        node.is_valid = True
    root = _node(tree, final[0])
    assert best_tip(tree, {root.hash}, root).hash == final[1].hash
    assert has_whole_chain(_node(tree, final[1]), root)
    assert has_whole_chain(root, root)
    assert not has_whole_chain(_node(tree, heavy[8]), root)
