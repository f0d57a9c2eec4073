"""What a network of four nodes on this machine does from end to end, through its HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from ledger.transactions import SignedTransaction
from scripts.benchmarks.devnet import (
    DevelopmentNetwork,
    Payments,
    development_network,
    fund_accounts,
    processor_seconds,
    shares,
    submit_all,
)
from scripts.benchmarks.measure import Better, Figure, quantile
from scripts.benchmarks.watch import watching
from wallet.client import NodeClient

NODES = 4
CHUNK_LEGS = 250
"""Legs of one batch request; a longer transaction travels alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is sent."""

    accounts: int = 400
    """Accounts that pay and are paid."""
    singles: int = 12_000
    """One-leg payments of the throughput run."""
    batches: int = 60
    """Batches of the throughput run."""
    legs: int = 1_000
    """Legs a batch."""
    posts: int = 500
    """Payments whose submission is timed, one at a time."""
    post_every_s: float = 0.02
    payments: int = 200
    """Payments that are followed to finality."""
    payment_every_s: float = 0.25


QUICK = Sizes(
    accounts=10, singles=40, batches=2, legs=10, posts=10, payments=5, payment_every_s=0.2
)


def measure_network(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure throughput, submission and time to finality, one after another."""
    sizes = QUICK if is_quick else Sizes()
    with development_network(directory, nodes=NODES) as network:
        return asyncio.run(_measure(network, sizes))


async def _measure(network: DevelopmentNetwork, sizes: Sizes) -> list[Figure]:
    payers = await fund_accounts(network, sizes.accounts)
    made = Payments(network, payers)
    figures = [
        *await _submission(network, sizes, made.take(sizes.posts)),
        *await _finality(network, sizes, made.take(sizes.payments)),
    ]
    load = made.take(sizes.singles)
    figures += await _throughput(network, "single payments", load, len(payers))
    load = made.take(sizes.batches, legs=sizes.legs)
    figures += await _throughput(network, f"batches of {sizes.legs} legs", load, len(payers))
    return figures


async def _throughput(
    network: DevelopmentNetwork, name: str, load: Sequence[SignedTransaction], accounts: int
) -> list[Figure]:
    """Send everything at once, each payer's to one node, and measure until all of it is final."""
    legs = load[0].leg_count
    async with AsyncExitStack() as held:
        clients = [await held.enter_async_context(NodeClient(url)) for url in network.urls]
        watch = await held.enter_async_context(watching(network.urls[0]))
        nodes_s, client_s, began_s = processor_seconds(network.pids), process_time(), perf_counter()
        async with asyncio.TaskGroup() as group:
            for client, share in zip(clients, shares(load, len(clients)), strict=True):
                group.create_task(submit_all(client, share, batch=max(1, CHUNK_LEGS // legs)))
        accepted_s = perf_counter() - began_s
        await watch.until_final(load)
    elapsed_s = max(watch.final_s.values()) - began_s
    nodes_s, client_s = processor_seconds(network.pids) - nodes_s, process_time() - client_s
    detail: dict[str, float | int | str] = {
        "transactions": len(load),
        "legs": legs * len(load),
        "accounts": accounts,
        "nodes": len(clients),
        "seconds": round(elapsed_s, 2),
        "accepted_after_s": round(accepted_s, 2),
        "processor_s_of_nodes": round(nodes_s, 2),
        "processor_s_of_client": round(client_s, 2),
        "processor_us_per_leg_and_node": round(nodes_s / (legs * len(load)) / NODES * 1e6, 1),
    }
    rate = Figure(
        name=f"{name} finalized, {NODES} nodes",
        value=len(load) / elapsed_s,
        unit="transactions/s",
        detail=detail,
    )
    if legs == 1:
        return [rate]
    return [
        rate,
        Figure(
            name=f"legs finalized in {name}, {NODES} nodes",
            value=legs * len(load) / elapsed_s,
            unit="legs/s",
            detail=detail,
        ),
    ]


async def _submission(
    network: DevelopmentNetwork, sizes: Sizes, light: Sequence[SignedTransaction]
) -> list[Figure]:
    """Time POST /v1/transactions, one request at a time."""
    latencies_ms = []
    async with NodeClient(network.urls[0]) as client:
        for transaction in light:
            began_s = perf_counter()
            await client.submit(transaction.raw)
            latencies_ms.append((perf_counter() - began_s) * 1e3)
            await asyncio.sleep(sizes.post_every_s)
    return [
        Figure(
            name=f"submission answered, {name}",
            value=quantile(latencies_ms, share),
            unit="ms",
            better=Better.LOWER,
            detail={"requests": len(latencies_ms), "pause_s": sizes.post_every_s},
        )
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]


async def _finality(
    network: DevelopmentNetwork, sizes: Sizes, light: Sequence[SignedTransaction]
) -> list[Figure]:
    """Follow payments of light load from their submission to inclusion and finality."""
    submitted_s: dict[str, float] = {}
    async with NodeClient(network.urls[0]) as client, watching(network.urls[0]) as watch:
        for transaction in light:
            submitted_s[transaction.txid.hex()] = perf_counter()
            await client.submit(transaction.raw)
            await asyncio.sleep(sizes.payment_every_s)
        await watch.until_final(light)
    included = [watch.included_s[txid] - began_s for txid, began_s in submitted_s.items()]
    final = [watch.final_s[txid] - began_s for txid, began_s in submitted_s.items()]
    detail: dict[str, float | int | str] = {
        "payments": len(final),
        "pause_s": sizes.payment_every_s,
        "included_median_s": round(quantile(included, 0.5), 3),
        "included_worst_s": round(max(included), 3),
        "p95_s": round(quantile(final, 0.95), 3),
    }
    return [
        Figure(
            name=f"submission to finality, {name}",
            value=quantile(final, share),
            unit="s",
            better=Better.LOWER,
            detail=detail,
        )
        for name, share in (("median", 0.5), ("worst", 1.0))
    ]
