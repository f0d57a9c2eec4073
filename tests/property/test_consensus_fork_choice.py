"""Fork choice over random trees: whatever the order of arrival, every node ends on the same tip."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from consensus.finality import FinalityTally
from consensus.fork_choice import best_tip, highest_justified
from consensus.tree import BlockNode, BlockTree
from consensus.votes import SignedVote
from ledger.blocks import SealedHeader
from ledger.errors import InvalidHeader
from ledger.hashing import BlockHash
from ledger.keys import verify
from tests.chains import ChainBuilder, checkpoint
from tests.factories import make_network

BLOCKS_MAX = 14
NETWORK = make_network(accounts=0)

Event = Callable[[], bool]
"""Delivers something; False while what it builds on is not here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What all nodes hear in the end."""

    chain: ChainBuilder
    blocks: tuple[SealedHeader, ...]
    """Every header, parents first."""
    missing: frozenset[BlockHash]
    """Blocks whose body nobody gives."""
    broken: frozenset[BlockHash]
    """Blocks whose body breaks a rule that the header commits to."""
    votes: tuple[SignedVote, ...]
    """Votes of quorums along one branch, so that none conflict."""


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Return a random tree with holes, faults and links along one of its branches."""
    chain = ChainBuilder(NETWORK, seed=draw(st.integers(0, 1 << 32)))
    blocks = [chain.genesis]
    for _ in range(draw(st.integers(1, BLOCKS_MAX))):
        # Biased to the newest block, or trees would be bushes without long branches.
        back = min(draw(st.sampled_from((0, 0, 0, 1, 2, 5, 9))), len(blocks) - 1)
        blocks.append(chain.child(blocks[-1 - back]))
    hashes = [sealed.hash for sealed in blocks[1:]]
    branch = [chain.genesis, *chain.ancestry(draw(st.sampled_from(blocks[1:])))]
    stops = [0, *sorted(draw(st.sets(st.integers(1, len(branch) - 1), max_size=5)))]
    links = [(branch[a], branch[b]) for a, b in pairwise(stops)]
    branch_hashes = {sealed.hash for sealed in branch}
    off_branch = [block_hash for block_hash in hashes if block_hash not in branch_hashes]
    broken = draw(st.sets(st.sampled_from(off_branch), max_size=2)) if off_branch else set()
    return Scenario(
        chain=chain,
        blocks=tuple(blocks[1:]),
        missing=frozenset(draw(st.sets(st.sampled_from(hashes), max_size=2))),
        broken=frozenset(broken),
        votes=tuple(vote for source, target in links for vote in chain.votes(source, target)),
    )


class Observer:
    """A node as far as fork choice and finality go."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.tree: BlockTree = scenario.chain.tree()
        self.tally = FinalityTally(scenario.chain.rules, checkpoint(scenario.chain.genesis))

    def events(self) -> list[Event]:
        """Return everything that this node will hear, in no order."""
        bodies = [s for s in self.scenario.blocks if s.hash not in self.scenario.missing]
        return [
            *(partial(self.hear_header, sealed) for sealed in self.scenario.blocks),
            *(partial(self.hear_body, sealed) for sealed in bodies),
            *(partial(self.hear_vote, vote) for vote in self.scenario.votes),
        ]

    def hear_header(self, sealed: SealedHeader) -> bool:
        try:
            self.tree.insert(sealed)
        except KeyError:
            return False
        except InvalidHeader as error:
            if error.code != "invalid_ancestor":
                raise
        return True

    def hear_body(self, sealed: SealedHeader) -> bool:
        node = self.tree.get(sealed.hash)
        if node is None:
            return False
        node.has_body = True
        if node.hash in self.scenario.broken:
            self.tree.mark_invalid(node)
        return True

    def hear_vote(self, vote: SignedVote) -> bool:
        assert self.tally.add(vote, verify) is None
        return True

    def run(self, order: random.Random, *, prune: bool) -> BlockHash:
        """Hear everything in a random order and return the tip; parked events come again."""
        waiting = self.events()
        order.shuffle(waiting)
        heard = True
        while heard:
            parked = []
            for event in waiting:
                if not event():
                    parked.append(event)
                self.tally.advance(self.tree)
                if prune:
                    self.follow_finality()
            heard = len(parked) < len(waiting)
            waiting = parked
        return self.tip().hash

    def follow_finality(self) -> None:
        """Drop what does not descend from the last final block, as a running node does."""
        final = self.tree.find(self.tally.final)
        if final is not None and final is not self.tree.root:
            self.tree.advance_root(final)

    def tip(self) -> BlockNode:
        """Return the fork choice among the descendants of the last final block."""
        final = self.tree.find(self.tally.final)
        assert final is not None
        return best_tip(self.tree, self.tally.justified, final)


def _judge(observer: Observer) -> BlockHash:
    """Return the tip by the rule's own words, without the tree's shortcuts."""
    scenario, tally = observer.scenario, observer.tally
    blocks = {sealed.hash: sealed for sealed in (scenario.chain.genesis, *scenario.blocks)}
    unusable = scenario.missing | scenario.broken

    def key(sealed: SealedHeader) -> tuple[int, int, bytes]:
        path = [scenario.chain.genesis, *scenario.chain.ancestry(sealed)]
        justified = max(s.header.height for s in path if s.hash in tally.justified)
        # All blocks have one target here, so height is work; the lower hash is the better.
        return justified, sealed.header.height, bytes(255 - byte for byte in sealed.hash)

    candidates = [blocks[tally.final.hash]]
    for sealed in scenario.blocks:
        path = [scenario.chain.genesis, *scenario.chain.ancestry(sealed)]
        heights = {s.header.height: s for s in path}
        below = heights.get(tally.final.height)
        above = [s.hash for s in path if s.header.height > tally.final.height]
        if below is not None and below.hash == tally.final.hash and not unusable & set(above):
            candidates.append(sealed)
    return max(candidates, key=key).hash


@given(scenario=scenarios(), seeds=st.lists(st.integers(0, 1 << 32), min_size=2, max_size=4))
def test_the_tip_does_not_depend_on_the_order_of_arrival(
    scenario: Scenario, seeds: list[int]
) -> None:
    """Headers, bodies and votes in any order lead to one tip: the one that the rule names."""
    observers = [Observer(scenario) for _ in seeds]
    tips = {
        observer.run(random.Random(seed), prune=False)
        for observer, seed in zip(observers, seeds, strict=True)
    }
    assert tips == {_judge(observers[0])}
    assert len({observer.tally.final for observer in observers}) == 1
    assert len({frozenset(observer.tally.justified) for observer in observers}) == 1


@given(scenario=scenarios(), seed=st.integers(0, 1 << 32))
def test_dropping_what_is_not_final_does_not_change_the_tip(scenario: Scenario, seed: int) -> None:
    """A node that moves its root with finality ends where one ends that keeps every block."""
    kept, pruned = Observer(scenario), Observer(scenario)
    assert pruned.run(random.Random(seed), prune=True) == kept.run(
        random.Random(seed + 1), prune=False
    )
    assert pruned.tree.root.checkpoint == pruned.tally.final
    assert all(node.descends_from(pruned.tree.root) for node in pruned.tree)


@given(scenario=scenarios(), seed=st.integers(0, 1 << 32))
def test_the_tip_descends_from_what_is_final_and_holds_the_best_justified_block(
    scenario: Scenario, seed: int
) -> None:
    """No usable branch has a higher justified block than the tip's own chain."""
    observer = Observer(scenario)
    observer.run(random.Random(seed), prune=False)
    tip = observer.tip()
    assert tip.descends_from_checkpoint(observer.tally.final)
    assert not tip.is_invalid
    height = highest_justified(tip, observer.tally.justified).height
    usable = [sealed.hash for sealed in scenario.blocks]
    for node in observer.tree:
        path = node.path_from(observer.tree.root)
        if node.hash in usable and all(n.has_body and not n.is_invalid for n in path):
            assert highest_justified(node, observer.tally.justified).height <= height


@given(scenario=scenarios(), seed=st.integers(0, 1 << 32))
def test_a_tree_holds_every_header_once(scenario: Scenario, seed: int) -> None:
    """Whatever the order, children, work and history are those of the chain."""
    observer = Observer(scenario)
    observer.run(random.Random(seed), prune=False)
    children = [child for node in observer.tree for child in node.children]
    assert len(children) == len(set(map(id, children))) == len(observer.tree) - 1
    for node in observer.tree:
        assert node.history.size == node.height + 1
        if node.parent is not None:
            assert node in node.parent.children
            assert node.chainwork > node.parent.chainwork
