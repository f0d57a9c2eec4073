"""When the regulator's node tells of a final block, of an alert, and of both on an analytics page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from time import perf_counter

from auditor.market import follow_alerts
from ledger.addresses import encode_account_id
from ledger.identity import MemberId
from scripts.benchmarks.devnet import DevelopmentNetwork, Payer
from wallet.client import NodeClient
from wallet.connection import token_source
from wallet.errors import ApiError, NodeUnreachable
from wallet.streaming import stream_blocks

REGULATOR = MemberId("regulator")
TYPOLOGY = "structuring"
PAGE = "/v1/audit/flows"
"""The page that is asked for: it sums up what was paid, and says up to which block."""
PAGE_POLL_S = 0.02
"""Pause before a page that is behind is asked for again, and so the error of its times."""


def audit_client(network: DevelopmentNetwork) -> NodeClient:
    """Return a client of the regulator's node, signed in as its officer."""
    profile = network.profile
    tokens = token_source(profile, network.regulator, REGULATOR)
    return NodeClient(profile.node_of(REGULATOR).api, tokens=tokens)


class RegulatorWatch:
    """Follows the regulator's node; times are those of ``time.perf_counter``."""

    def __init__(self) -> None:
        self.final_s: dict[int, float] = {}
        """By height, when the audit stream told of the final block."""
        self.page_s: dict[int, float] = {}
        """By height, when `PAGE` showed the block or a later one."""
        self.alerts: dict[str, tuple[int, float]] = {}
        """By account, the block that caused the alert of `TYPOLOGY`, and when the alert came."""
        self._news = asyncio.Event()

    async def follow_blocks(self, client: NodeClient, first: int) -> None:
        """Follow final blocks from a height on until cancelled."""
        async with aclosing(stream_blocks(client, first=first, follow=True)) as events:
            async for event in events:
                self.final_s[int(event.data["height"])] = perf_counter()
                self._news.set()

    async def follow_alerts(self, client: NodeClient) -> None:
        """Follow alerts until cancelled."""
        async with aclosing(follow_alerts(client, {"typology": TYPOLOGY})) as alerts:
            async for alert in alerts:
                self.alerts.setdefault(alert["account"], (int(alert["height"]), perf_counter()))

    async def follow_page(self, client: NodeClient) -> None:
        """Ask for the page after each final block until it shows it, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while waiting := self.final_s.keys() - self.page_s.keys():
                height = await _height_of_page(client)
                now_s = perf_counter()
                self.page_s |= {one: now_s for one in waiting if one <= height}
                if max(waiting) > height:
                    await asyncio.sleep(PAGE_POLL_S)

    def missing(self, accounts: Sequence[Payer], until_s: float) -> list[str]:
        """Return what is still to come: alerts about accounts, pages of blocks final by a moment."""
        known = (encode_account_id(one.account) for one in accounts)
        alerts = [f"an alert about {account}" for account in known if account not in self.alerts]
        return alerts + [
            f"block {height} on a page"
            for height, final_s in self.final_s.items()
            if final_s <= until_s and height not in self.page_s
        ]


@asynccontextmanager
async def watching_regulator(network: DevelopmentNetwork) -> AsyncIterator[RegulatorWatch]:
    """Lend a watch that follows the regulator's node; its failure ends the block."""
    async with AsyncExitStack() as held:
        clients = [await held.enter_async_context(audit_client(network)) for _ in range(3)]
        first = int((await clients[0].status())["finalized"]["height"])
        watch = RegulatorWatch()
        group = await held.enter_async_context(asyncio.TaskGroup())
        tasks = [
            group.create_task(watch.follow_blocks(clients[0], first), name="blocks"),
            group.create_task(watch.follow_alerts(clients[1]), name="alerts"),
            group.create_task(watch.follow_page(clients[2]), name="page"),
        ]
        yield watch
        for task in tasks:
            task.cancel()


async def _height_of_page(client: NodeClient) -> int:
    """Return the last block that the page shows; -1 while the analytics are away."""
    try:
        return int((await client.ask("GET", PAGE, query={"limit": "100"}))["height"])
    except ApiError as error:
        if error.status != 503:
            raise
    except NodeUnreachable:
        pass  # too slow an answer counts as none; what it costs is in the time of the next
    return -1
