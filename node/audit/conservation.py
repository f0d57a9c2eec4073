"""Whether money was neither made nor lost up to a final height, counted from the chain itself.

No state but the newest is kept, so that of an earlier height is made anew: a process of its own
(``node.workers.replay``) applies every block from the genesis document on and hashes what comes out.
The root must be the one that the header at that height commits to, and a quorum made that header
final; so the balances that are added up are the ones that the members agreed on.

The node does nothing for this until somebody asks. Then it reads blocks and writes them to a pipe,
which is full when the process is slower; the process runs ten nicer than the node. There is one, and
it stays for a while at the height that it reached, so that a later height costs the blocks between.
A height that was counted is remembered: it never changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, cast

import structlog

from ledger.genesis import Genesis
from ledger.identity import AssetCode
from node.errors import NodeError, StoreCorrupt
from node.storage.view import ChainView
from node.workers.child import Child
from node.workers.errors import WorkerExited

COUNTS_MAX: Final = 256
"""Heights whose counts are remembered; the longest unasked is forgotten first."""
HEIGHTS_WAITING_MAX: Final = 16
"""Heights that wait to be counted; one more is told to come back."""
WAIT_SECONDS_MAX: Final = 20.0
"""How long a request waits for a count, which goes on when the request is told to come back."""
IDLE_SECONDS_MAX: Final = 60.0
"""How long the process stays at the height that it reached, for a later one to go on from."""
PART_BYTES_MAX: Final = 1024 * 1024
"""Bytes of a genesis document or a block that go to the process at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBooks:
    """What an asset comes to, each side counted apart; smallest units."""

    asset: AssetCode
    """Its code."""
    genesis_supply: int
    """What the genesis document gives to accounts."""
    issued: int
    """Sum of the entries of all ``issue`` transactions up to the height."""
    redeemed: int
    """Sum of the entries of all ``redeem`` transactions."""
    balances: int
    """Sum of the balances of all accounts in the state."""
    holders: int
    """Accounts whose balance is above zero."""
    supply: int
    """The state's own entry of the supply."""

    @property
    def is_conserved(self) -> bool:
        """Whether what was brought in is what is there, and what the ledger says there is."""
        return self.genesis_supply + self.issued - self.redeemed == self.balances == self.supply


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyCount:
    """The books of all assets at one final height."""

    height: int
    """The height."""
    state_root: bytes
    """Root of the state that the blocks up to it make, hashed from the records counted."""
    books: tuple[AssetBooks, ...]
    """By asset code."""


class StillCounting(NodeError):
    """The count goes on; ask again. ``reached`` and ``height`` say how far it is."""


class HistoryRefused(NodeError):
    """The rules refuse a block of this node's own final history: its store is not to be trusted."""

    @property
    def height(self) -> int:
        """Height of that block."""
        return cast("int", self.fields["height"])


class SupplyAudit:
    """Counts the books of a height, in a process that is there while somebody asks."""

    def __init__(self, genesis: Genesis, view: Callable[[], ChainView]) -> None:
        self._genesis = genesis
        self._view = view
        self._counts: OrderedDict[int, SupplyCount] = OrderedDict()
        self._waiting: dict[int, asyncio.Future[SupplyCount]] = {}
        self._asked = asyncio.Event()
        self._counting: asyncio.Task[None] | None = None
        self._reached = 0

    async def count(self, height: int) -> SupplyCount:
        """Return the books at a height, which must be final.

        Raises:
            StillCounting: ``supply_counting``: it takes longer than a request may.
            HistoryRefused: ``history_refused``: the rules refuse a block of the store.
            WorkerExited: the process ended before it was done.
        """
        if height in self._counts:
            self._counts.move_to_end(height)
            return self._counts[height]
        counted = self._waiting.get(height)
        if counted is None:
            if len(self._waiting) >= HEIGHTS_WAITING_MAX:
                raise self._still(height)
            counted = self._waiting[height] = asyncio.get_running_loop().create_future()
            self._asked.set()
            if self._counting is None:
                self._counting = asyncio.create_task(self._count_all(), name="supply")
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                return await asyncio.shield(counted)
        except TimeoutError:
            raise self._still(height) from None

    async def aclose(self) -> None:
        """Count no further, and end the process."""
        if self._counting is not None:
            self._counting.cancel()
            with suppress(asyncio.CancelledError):
                await self._counting

    def _still(self, height: int) -> StillCounting:
        return StillCounting(
            "supply_counting",
            f"block {self._reached} of {height} is counted",
            reached=self._reached,
            height=height,
        )

    async def _count_all(self) -> None:
        """Count what is waited for, and leave once nobody asked for a while."""
        try:
            while await self._is_asked():
                try:
                    async with AsyncExitStack() as held:
                        child = await Child.spawn("node.workers.replay")
                        held.push_async_callback(child.end)
                        await self._ascend(child)
                except HistoryRefused as error:
                    self._fail(error, first_height=error.height)
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear it
                    self._fail(error)
        finally:
            self._counting = None
            for waiting in self._waiting.values():
                waiting.cancel()
            self._waiting.clear()

    async def _is_asked(self) -> bool:
        """Return whether a height is waited for, or comes to be within the time of an idle process."""
        if not self._waiting:
            self._asked.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS_MAX):
                    await self._asked.wait()
        return bool(self._waiting)

    async def _ascend(self, child: Child) -> None:
        """Count heights that wait, lowest first, until one lies below or nobody asks."""
        self._reached = 0
        await _send(child, "genesis", self._genesis.encode())
        while await self._is_asked():
            ahead = [height for height in self._waiting if height >= self._reached]
            if not ahead:
                return
            height = min(ahead)
            count = await self._count_to(child, height)
            self._counts[height] = count
            if len(self._counts) > COUNTS_MAX:
                self._counts.popitem(last=False)
            self._waiting.pop(height).set_result(count)

    async def _count_to(self, child: Child, height: int) -> SupplyCount:
        while self._reached < height:
            raw = await asyncio.to_thread(_block_bytes, self._view(), self._reached + 1)
            try:
                await _send(child, "block", raw)
            except WorkerExited:
                break  # it says why in its answer
            self._reached += 1
        with suppress(WorkerExited):
            await child.send(("count",))
        match await child.receive():
            case ("counted", bytes(root), dict(books)):
                return SupplyCount(height=height, state_root=root, books=tuple(_books(books)))
            case ("refused", int(at), str(code)):
                raise HistoryRefused(
                    "history_refused",
                    f"block {at} breaks the rules: {code}",
                    height=at,
                    reason=code,
                )
            case said:
                raise WorkerExited("the replaying worker speaks nonsense", said=said)

    def _fail(self, error: Exception, *, first_height: int = 0) -> None:
        """Tell everybody who waits for a height, or a later one, why there is no count."""
        log.error("supply_count_failed", detail=str(error), reached=self._reached)
        for height in [height for height in self._waiting if height >= first_height]:
            waiting = self._waiting.pop(height)
            waiting.set_exception(error)
            waiting.exception()  # whoever left does not hear it


async def _send(child: Child, name: str, content: bytes) -> None:
    """Send bytes to the process in parts that a frame can hold, and what they are."""
    for at in range(0, len(content), PART_BYTES_MAX):
        await child.send(("bytes", content[at : at + PART_BYTES_MAX]))
    await child.send((name,))


def _block_bytes(view: ChainView, height: int) -> bytes:
    block_hash = view.hash_at(height)
    raw = None if block_hash is None else view.block_bytes(block_hash)
    if raw is None:
        raise StoreCorrupt("block_missing", f"block {height} has no body", height=height)
    return raw


def _books(counted: dict[object, object]) -> Iterator[AssetBooks]:
    for asset, sums in counted.items():
        began, issued, redeemed, balances, holders, supply = cast("tuple[str, ...]", sums)
        yield AssetBooks(
            asset=AssetCode(str(asset)),
            genesis_supply=int(began),
            issued=int(issued),
            redeemed=int(redeemed),
            balances=int(balances),
            holders=int(holders),
            supply=int(supply),
        )
