"""What the warehouse costs: appending decoded blocks, asking about the market and about one account.

The market is synthetic: a hundred thousand accounts, few of which pay much; half of the legs are
payments of their own, half stand in batches of a hundred, as salaries do.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from analytics.limits import COMMIT_LEGS_MAX
from analytics.progress import resident_bytes
from analytics.warehouse.opening import FILE_NAME, open_warehouse
from analytics.warehouse.reading import recent_legs
from analytics.warehouse.store import Settings, Warehouse
from ledger.addresses import encode_account_id
from ledger.blocks import Block, SealedHeader
from ledger.genesis import Genesis
from ledger.hashing import TRANSACTION_ID, TxId
from ledger.identity import ACCOUNT_ID_BYTES, AccountId
from ledger.kinds import Leg, Transfer
from ledger.transactions import NONCE_BYTES, Actor, Body, Signature, SignedTransaction
from scripts.benchmarks.measure import Better, Figure, core_clock, one_core, spread_of
from tests.factories import CNY, make_account, make_network

LEGS: Final = 10_000_000
ACCOUNTS: Final = 100_000
DAYS: Final = 60
"""Days that the chain spans."""
BLOCK_LEGS: Final = 5_000
BATCH_LEGS: Final = 100
OPENING: Final = 10**13
SEED: Final = 8
MIB: Final = 1_048_576

FEATURES: Final = """
SELECT debit, count(*) AS payments, sum(amount) AS paid, max(amount) AS largest,
       count(DISTINCT credit) AS payees, avg((hour(time) < 6)::INTEGER) AS night_share
FROM legs
WHERE debit IS NOT NULL AND time >= (SELECT max(time) - INTERVAL 7 DAY FROM blocks)
GROUP BY debit
"""
TOTALS: Final = """
SELECT debit, count(*) AS payments, sum(amount) AS paid, avg(amount) AS mean, max(amount) AS largest
FROM legs WHERE debit IS NOT NULL GROUP BY debit
"""


def measure_warehouse(build: Path, *, is_quick: bool) -> list[Figure]:
    """Measure the append of a market, queries over all of it, and an account's page."""
    legs, accounts = (200_000, 2_000) if is_quick else (LEGS, ACCOUNTS)
    directory = build / "warehouse"
    shutil.rmtree(directory, ignore_errors=True)
    market = _Market(accounts, blocks=legs // BLOCK_LEGS)
    with one_core():
        warehouse = open_warehouse(directory, market.genesis, Settings()).warehouse
        try:
            return _figures(warehouse, market, directory, legs)
        finally:
            warehouse.close()
            shutil.rmtree(directory)


def _figures(warehouse: Warehouse, market: _Market, directory: Path, legs: int) -> list[Figure]:
    rates, peak = _append(warehouse, market)
    detail = {"legs": legs, "accounts": len(market.ids), "threads": Settings().threads}
    size = (directory / FILE_NAME).stat().st_size
    return [
        Figure(
            name=f"warehouse: append of {legs:,} legs",
            value=statistics.median(rates),
            unit="legs/s",
            goal=200_000,
            runs=len(rates),
            spread=spread_of(rates),
            detail=detail | {"file_bytes_a_leg": round(size / legs)},
        ),
        Figure(
            name="warehouse: memory while it appends",
            value=peak / MIB,
            unit="MiB",
            better=Better.LOWER,
            goal=4_096,
            detail=detail | {"with": "the generator of the blocks"},
        ),
        _timed(warehouse, "features of 7 days, every account", FEATURES, goal_s=1.0),
        _timed(warehouse, "totals of all days, every account", TOTALS, goal_s=None),
        _page(warehouse, market),
    ]


def _append(warehouse: Warehouse, market: _Market) -> tuple[list[float], int]:
    """Append the market as catching up does; return legs a second of each commit, and the peak."""
    rates, peak = [], 0
    blocks = market.blocks()
    while chosen := list(islice(blocks, COMMIT_LEGS_MAX // BLOCK_LEGS)):
        began = core_clock()
        warehouse.append(chosen)
        rates.append(len(chosen) * BLOCK_LEGS / (core_clock() - began))
        peak = max(peak, resident_bytes())
    return rates, peak


def _timed(warehouse: Warehouse, name: str, query: str, *, goal_s: float | None) -> Figure:
    times, rows = [], 0
    with warehouse.reading() as cursor:
        for _ in range(5):
            began = core_clock()
            rows = len(cursor.execute(query).fetchall())
            times.append(core_clock() - began)
    return Figure(
        name=f"warehouse: {name}",
        value=statistics.median(times),
        unit="s",
        better=Better.LOWER,
        goal=goal_s,
        runs=len(times),
        spread=spread_of(times),
        detail={"rows": rows},
    )


def _page(warehouse: Warehouse, market: _Market) -> Figure:
    """Time the last hundred legs of accounts that pay much, little and in between."""
    times = []
    height = warehouse.ingested.height
    with warehouse.reading() as cursor:
        for number in (0, 1, 10, 100, 1_000, len(market.ids) - 1):
            account = encode_account_id(market.ids[number])
            began = core_clock()
            recent_legs(cursor, account, height=height, limit=100)
            times.append(core_clock() - began)
    return Figure(
        name="warehouse: an account's last 100 legs",
        value=max(times),
        unit="s",
        better=Better.LOWER,
        goal=0.2,
        runs=len(times),
        detail={"median_s": round(statistics.median(times), 4), "value": "the slowest"},
    )


class _Market:
    """Blocks as a decoder gives them; nothing in them is signed, for nobody looks."""

    def __init__(self, accounts: int, *, blocks: int) -> None:
        self._random = Random(SEED)
        network = make_network(accounts=1)
        record = make_account(network.holders["alice"])
        self.ids = [AccountId(self._random.randbytes(ACCOUNT_ID_BYTES)) for _ in range(accounts)]
        self.genesis: Genesis = replace(
            network.genesis,
            accounts=dict.fromkeys(self.ids, record),
            balances={account: {CNY: OPENING} for account in self.ids},
        )
        self.genesis_hash = self.genesis.header().hash
        self._blocks = blocks
        self._step_ms = DAYS * 86_400_000 // blocks
        self._signature = Signature(bytes(33), bytes(64))

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, each made when it is asked for."""
        parent = self.genesis.header()
        for height in range(1, self._blocks + 1):
            transactions = tuple(self._transactions())
            header = replace(
                parent.header,
                height=height,
                parent=parent.hash,
                time_ms=parent.header.time_ms + self._step_ms,
                transaction_count=len(transactions),
            )
            sealed = SealedHeader(header=header, header_bytes=header.encode(), seal=bytes(64))
            yield Block(sealed=sealed, transactions=transactions, certificates=())
            parent = sealed

    def _transactions(self) -> Iterator[SignedTransaction]:
        for _ in range(BLOCK_LEGS // 2):
            yield self._transfer(1)
        for _ in range(BLOCK_LEGS // 2 // BATCH_LEGS):
            yield self._transfer(BATCH_LEGS)

    def _transfer(self, legs: int) -> SignedTransaction:
        random, ids = self._random, self.ids
        debit = ids[min(int(random.paretovariate(0.5)) - 1, len(ids) - 1)]
        effect = Transfer(
            legs=tuple(
                Leg(
                    debit, ids[int(random.random() * len(ids))], CNY, 1 + int(random.random() * 1e6)
                )
                for _ in range(legs)
            )
        )
        nonce = random.randbytes(NONCE_BYTES)
        body = Body(
            genesis_hash=self.genesis_hash,
            valid_from=0,
            valid_until=1,
            nonce=nonce,
            actors=(Actor(debit, 0, 0),),
            reference="",
            payload=b"",
            effect=effect,
        )
        # A txid hashes its body; a nonce makes it as random as a body does.
        return SignedTransaction(
            body=body,
            body_bytes=nonce,
            signatures=(self._signature,),
            raw=nonce,
            txid=TxId(TRANSACTION_ID(nonce)),
        )
