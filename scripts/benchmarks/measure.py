"""Timing: a value and its limit are measured in turns on one core, so that noise meets both."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, thread_time

RUN_QUEUE = Path("/proc/thread-self/schedstat")


class Better(StrEnum):
    """Which way a value improves."""

    HIGHER = "higher"
    LOWER = "lower"


class Verdict(StrEnum):
    """How a figure stands to its goal."""

    MET = "met"
    MISSED = "missed"
    RECORDED = "recorded"
    """It has no goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number and what it is held against."""

    name: str
    """What was measured."""
    value: float
    """Median over the runs."""
    unit: str
    """Unit of the value, and of the limit."""
    better: Better = Better.HIGHER
    """Which way it improves."""
    limit: float | None = None
    """What the machine, or the alternative, gives for the same work in the same run."""
    limit_name: str = ""
    """What the limit is."""
    ratio: float | None = None
    """Median over the runs of value to limit; inverted where lower is better, so more is better."""
    goal: float | None = None
    """Smallest acceptable ratio or, where there is no limit, the value to reach."""
    spread: float = 0.0
    """(largest - smallest) / median over the runs: of the ratio, else of the value."""
    runs: int = 1
    """Repetitions behind the median."""
    detail: Mapping[str, float | int | str] = field(default_factory=dict)
    """What else a reader must know: sizes, counts, times of the parts."""

    @property
    def verdict(self) -> Verdict:
        """How it stands to its goal."""
        if self.goal is None:
            return Verdict.RECORDED
        reached = self.value if self.ratio is None else self.ratio
        if self.ratio is None and self.better is Better.LOWER:
            return Verdict.MET if reached <= self.goal else Verdict.MISSED
        return Verdict.MET if reached >= self.goal else Verdict.MISSED


def spread_of(values: Sequence[float]) -> float:
    """Return (largest - smallest) / median; 0 for a single value."""
    return (max(values) - min(values)) / median(values) if len(values) > 1 else 0.0


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def compare(
    name: str,
    *,
    values: Sequence[float],
    limits: Sequence[float],
    unit: str,
    limit_name: str,
    better: Better = Better.HIGHER,
    goal: float | None = None,
    detail: Mapping[str, float | int | str] | None = None,
) -> Figure:
    """Return the figure of paired runs: ``values[i]`` and ``limits[i]`` were taken in turn."""
    pairs = zip(values, limits, strict=True)
    ratios = [v / m if better is Better.HIGHER else m / v for v, m in pairs]
    return Figure(
        name=name,
        value=median(values),
        unit=unit,
        better=better,
        limit=median(limits),
        limit_name=limit_name,
        ratio=median(ratios),
        goal=goal,
        spread=spread_of(ratios),
        runs=len(ratios),
        detail=detail or {},
    )


def core_clock() -> float:
    """Return seconds that grow as on a core of our own: neighbours' turns on it do not count.

    They are the processor time of all threads, and the time that the calling thread waited for
    anything but a processor, such as the disk. Linux tells how long a thread was ready and had no
    processor (``schedstat``: nanoseconds run, nanoseconds waited, slices); without that, it is
    the wall clock.
    """
    if not RUN_QUEUE.exists():
        return perf_counter()
    while True:  # once more if a neighbour had its turn between the readings
        waited_ns = _waited_ns()
        now = perf_counter() - waited_ns / 1e9 + process_time() - thread_time()
        if _waited_ns() == waited_ns:
            return now


def _waited_ns() -> int:
    """Return how long the calling thread was ready to run and had no processor."""
    return int(RUN_QUEUE.read_bytes().split()[1])


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of one call by `core_clock`."""
    began = core_clock()
    work()
    return core_clock() - began


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process and every thread that it starts on one core.

    What is there before is no part of what is measured: the garbage collector leaves it alone.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        os.sched_setaffinity(0, allowed)
