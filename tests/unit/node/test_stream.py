"""The stream gives each block once and in order, and takes back what left the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from consensus.votes import Checkpoint
from ledger.hashing import BlockHash
from node.storage.memory import MemoryStore
from node.storage.view import At
from node.stream import (
    CONSUMERS_MAX,
    BlockEvent,
    BlockStream,
    ResetEvent,
    RetractEvent,
    StreamEvent,
    Subscription,
    TooManyConsumers,
)
from tests.branches import Branches, Built
from tests.streams import next_or_none


class Streamed:
    """A store with its stream, moved the way a node moves them."""

    def __init__(self, branches: Branches) -> None:
        self.branches = branches
        self.store = MemoryStore(branches.network.genesis)
        self.stream = BlockStream(self.store.view)
        self.head = self.root = branches.genesis

    def move(self, head: Built) -> None:
        """Make ``head`` the head of the best chain."""
        stored = [b for b in head.ancestry() if self.store.block(b.hash) is None]
        self.store.apply([self.branches.store(built) for built in stored])
        self.store.apply([self.branches.commit(self.head, head)])
        self.head = head
        self.stream.advance()

    def finalize(self, child: Built) -> None:
        """Make the parent of ``child`` final."""
        self.store.apply([self.branches.finality(self.root, child)])
        self.root = child.parent or self.root
        self.stream.advance()


@pytest.fixture
def streamed() -> Streamed:
    """Return a stream over a store of the genesis alone."""
    return Streamed(Branches())


def _brief(event: StreamEvent) -> tuple[str, int, BlockHash]:
    kinds = {BlockEvent: "block", RetractEvent: "retract", ResetEvent: "reset"}
    return kinds[type(event)], event.height, event.hash


def _blocks(*chain: Built) -> Iterator[tuple[str, int, BlockHash]]:
    return (("block", built.height, built.hash) for built in chain)


async def _take(subscription: Subscription, count: int) -> list[tuple[str, int, BlockHash]]:
    return [_brief(await anext(subscription)) for _ in range(count)]


async def test_final_blocks_come_in_order(streamed: Streamed) -> None:
    """From genesis on, each once, and nothing that is not final."""
    branches = streamed.branches
    chain = branches.grow(branches.genesis, 4)
    streamed.move(chain[3])
    subscription = streamed.stream.subscribe()
    assert await _take(subscription, 1) == [*_blocks(branches.genesis)]
    assert await next_or_none(streamed.stream, subscription) is None
    streamed.finalize(chain[2])
    event = await anext(subscription)
    assert isinstance(event, BlockEvent)
    assert event.block == chain[0].block
    assert await _take(subscription, 1) == [*_blocks(chain[1])]
    assert await next_or_none(streamed.stream, subscription) is None


async def test_a_waiting_consumer_is_woken(streamed: Streamed) -> None:
    """A consumer that has everything waits, and gets the next block when there is one."""
    branches = streamed.branches
    subscription = streamed.stream.subscribe(from_height=1, finality=At.HEAD)
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    built = branches.grow(branches.genesis, 1)[0]
    streamed.move(built)
    assert _brief(await waiting) == ("block", 1, built.hash)


async def test_a_cursor_goes_on_after_it(streamed: Streamed) -> None:
    """A consumer that comes back misses nothing and sees nothing twice."""
    branches = streamed.branches
    chain = branches.grow(branches.genesis, 5)
    streamed.move(chain[4])
    streamed.finalize(chain[4])
    for seen in (branches.genesis, *chain[:3]):
        subscription = streamed.stream.subscribe(seen.checkpoint, from_height=3)
        assert await _take(subscription, 3 - seen.height + 1) == [*_blocks(*chain[seen.height : 4])]
        await subscription.aclose()


async def test_threat_69_blocks_that_left_the_chain_are_retracted(streamed: Streamed) -> None:
    """A consumer of the head takes back the old branch, highest first, then gets the new one."""
    branches = streamed.branches
    old, new = branches.grow(branches.genesis, 3), branches.grow(branches.genesis, 4)
    streamed.move(old[2])
    subscription = streamed.stream.subscribe(from_height=1, finality=At.HEAD)
    assert await _take(subscription, 3) == [*_blocks(*old)]
    streamed.move(new[3])
    assert await _take(subscription, 3) == [
        ("retract", built.height, built.hash) for built in reversed(old)
    ]
    assert await _take(subscription, 4) == [*_blocks(*new)]


async def test_threat_69_blocks_are_retracted_after_the_others_are_final(
    streamed: Streamed,
) -> None:
    """A slow consumer of a branch that is gone from the store still learns that it is void."""
    branches = streamed.branches
    old, new = branches.grow(branches.genesis, 2), branches.grow(branches.genesis, 4)
    streamed.move(old[1])
    subscription = streamed.stream.subscribe(from_height=1, finality=At.HEAD)
    await _take(subscription, 2)
    streamed.move(new[3])
    streamed.finalize(new[3])
    assert streamed.store.block(old[0].hash) is None
    kinds = [kind for kind, _, _ in await _take(subscription, 6)]
    assert kinds == ["retract"] * 2 + ["block"] * 4


async def test_a_cursor_on_another_branch_is_retracted_from(streamed: Streamed) -> None:
    """A consumer that comes back with a block of a branch that we know is led off it."""
    branches = streamed.branches
    trunk = branches.grow(branches.genesis, 1)[0]
    old, new = branches.grow(trunk, 2), branches.grow(trunk, 3)
    streamed.move(old[1])
    streamed.move(new[2])
    subscription = streamed.stream.subscribe(old[1].checkpoint, finality=At.HEAD)
    assert await _take(subscription, 5) == [
        ("retract", 3, old[1].hash),
        ("retract", 2, old[0].hash),
        *_blocks(*new),
    ]
    streamed.move(old[1])
    assert await _take(subscription, 5) == [
        *(("retract", built.height, built.hash) for built in reversed(new)),
        *_blocks(*old),
    ]


@pytest.mark.parametrize("finality", At)
@pytest.mark.parametrize(
    "cursor",
    [
        Checkpoint(height=1, hash=BlockHash(b"\x07" * 32)),
        Checkpoint(height=2**63, hash=BlockHash(b"\x07" * 32)),
        Checkpoint(height=2**80, hash=BlockHash(bytes(32))),
        Checkpoint(height=0, hash=BlockHash(b"\xff" * 32)),
    ],
)
async def test_threat_68_an_unknown_cursor_is_reset(
    streamed: Streamed, cursor: Checkpoint, finality: At
) -> None:
    """A forged cursor gets the last final block and goes on from there, by name."""
    branches = streamed.branches
    chain = branches.grow(branches.genesis, 3)
    streamed.move(chain[2])
    streamed.finalize(chain[2])
    subscription = streamed.stream.subscribe(cursor, finality=finality)
    assert await _take(subscription, 1) == [("reset", 2, chain[1].hash)]
    if finality is At.HEAD:
        assert await _take(subscription, 1) == [*_blocks(chain[2])]
    assert await next_or_none(streamed.stream, subscription) is None


async def test_threat_68_a_true_hash_at_a_false_height_is_reset(streamed: Streamed) -> None:
    """A cursor must name a block by both its height and its hash."""
    branches = streamed.branches
    chain = branches.grow(branches.genesis, 3)
    streamed.move(chain[2])
    forged = Checkpoint(height=3, hash=chain[0].hash)
    subscription = streamed.stream.subscribe(forged, finality=At.HEAD)
    assert await _take(subscription, 2) == [
        ("reset", 0, branches.genesis.hash),
        *_blocks(chain[0]),
    ]


async def test_threat_68_a_cursor_of_a_branch_that_is_gone_is_reset(streamed: Streamed) -> None:
    """An ancient cursor whose branch lost against a final block is unknown."""
    branches = streamed.branches
    old, new = branches.grow(branches.genesis, 2), branches.grow(branches.genesis, 3)
    streamed.move(old[1])
    streamed.move(new[2])
    streamed.finalize(new[2])
    for finality in At:
        subscription = streamed.stream.subscribe(old[1].checkpoint, finality=finality)
        assert await _take(subscription, 1) == [("reset", 2, new[1].hash)]


async def test_a_final_consumer_with_an_unconfirmed_cursor(streamed: Streamed) -> None:
    """It waits for finality to pass the cursor; if the cursor's block leaves, it is reset."""
    branches = streamed.branches
    old, new = branches.grow(branches.genesis, 3), branches.grow(branches.genesis, 4)
    streamed.move(old[2])
    subscription = streamed.stream.subscribe(old[1].checkpoint)
    assert await next_or_none(streamed.stream, subscription) is None
    streamed.move(new[3])
    assert await _take(subscription, 1) == [("reset", 0, branches.genesis.hash)]
    streamed.finalize(new[3])
    assert await _take(subscription, 3) == [*_blocks(*new[:3])]


async def test_consumers_are_bounded(streamed: Streamed) -> None:
    """The hundred and first is refused by name, and has its turn when another leaves."""
    held = [streamed.stream.subscribe() for _ in range(CONSUMERS_MAX)]
    with pytest.raises(TooManyConsumers) as refusal:
        streamed.stream.subscribe()
    assert refusal.value.code == "too_many_consumers"
    await held[0].aclose()
    another = streamed.stream.subscribe()
    assert streamed.stream.consumers == CONSUMERS_MAX
    held.clear()
    assert streamed.stream.consumers == 1
    await another.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(another)


async def test_threat_67_a_slow_consumer_holds_nothing(streamed: Streamed) -> None:
    """A consumer that sleeps through many blocks costs no memory and then gets them all."""
    branches = streamed.branches
    chain = branches.grow(branches.genesis, 20)
    subscription = streamed.stream.subscribe(from_height=1, finality=At.HEAD)
    for built in chain:
        streamed.move(built)
    assert await _take(subscription, 20) == [*_blocks(*chain)]


async def test_consumers_share_one_decoding(streamed: Streamed) -> None:
    """A block that many wait for is decoded once."""
    branches = streamed.branches
    built = branches.grow(branches.genesis, 1)[0]
    streamed.move(built)
    view = streamed.store.view()
    first, second = await asyncio.gather(
        streamed.stream.block(view, built.hash), streamed.stream.block(view, built.hash)
    )
    assert first is second
