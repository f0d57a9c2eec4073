"""Whatever way the chain took, store and stream hold what the straight way would have left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.votes import Checkpoint
from ledger.identity import MemberId
from ledger.state import next_sequence
from ledger.transactions import Actor
from node.core.effects import Effect
from node.storage.chain_store import RocksStore
from node.storage.key_value import Reads
from node.storage.memory import MemoryKeyValue, MemoryStore
from node.storage.rocks import RocksKeyValue
from node.storage.tables import Table
from node.storage.view import At
from node.stream import BlockEvent, BlockStream, ResetEvent, RetractEvent, StreamEvent
from tests.branches import Branches, Built
from tests.streams import next_or_none

CHAIN_TABLES = (
    Table.HEIGHTS,
    Table.TRANSACTIONS,
    Table.ACCOUNT_HISTORY,
    Table.STATE,
    Table.UNDO,
    Table.HISTORY,
    Table.META,
)
"""What depends on the best chain alone."""

STEPS = st.lists(
    st.tuples(st.sampled_from(["grow", "grow", "grow", "finalize", "read"]), st.integers(0, 99)),
    min_size=1,
    max_size=25,
)
"""What happens, and a number that chooses among what it can happen to."""

EVENTS_MAX = 200
"""More events than any walk causes."""


class Walk:
    """A chain that grows, reorganises and becomes final as the steps say."""

    def __init__(self) -> None:
        self.branches = Branches()
        self.head = self.root = self.branches.genesis
        self.finalities: list[Built] = []

    def step(self, kind: str, choice: int) -> list[Effect]:
        """Return the effects of one step: a new head, or a new last final block."""
        if kind == "grow":
            return self._grow(choice)
        return self._finalize(choice) if kind == "finalize" else []

    def _grow(self, choice: int) -> list[Effect]:
        """Put a block on some block above the root, and make it the head; every third attests."""
        usable = [b for b in self.branches.built.values() if self.root in b.ancestry()]
        # Mostly on late ones, so that branches get long.
        parent = usable[-1 - choice % min(len(usable), 6)]
        payment = self.branches.payment(parent, "alice", "bob", 1 + choice)
        sequence = next_sequence(parent, Actor(MemberId("bank1"), 0, 0))
        attestation = self.branches.network.attest(
            bytes([sequence]), revision=sequence + 1, sequence=sequence
        )
        attestations = [attestation] if choice % 3 == 0 else []
        block = self.branches.child(parent, payment, *attestations)
        effects = self.branches.extend(self.head, [block])
        self.head = block
        return effects

    def _finalize(self, choice: int) -> list[Effect]:
        above = [b for b in self.head.ancestry() if b.height > self.root.height + 1]
        if not above:
            return []
        child = above[choice % len(above)]
        effect = self.branches.finality(self.root, child)
        assert child.parent is not None
        self.root = child.parent
        self.finalities.append(child)
        return [effect]

    def straight(self) -> list[list[Effect]]:
        """Return the calls that lead to the same chain without detour."""
        chain = self.head.ancestry()
        calls = [self.branches.extend(chain[0], chain[1:])]
        root = self.branches.genesis
        for child in self.finalities:
            calls.append([self.branches.finality(root, child)])
            root = child.parent or root
        return calls


def _contents(tables: Reads) -> dict[Table, dict[bytes, bytes]]:
    return {table: dict(tables.scan(table)) for table in Table}


@settings(max_examples=40)
@given(steps=STEPS)
def test_detours_leave_no_trace(steps: list[tuple[str, int]]) -> None:
    """State, indexes and history are those of a node that connected the best chain alone."""
    walk, tables, straight = Walk(), MemoryKeyValue(), MemoryKeyValue()
    genesis = walk.branches.network.genesis
    store, expected = MemoryStore(genesis, tables), MemoryStore(genesis, straight)
    for kind, choice in steps:
        store.apply(walk.step(kind, choice))
        assert {key: store.get(key) for key in walk.head.state} == walk.head.state
        view = store.view()
        for key in {*walk.head.state, *walk.root.state}:
            assert view.record(key) == walk.head.get(key)
            assert view.final_record(key) == walk.root.get(key)
    for effects in walk.straight():
        expected.apply(effects)
    left, wanted = _contents(tables), _contents(straight)
    assert {t: left[t] for t in CHAIN_TABLES} == {t: wanted[t] for t in CHAIN_TABLES}


@settings(max_examples=8)
@given(steps=STEPS)
def test_disk_and_memory_hold_the_same(steps: list[tuple[str, int]]) -> None:
    """The simulator's store is the node's: same tables, same recovery, after every restart."""
    with TemporaryDirectory() as directory:
        walk, tables, path = Walk(), MemoryKeyValue(), Path(directory) / "chain"
        genesis = walk.branches.network.genesis
        in_memory, on_disk = MemoryStore(genesis, tables), RocksStore(path, genesis, 1)
        for kind, choice in steps:
            effects = walk.step(kind, choice)
            in_memory.apply(effects)
            on_disk.apply(effects)
        on_disk.close()
        on_disk = RocksStore(path, genesis, 1)
        found, wanted = on_disk.recover(), MemoryStore(genesis, tables).recover()
        assert (found.blocks, found.head) == (wanted.blocks, wanted.head)
        assert found.root.history == wanted.root.history == walk.root.node.history
        assert found.root.chainwork == wanted.root.chainwork == walk.root.node.chainwork
        on_disk.close()
        kept = RocksKeyValue(path, cache_mib=1)
        assert _contents(kept) == _contents(tables)
        kept.close()


class Consumer:
    """What a client of the stream believes the chain to be, from its events alone."""

    def __init__(self, stream: BlockStream, finality: At) -> None:
        self._stream = stream
        self._finality = finality
        self._subscription = stream.subscribe(finality=finality)
        self.chain: list[BlockEvent] = []

    async def read(self, choice: int) -> None:
        """Take a few events, or come back with the cursor that it has."""
        if choice % 3 == 0 and self.chain:
            last = self.chain[-1]
            cursor = Checkpoint(height=last.height, hash=last.hash)
            self._subscription = self._stream.subscribe(cursor, finality=self._finality)
        await self.take(choice % 5)

    async def take(self, count: int) -> None:
        """Take up to ``count`` events, as long as they are there."""
        for _ in range(count):
            event = await next_or_none(self._stream, self._subscription)
            if event is None:
                return
            self._apply(event)

    def _apply(self, event: StreamEvent) -> None:
        if isinstance(event, BlockEvent):
            assert event.height == len(self.chain), "a gap, or a block given twice"
            assert event.block.hash == event.hash
            assert not self.chain or event.block.header.parent == self.chain[-1].hash
            self.chain.append(event)
        elif isinstance(event, RetractEvent):
            assert self._finality is At.HEAD
            taken = self.chain.pop()
            assert (taken.height, taken.hash) == (event.height, event.hash)
        else:
            self._reset(event)

    def _reset(self, event: ResetEvent) -> None:
        """Keep what the node has too, up to its last final block, and ask for what follows."""
        assert self._finality is At.HEAD, "a final block was taken back"
        view = self._stream.view()
        kept = [taken for taken in self.chain if view.hash_at(taken.height) == taken.hash]
        self.chain = kept[: event.height + 1]
        self._subscription = self._stream.subscribe(
            from_height=len(self.chain), finality=self._finality
        )


async def _follow(steps: list[tuple[str, int]]) -> None:
    walk = Walk()
    store = MemoryStore(walk.branches.network.genesis)
    stream = BlockStream(store.view)
    consumers = {finality: Consumer(stream, finality) for finality in At}
    for kind, choice in steps:
        if kind == "read":
            for consumer in consumers.values():
                await consumer.read(choice)
        else:
            store.apply(walk.step(kind, choice))
            stream.advance()
    for finality, tip in ((At.HEAD, walk.head), (At.FINAL, walk.root)):
        await consumers[finality].take(EVENTS_MAX)
        given = [event.hash for event in consumers[finality].chain]
        assert given == [built.hash for built in tip.ancestry()]


@settings(max_examples=60)
@given(steps=STEPS)
def test_threat_69_the_stream_is_the_chain(steps: list[tuple[str, int]]) -> None:
    """Gapless and each block once: what a consumer keeps is the chain, however it moved."""
    asyncio.run(_follow(steps))
