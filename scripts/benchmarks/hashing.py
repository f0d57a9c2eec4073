"""Header hashes a second of the miner's search, against hashlib alone."""

from __future__ import annotations

from hashlib import sha256

from node.workers.search import search
from scripts.benchmarks.measure import Figure, compare, one_core, seconds
from tests.chains import ChainBuilder

PLAIN_HEADER_BYTES = 80
"""Size of Bitcoin's header, the usual yardstick."""
UNREACHABLE_TARGET = 0
"""No header hashes to 0, so a search goes through all its nonces."""


def measure_hashing(*, is_quick: bool) -> list[Figure]:
    """Measure nonces searched a second over a real header, one core."""
    nonces, runs = (20_000, 3) if is_quick else (200_000, 7)
    chain = ChainBuilder()
    prefix = chain.draft(chain.genesis).work_prefix()
    values, limits = [], []
    with one_core():
        for run in range(runs + 1):
            plain_s = seconds(lambda: _hash_plainly(nonces))
            search_s = seconds(lambda: search(prefix, UNREACHABLE_TARGET, 0, nonces))
            if run:  # the first warms up
                limits.append(nonces / plain_s)
                values.append(nonces / search_s)
    return [
        compare(
            "header hashes of a miner",
            values=values,
            limits=limits,
            unit="hashes/s/core",
            limit_name=f"hashlib double SHA-256 of {PLAIN_HEADER_BYTES} bytes",
            detail={"header_bytes": len(prefix) + 8, "nonces": nonces},
        )
    ]


def _hash_plainly(count: int) -> None:
    header = bytes(PLAIN_HEADER_BYTES)
    for _ in range(count):
        sha256(sha256(header).digest()).digest()
