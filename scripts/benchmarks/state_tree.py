"""What a touched entry of the state costs, against a binary tree over the same buckets (ADR 0004)."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from ledger.state_tree import Change, StateTree
from scripts.benchmarks.binary_tree import BinaryStateTree
from scripts.benchmarks.measure import Better, Figure, compare, one_core, seconds

ENTRIES = 100_000
TOUCHED = (3, 100, 1_000, 10_000)
"""Entries a batch: one payment, a small block, a full one, a block of batches."""
TOUCHES_A_RUN = 3_000
"""Entries that a run touches at least, so that a run of small batches can be timed."""
KEY_BYTES, VALUE_BYTES = 24, 9
"""Sizes of a balance's key and of its record."""
SEED = 4


def measure_state_tree(*, is_quick: bool) -> list[Figure]:
    """Measure microseconds a touched entry at several batch sizes, each tree in turn."""
    entries, runs = (10_000, 3) if is_quick else (ENTRIES, 9)
    random = Random(SEED)
    keys = [random.randbytes(KEY_BYTES) for _ in range(entries)]
    whole = [(key, random.randbytes(VALUE_BYTES)) for key in keys]
    wide, binary = StateTree(), BinaryStateTree()
    figures = []
    with one_core():
        wide.update(whole)
        binary.update(whole)
        for touched in TOUCHED:
            values, limits = [], []
            for run in range(runs + 1):
                batches = list(_batches(random, keys, touched))
                changes = sum(map(len, batches))
                wide_us = _update_seconds(wide, batches) / changes * 1e6
                binary_us = _update_seconds(binary, batches) / changes * 1e6
                if run:  # the first warms up
                    values.append(wide_us)
                    limits.append(binary_us)
            figures.append(_figure(touched, entries, values, limits))
    return figures


def _batches(random: Random, keys: list[bytes], touched: int) -> Iterator[list[Change]]:
    for _ in range(max(1, TOUCHES_A_RUN // touched)):
        yield [(key, random.randbytes(VALUE_BYTES)) for key in random.sample(keys, touched)]


def _update_seconds(tree: StateTree | BinaryStateTree, batches: list[list[Change]]) -> float:
    def update_all() -> None:
        for batch in batches:
            tree.update(batch)

    return seconds(update_all)


def _figure(touched: int, entries: int, values: list[float], limits: list[float]) -> Figure:
    return compare(
        f"state root, {touched:,} entries touched",
        values=values,
        limits=limits,
        unit="us/entry",
        limit_name="binary tree over the same buckets",
        better=Better.LOWER,
        goal=1.0,
        detail={"entries": entries, "touched": touched},
    )
