"""What the warehouse costs: appending decoded blocks, and what people ask of all of them.

Questions are put to the handlers that answer the node, on the calling thread: what is timed is all that
the analytics process does for them but HTTP.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Final, TypeVar, cast

import duckdb
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from analytics.assessing import Assessing
from analytics.features.reading import Window, prepare_features, read_features
from analytics.limits import COMMIT_LEGS_MAX, YOUNG_OBJECTS
from analytics.market.accounts import list_accounts
from analytics.market.flows import list_flows
from analytics.market.reports import show_report
from analytics.privacy.releases import Releases
from analytics.progress import Progress
from analytics.queries import Queries
from analytics.registry.store import Registry
from analytics.registry.trainer import Trainer
from analytics.response.store import Cases
from analytics.risk.answers import list_segments, show_account
from analytics.sandbox.runner import SqlRunner
from analytics.server import Services
from analytics.serving.serving import Serving
from analytics.warehouse.opening import FILE_NAME, open_warehouse
from analytics.warehouse.schema import ASSESSMENT
from analytics.warehouse.sql import first_row
from analytics.warehouse.store import Settings, Warehouse, advance, block_cursor
from ledger.addresses import encode_account_id
from scripts.benchmarks.measure import Better, Figure, core_clock, one_core, seconds, spread_of
from scripts.benchmarks.synthetic_market import BLOCK_LEGS, DAYS, SyntheticMarket

LEGS: Final = 10_000_000
QUICK_LEGS: Final = 1_000_000
ACCOUNTS: Final = 100_000
PAGES: Final = (0, 1, 10, 100, 1_000, 10_000, -1)
"""Accounts whose pages are asked for: those that pay most, less, and hardly anything."""
DAY_MS: Final = 86_400_000
KIB: Final = 1_024
MIB: Final = 1_048_576

Handler = Callable[[Services, web.Request], Awaitable[web.StreamResponse]]
_T = TypeVar("_T")


def measure_warehouse(build: Path, *, is_quick: bool) -> list[Figure]:
    """Measure the append of a market, questions about all of it, and an account's page."""
    legs = QUICK_LEGS if is_quick else LEGS
    directory = build / "warehouse"
    shutil.rmtree(directory, ignore_errors=True)
    market = SyntheticMarket(ACCOUNTS, blocks=legs // BLOCK_LEGS)
    with one_core(), _rare_collections():
        warehouse = open_warehouse(directory, market.genesis, Settings()).warehouse
        try:
            rates = _append(warehouse, market)
            appended = _peak_bytes()
            figures = _asked(warehouse, market)
        finally:
            warehouse.close()
    size = (directory / FILE_NAME).stat().st_size
    shutil.rmtree(directory)
    detail = {"legs": legs, "accounts": ACCOUNTS, "days": DAYS, "threads": Settings().threads}
    append = Figure(
        name=f"warehouse: append of {legs:,} legs",
        value=statistics.median(rates),
        unit="legs/s",
        goal=200_000,
        runs=len(rates),
        spread=spread_of(rates),
        detail=detail | {"file_bytes_a_leg": round(size / legs)},
    )
    memory = _least("memory, peak of append and questions", _peak_bytes() / MIB, "MiB", goal=4_096)
    of_append: dict[str, float | int | str] = {
        "append_mib": round(appended / MIB),
        "with": "the generator of the blocks",
    }
    return [append, *figures, replace(memory, detail=of_append)]


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage as seldom as the analytics process does."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _append(warehouse: Warehouse, market: SyntheticMarket) -> list[float]:
    """Append the market as catching up does; return legs a second of each commit."""
    rates = []
    blocks = market.blocks()
    while chosen := list(islice(blocks, COMMIT_LEGS_MAX // BLOCK_LEGS)):
        began = core_clock()
        warehouse.append(chosen)
        rates.append(len(chosen) * BLOCK_LEGS / (core_clock() - began))
    return rates


def _asked(warehouse: Warehouse, market: SyntheticMarket) -> list[Figure]:
    prepare_features()
    last = warehouse.ingested
    with warehouse.reading() as cursor:
        row = first_row(cursor, "SELECT epoch_ms(max(time)) FROM blocks")
        window = Window(height=last.height, end_ms=0 if row is None else row[0])
        whole = [seconds(lambda: read_features(cursor, window)) for _ in range(2)]
        ids = [encode_account_id(market.ids[place]) for place in PAGES]
        single = [_time(read_features, cursor, window, account) for account in ids]
    figures = [
        _least("features of all accounts", statistics.median(whole), "s", goal=5.0, times=whole),
        _least("features of one account, slowest", max(single), "s", goal=1.0, times=single),
        _least("assessment of all accounts, with its commit", _assess(warehouse), "s"),
    ]
    progress = Progress(ingested=last, detected=last, report=lambda _: None)
    asking = _Asking(warehouse, progress)
    pages = [asking.page(account) for account in ids]
    # The first pays nearly a third of all payments there are, which no account of a real market does.
    figures += [
        _least("account page", statistics.median(pages), "s", goal=0.2, times=pages[1:]),
        _least("account page of the largest payer", pages[0], "s"),
    ]
    for name, handler, matched, query in (
        ("segments", list_segments, {}, {}),
        ("flows between members", list_flows, {}, {"level": "member"}),
        ("top flows of accounts, a week", list_flows, {}, _week(window) | {"level": "account"}),
        ("report of members", show_report, {"name": "members"}, {}),
        (
            "report of daily activity, a week",
            show_report,
            {"name": "daily-activity"},
            _week(window),
        ),
    ):
        times = [asking.time(handler, matched, {"limit": "100"} | query) for _ in range(3)]
        goal = 1.0 if "a week" in name or name == "segments" else None
        figures.append(_least(name, statistics.median(times), "s", goal=goal, times=times))
    return figures


def _assess(warehouse: Warehouse) -> float:
    """Return how long the third stage takes with the first block of the last day."""
    with warehouse.writing() as cursor:
        row = first_row(
            cursor,
            "SELECT max(height) FROM blocks"
            " WHERE time < (SELECT max(time) - INTERVAL 1 DAY FROM blocks)",
        )
        advance(cursor, ASSESSMENT, block_cursor(cursor, 0 if row is None else row[0]))
    last = warehouse.ingested
    stage = Assessing(warehouse, Progress(ingested=last, detected=last, report=lambda _: None))
    return seconds(lambda: stage.assess_until(last.height))


class _Asking:
    """Puts requests to handlers."""

    def __init__(self, warehouse: Warehouse, progress: Progress) -> None:
        queries = cast("Queries", _OnThisThread(warehouse))
        self._services = Services(
            warehouse=warehouse,
            queries=queries,
            progress=progress,
            cases=cast("Cases", None),  # asked by nothing here
            registry=cast("Registry", None),
            trainer=cast("Trainer", None),
            releases=cast("Releases", None),
            sql=cast("SqlRunner", None),
            serving=cast("Serving", None),
        )

    def page(self, account: str) -> float:
        """Return how long what the warehouse gives to an account's page takes, seconds."""
        listed = self.time(list_accounts, {}, {"text": account, "limit": "1"})
        return listed + self.time(show_account, {"account": account}, {})

    def time(self, handler: Handler, matched: Mapping[str, str], query: Mapping[str, str]) -> float:
        """Return how long an answer takes, seconds."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        request = make_mocked_request("GET", f"/?{asked}", match_info=dict(matched))

        async def ask() -> float:
            began = core_clock()
            response = await handler(self._services, request)
            taken = core_clock() - began
            json.loads(
                cast("bytes", cast("web.Response", response).body)
            )  # an answer, not a refusal
            return taken

        return asyncio.run(ask())


class _OnThisThread:
    """Stands for `Queries` where nobody else asks: the clock is of one thread."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    async def run(
        self,
        ask: Callable[[duckdb.DuckDBPyConnection], _T],
        *,
        seconds_max: float = 0,  # noqa: ARG002 - as `Queries` has it
    ) -> _T:
        with self._warehouse.reading() as cursor:
            return ask(cursor)


def _time(
    read: Callable[[duckdb.DuckDBPyConnection, Window, str], object],
    cursor: duckdb.DuckDBPyConnection,
    window: Window,
    account: str,
) -> float:
    return seconds(lambda: read(cursor, window, account))


def _week(window: Window) -> dict[str, str]:
    return {"since_ms": str(window.end_ms - 7 * DAY_MS), "until_ms": str(window.end_ms)}


def _peak_bytes() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss * KIB


def _least(
    name: str, value: float, unit: str, *, goal: float | None = None, times: Sequence[float] = ()
) -> Figure:
    return Figure(
        name=f"warehouse: {name}",
        value=value,
        unit=unit,
        better=Better.LOWER,
        goal=goal,
        runs=max(1, len(times)),
        spread=spread_of(times) if times else 0.0,
    )
