"""The engine's runner: whoever feeds it is let go when it ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from node.core.effects import Effect
from node.core.engine import Engine
from node.core.events import Event, Tick
from node.core.timing import Now
from node.metrics import Metrics
from node.runner import INBOX_EVENTS_MAX, EngineRunner
from node.storage.chain import StoredChain
from node.storage.vote_journal import VoteJournalFile

FEEDERS = 3


class Failing:
    """An engine whose first event ends it, and a publisher that is told nothing."""

    def start(self, now: Now) -> tuple[Effect, ...]:
        assert now.wall_ms > now.monotonic_ms > 0
        return ()

    def handle(self, event: Event, now: Now) -> tuple[Effect, ...]:
        raise RuntimeError(f"{event} at {now}")

    async def perform(self, effect: Effect) -> None:
        raise AssertionError(effect)

    def chain_moved(self) -> None:
        raise AssertionError


async def test_nobody_waits_for_room_in_the_inbox_of_an_engine_that_ended() -> None:
    """The store failed, say, with the inbox full: sessions still end, and the node with them."""
    failing = Failing()
    runner = EngineRunner(
        cast(Engine, failing),
        cast(StoredChain, SimpleNamespace()),
        cast(VoteJournalFile, SimpleNamespace()),
        failing,
        Metrics(),
    )
    for _ in range(INBOX_EVENTS_MAX):
        await runner.put(Tick())
    feeders = [asyncio.create_task(runner.put(Tick())) for _ in range(FEEDERS)]
    with pytest.raises(RuntimeError):
        await runner.run()
    await asyncio.gather(*feeders)
    for _ in range(INBOX_EVENTS_MAX + 1):
        await runner.put(Tick())
