"""The block tree: what it takes in, what it refuses, what is left when the final block moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus import tree as tree_module
from consensus.headers import (
    CLOCK_STEP_INTERVALS_MAX,
    next_bits,
    next_clock_ms,
    validate_seal,
)
from consensus.target import bits_to_target, block_work
from consensus.tree import BlockTree, genesis_node
from consensus.votes import Checkpoint
from ledger.errors import InvalidHeader
from ledger.hashing import BlockHash
from ledger.keys import verify
from ledger.merkle import leaf_hash, merkle_root
from ledger.parameters import Parameters
from tests.chains import ChainBuilder, checkpoint
from tests.factories import EASIEST_BITS, make_network, seal

HARD_BITS = 0x1F3FFFFF
"""About 1,024 hashes a block, 512 times the work of the easiest target."""


@pytest.fixture
def chain() -> ChainBuilder:
    """Return a chain of four sealers."""
    return ChainBuilder()


def test_a_new_tree_holds_genesis(chain: ChainBuilder) -> None:
    """Genesis is the root, valid, without work, and sealed by nobody."""
    tree = chain.tree()
    root = tree.root
    assert list(tree) == [root]
    assert (root.height, root.hash, root.chainwork) == (0, chain.genesis.hash, 0)
    assert root.has_body
    assert root.is_valid
    assert root.recent_sealers == ()


def test_a_header_joins_its_parent(chain: ChainBuilder) -> None:
    """A node has its work, history, height and place; nothing is known of its body yet."""
    blocks = chain.extend(chain.genesis, 3)
    tree = chain.tree(blocks)
    node = tree.get(blocks[2].hash)
    assert node is not None
    assert node.parent is tree.get(blocks[1].hash)
    assert node.parent is not None
    assert node in node.parent.children
    assert node.chainwork == 3 * block_work(bits_to_target(EASIEST_BITS))
    assert node.history.root() == merkle_root(
        [leaf_hash(sealed.hash) for sealed in (chain.genesis, *blocks)]
    )
    assert (node.has_body, node.is_valid, node.is_invalid) == (False, False, False)
    assert node.checkpoint == checkpoint(blocks[2])


def test_inserting_again_returns_the_same_node(chain: ChainBuilder) -> None:
    """A header that is known is an outcome, not an error, and changes nothing."""
    block = chain.child(chain.genesis)
    tree = chain.tree([block])
    assert tree.insert(block) is tree.get(block.hash)
    assert len(tree) == 2
    assert len(tree.root.children) == 1


def test_a_header_without_its_parent_is_an_orphan(chain: ChainBuilder) -> None:
    """The tree says KeyError, and takes the header once its parent is here."""
    blocks = chain.extend(chain.genesis, 2)
    tree = chain.tree()
    with pytest.raises(KeyError):
        tree.insert(blocks[1])
    tree.insert(blocks[0])
    assert tree.insert(blocks[1]).height == 2


def test_a_refused_header_leaves_no_trace(chain: ChainBuilder) -> None:
    """A header that breaks a rule is neither kept nor made its parent's child."""
    tree = chain.tree()
    bad = chain.mine(replace(chain.draft(chain.genesis), history_root=bytes(32)))
    with pytest.raises(InvalidHeader, match="wrong_history_root"):
        tree.insert(bad)
    assert bad.hash not in tree
    assert tree.root.children == []


def test_a_bad_seal_does_not_poison_the_hash(chain: ChainBuilder) -> None:
    """The seal is outside the hash: after a copy with a wrong seal the right one is still taken."""
    good = chain.child(chain.genesis)
    tree = chain.tree()
    bad = replace(good, seal=bytes(64))
    assert bad.hash == good.hash
    with pytest.raises(InvalidHeader, match="bad_seal"):
        validate_seal(bad, chain.rules.sealers, verify)
    assert good.hash not in tree
    validate_seal(good, chain.rules.sealers, verify)
    assert tree.insert(good).sealed == good


def test_find_wants_height_and_hash_to_fit(chain: ChainBuilder) -> None:
    """A checkpoint that lies about its block's height names nothing."""
    block = chain.child(chain.genesis)
    tree = chain.tree([block])
    assert tree.find(checkpoint(block)) is tree.get(block.hash)
    assert tree.find(Checkpoint(height=2, hash=block.hash)) is None
    assert tree.find(Checkpoint(height=1, hash=chain.genesis.hash)) is None
    assert tree.get(BlockHash(bytes(32))) is None


def test_ancestors_are_found_by_height(chain: ChainBuilder) -> None:
    """A node is its own ancestor; there is none above it, and none on another branch."""
    blocks = chain.extend(chain.genesis, 4)
    sibling = chain.child(blocks[0])
    tree = chain.tree([*blocks, sibling])
    tip, fork = tree.find(checkpoint(blocks[3])), tree.find(checkpoint(sibling))
    middle = tree.find(checkpoint(blocks[1]))
    assert tip is not None
    assert fork is not None
    assert middle is not None
    assert [tip.ancestor(h) for h in (0, 2, 4)] == [tree.root, middle, tip]
    assert tip.ancestor(5) is None
    assert tip.descends_from(middle)
    assert tip.descends_from(tip)
    assert not tip.descends_from(fork)
    assert not middle.descends_from(tip)
    assert tip.descends_from_checkpoint(checkpoint(blocks[1]))
    assert not tip.descends_from_checkpoint(checkpoint(sibling))
    assert not middle.descends_from_checkpoint(checkpoint(blocks[3]))
    assert [node.height for node in tip.path_from(middle)] == [3, 4]
    assert tip.path_from(tip) == []


def test_an_invalid_block_takes_its_descendants_along(chain: ChainBuilder) -> None:
    """Everything built on an invalid block is invalid, known already or not, and nothing else is."""
    blocks = chain.extend(chain.genesis, 4)
    fork = chain.extend(blocks[1], 2)
    other = chain.extend(blocks[0], 2)
    tree = chain.tree([*blocks, *fork, *other])
    bad = tree.find(checkpoint(blocks[1]))
    assert bad is not None
    tree.mark_invalid(bad)
    invalid = {node.hash for node in tree if node.is_invalid}
    assert invalid == {sealed.hash for sealed in (*blocks[1:], *fork)}
    with pytest.raises(InvalidHeader, match="invalid_ancestor"):
        tree.insert(chain.child(blocks[3]))
    tree.insert(chain.child(other[1]))


def test_advancing_the_root_drops_what_does_not_descend(chain: ChainBuilder) -> None:
    """Side branches are returned, final ancestors are gone without being returned."""
    blocks = chain.extend(chain.genesis, 5)
    below = chain.extend(blocks[0], 3)
    above = chain.extend(blocks[2], 2)
    tree = chain.tree([*blocks, *below, *above])
    root = tree.find(checkpoint(blocks[1]))
    assert root is not None
    dropped = tree.advance_root(root)
    assert {node.hash for node in dropped} == {sealed.hash for sealed in below}
    assert {node.hash for node in tree} == {sealed.hash for sealed in (*blocks[1:], *above)}
    assert tree.root is root
    assert root.parent is None
    tip = tree.find(checkpoint(blocks[4]))
    assert tip is not None
    assert tip.ancestor(1) is None
    assert tip.path_from(root)[0].height == 3


def test_threat_39_nothing_is_added_below_the_final_block(chain: ChainBuilder) -> None:
    """A withheld fork that leaves the chain below the root has no parent here, whatever its work."""
    blocks = chain.extend(chain.genesis, 3)
    withheld = chain.extend(blocks[0], 9)
    tree = chain.tree(blocks)
    root = tree.find(checkpoint(blocks[1]))
    assert root is not None
    tree.advance_root(root)
    for sealed in withheld:
        with pytest.raises(KeyError):
            tree.insert(sealed)


def test_the_rules_go_on_after_the_root_moved(chain: ChainBuilder) -> None:
    """History and diversity reach below the root."""
    blocks = chain.extend(chain.genesis, 4)
    tree = chain.tree(blocks)
    root = tree.find(checkpoint(blocks[3]))
    assert root is not None
    tree.advance_root(root)
    with pytest.raises(InvalidHeader, match="diversity"):
        tree.insert(chain.child(blocks[3], sealer=blocks[3].header.sealer))
    assert tree.insert(chain.child(blocks[3])).history.size == 6


def test_threat_35_a_branch_that_lost_its_hash_power_goes_on() -> None:
    """Sealers with a 500th of the work of the last final block extend its chain for ever."""
    parameters = Parameters(easiest_bits=EASIEST_BITS, genesis_bits=HARD_BITS, half_life_ms=10_000)
    chain = ChainBuilder(make_network(accounts=0, parameters=parameters))
    slow = chain.extend(chain.genesis, 12, step_ms=10_000)
    usual = chain.extend(slow[-1], 400)
    tree = chain.tree([*slow, *usual])
    tip = tree.get(usual[-1].hash)
    assert tip is not None
    assert usual[-1].header.bits == EASIEST_BITS
    root_work = block_work(bits_to_target(HARD_BITS))
    assert tip.chainwork * 64 < root_work * tip.height


@pytest.mark.parametrize(("age_intervals", "length"), [(5, 500), (600, 3_000), (3_600, 6_000)])
def test_threat_35_easy_headers_are_no_more_than_the_time_allows(
    age_intervals: int, length: int
) -> None:
    """However a branch sets its times, up to ten seconds ahead, ASERT bounds what it gets cheaply.

    The headers that are easier than the final block are at most those that honest sealers would
    have made since; while finality is live, a flood costs what an honest chain costs.
    """
    parameters = Parameters()
    interval_ms = parameters.target_block_ms
    latest_ms = age_intervals * interval_ms + parameters.future_ms_max
    genesis = make_network(accounts=0, parameters=parameters).genesis.header().header
    parent, works = genesis, []
    for height in range(1, length + 1):
        works.append(block_work(bits_to_target(next_bits(parent, parameters))))
        leap_ms = CLOCK_STEP_INTERVALS_MAX * interval_ms
        early_ms = parent.time_ms - genesis.time_ms + leap_ms
        elapsed_ms = min(early_ms, latest_ms - length + height)
        time_ms = genesis.time_ms + elapsed_ms
        clock_ms = next_clock_ms(parent, time_ms, parameters)
        parent = replace(parent, height=height, time_ms=time_ms, clock_ms=clock_ms)
    easy = sum(work < works[0] for work in works)
    assert easy <= latest_ms / interval_ms
    if age_intervals == 5:
        assert sum(works) > length * works[0]


def test_threat_35_the_tree_has_a_size(
    chain: ChainBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More headers than the limit are refused, known ones are still found."""
    monkeypatch.setattr(tree_module, "NODES_MAX", 4)
    blocks = chain.extend(chain.genesis, 4)
    tree = chain.tree(blocks[:3])
    with pytest.raises(tree_module.TreeFull, match="tree_full"):
        tree.insert(blocks[3])
    assert tree.insert(blocks[2]).height == 3
    assert len(tree) == 4


def test_a_tree_may_start_above_genesis(chain: ChainBuilder) -> None:
    """A node that starts from its last final block goes on from there."""
    blocks = chain.extend(chain.genesis, 5)
    root = chain.tree(blocks).find(checkpoint(blocks[2]))
    assert root is not None
    fresh = BlockTree(replace(root, parent=None, children=[]), chain.rules)
    for sealed in blocks[3:]:
        fresh.insert(sealed)
    assert {node.height for node in fresh} == {3, 4, 5}


def test_a_stolen_header_is_the_same_block(chain: ChainBuilder) -> None:
    """Sealing again does not make a second block, so a second seal cannot fork the chain."""
    block = chain.child(chain.genesis)
    tree = chain.tree([block])
    resealed = seal(block.header, chain.network.sealers[chain.members[0]])
    assert tree.insert(resealed) is tree.get(block.hash)
    assert len(tree) == 2


def test_genesis_node_counts_its_own_hash_in_the_history(chain: ChainBuilder) -> None:
    """Block 1's history root is over genesis alone."""
    assert genesis_node(chain.genesis).history.root() == leaf_hash(chain.genesis.hash)
    assert chain.child(chain.genesis).header.history_root == leaf_hash(chain.genesis.hash)
