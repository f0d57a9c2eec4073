"""When transactions are seen in a block, and seen final, by one who asks a node again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from time import perf_counter

from ledger.transactions import SignedTransaction
from wallet.client import NodeClient

POLL_S = 0.02
"""Pause between two looks, and so the error of every time."""
FINAL_S_MAX = 120
"""Longest wait for finality."""


class Watch:
    """Follows one node's chain; times are those of ``time.perf_counter``."""

    def __init__(self, client: NodeClient) -> None:
        self.included_s: dict[str, float] = {}
        """By txid, when a block with it was first seen."""
        self.connected_s: dict[int, float] = {}
        """By height, when the head was first seen so high."""
        self.final_s: dict[str, float] = {}
        """By txid, when it was first seen final."""
        self._client = client
        self._head = self._final = 0
        self._wanted: set[str] = set()
        self._all_final = asyncio.Event()

    async def until_final(self, transactions: Iterable[SignedTransaction]) -> None:
        """Return once all are seen final.

        Raises:
            TimeoutError: they are not after `FINAL_S_MAX` seconds.
        """
        self._wanted = {transaction.txid.hex() for transaction in transactions}
        self._all_final.clear()
        self._notify()
        async with asyncio.timeout(FINAL_S_MAX):
            await self._all_final.wait()

    def _notify(self) -> None:
        if self._wanted <= self.final_s.keys():
            self._all_final.set()

    async def follow(self) -> None:
        """Look until cancelled."""
        status = await self._client.status()
        self._head = self._final = int(status["finalized"]["height"])
        while True:
            status = await self._client.status()
            now_s = perf_counter()
            head, final = int(status["head"]["height"]), int(status["finalized"]["height"])
            for height in range(self._head + 1, head + 1):
                self.connected_s.setdefault(height, now_s)
                for txid in (await self._client.block(height))["transactions"]:
                    self.included_s.setdefault(txid, now_s)
            for height in range(self._final + 1, final + 1):
                for txid in (await self._client.block(height))["transactions"]:
                    self.included_s.setdefault(txid, now_s)
                    self.final_s[txid] = now_s
            self._head, self._final = max(self._head, head), final
            self._notify()
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watch]:
    """Lend a watch that follows a node; its failure ends the block."""
    async with NodeClient(url) as client, asyncio.TaskGroup() as group:
        watch = Watch(client)
        following = group.create_task(watch.follow(), name="watch")
        yield watch
        following.cancel()
