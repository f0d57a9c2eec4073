"""A consumer that is cut off a hundred times keeps the chain, through reorganisations (threat 69)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from consensus.votes import Checkpoint
from ledger.hashing import BlockHash
from node.storage.memory import MemoryStore
from node.storage.view import At
from node.stream import BlockEvent, BlockStream, ResetEvent, RetractEvent, StreamEvent, Subscription
from tests.branches import Branches, Built
from tests.streams import next_or_none

CUTS = 100
SEEDS = range(3)
FORK_BLOCKS_MAX = 4
EVENTS_MAX = 10_000
MOVES = 0.4
"""How often the chain moves between two events: less often than a consumer can follow."""


class LivingChain:
    """A store that grows, reorganises and makes final by the toss of a seed."""

    def __init__(self, toss: random.Random) -> None:
        self._toss = toss
        self._branches = Branches()
        self.store = MemoryStore(self._branches.network.genesis)
        self.stream = BlockStream(self.store.view)
        self.head = self._root = self._branches.genesis
        self.reorganisations = 0

    def step(self) -> None:
        """Grow, fork off below the head, or make a block final."""
        choice = self._toss.random()
        above = self.head.height - self._root.height
        if choice < 0.3 and above >= 2:
            self._fork(self._toss.randint(1, min(above, FORK_BLOCKS_MAX)))
        elif choice < 0.5 and above >= FORK_BLOCKS_MAX:
            self._finalize(self._toss.randint(1, above - 1))
        else:
            self._move(self._branches.child(self.head))

    def settle(self) -> None:
        """Make everything but the head final."""
        self._move(self._branches.child(self.head))
        self._finalize(self.head.height - self._root.height - 1)

    def hashes(self, last: int) -> list[BlockHash]:
        """Return the hashes of the best chain from genesis up to a height."""
        return [built.hash for built in self.head.ancestry()[: last + 1]]

    def _fork(self, depth: int) -> None:
        tip = self.head.ancestry()[-1 - depth]
        for _ in range(depth + 1):
            tip = self._branches.child(tip)
        self._move(tip)
        self.reorganisations += 1

    def _finalize(self, count: int) -> None:
        child = self.head.ancestry()[self._root.height + count + 1]
        self.store.apply([self._branches.finality(self._root, child)])
        assert child.parent is not None
        self._root = child.parent
        self.stream.advance()

    def _move(self, head: Built) -> None:
        unfinal = head.ancestry()[self._root.height + 1 :]
        new = [built for built in unfinal if self.store.block_bytes(built.hash) is None]
        self.store.apply([self._branches.store(built) for built in new])
        self.store.apply([self._branches.commit(self.head, head)])
        self.head = head
        self.stream.advance()


class Consumer:
    """What somebody keeps of a stream, and where it stood when it was cut."""

    def __init__(self, chain: LivingChain, finality: At) -> None:
        self._chain = chain
        self._finality = finality
        self.kept: list[BlockHash] = []
        self.retracted = self.resets = 0
        self._final_height = -1
        """Highest kept block that the stream called final."""
        self._is_reset = False

    def subscribe(self) -> Subscription:
        """Go on behind the last event; after a reset behind the last block known to be final."""
        stream = self._chain.stream
        if self._is_reset or not self.kept:
            del self.kept[self._final_height + 1 :]
            self._is_reset = False
            return stream.subscribe(from_height=len(self.kept), finality=self._finality)
        cursor = Checkpoint(height=len(self.kept) - 1, hash=self.kept[-1])
        return stream.subscribe(cursor, finality=self._finality)

    def take(self, event: StreamEvent) -> None:
        """Do what an event says; blocks follow without a gap."""
        match event:
            case BlockEvent():
                assert event.height == len(self.kept)
                assert event.height == 0 or event.block.header.parent == self.kept[-1]
                self.kept.append(event.hash)
                if event.height <= self._chain.store.view().final.height:
                    self._final_height = event.height
            case RetractEvent():
                assert self.kept.pop() == event.hash
                self.retracted += 1
            case ResetEvent():
                self._is_reset = True
                self.resets += 1

    async def follow(self, events: int, step: Callable[[], None]) -> None:
        """Take events until there are none, the last may be lost, or the stream says to begin anew."""
        subscription = self.subscribe()
        for _ in range(events):
            step()
            event = await next_or_none(self._chain.stream, subscription)
            if event is None:
                break
            self.take(event)
            if self._is_reset:
                break
        await subscription.aclose()


async def follow_with_cuts(toss: random.Random, finality: At) -> tuple[LivingChain, Consumer]:
    """Follow a chain that moves, with a hundred cuts at any moment, until it has come to rest."""
    chain = LivingChain(toss)
    consumer = Consumer(chain, finality)

    def step() -> None:
        if toss.random() < MOVES:
            chain.step()

    for _ in range(CUTS):
        await consumer.follow(toss.randint(0, 6), step)
        step()
    chain.settle()
    for _ in range(2):  # the first may end with a reset
        await consumer.follow(EVENTS_MAX, lambda: None)
    return chain, consumer


@pytest.mark.parametrize("seed", SEEDS)
async def test_threat_69_a_hundred_cuts_keep_the_best_chain(seed: int) -> None:
    """With blocks that are not final, what is kept after every retraction is the best chain."""
    toss = random.Random(seed)
    chain, consumer = await follow_with_cuts(toss, At.HEAD)
    assert consumer.kept == chain.hashes(chain.head.height)
    assert chain.reorganisations > 10
    assert consumer.retracted > 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_threat_69_a_hundred_cuts_keep_the_final_chain(seed: int) -> None:
    """Without them nothing is ever taken back, and the concatenation is the final chain."""
    toss = random.Random(seed)
    chain, consumer = await follow_with_cuts(toss, At.FINAL)
    assert consumer.kept == chain.hashes(chain.store.view().final.height)
    assert chain.reorganisations > 10
    assert (consumer.retracted, consumer.resets) == (0, 0)
