"""What chance does to a ratio of medians: the measure of "unchanged within noise".

Samples that follow each other are alike: payments share their block, a neighbour's load lasts. So
samples are shuffled between two phases in slices of time, and never one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from statistics import median

from scripts.benchmarks.measure import quantile

SLICE_S = 5.0
"""Length of a slice, seconds."""
SHUFFLES = 2_000
CHANCE = 0.01
"""Share of shuffles that come out worse than what is still called noise."""

Slices = list[list[float]]
"""A phase's samples, a list a slice."""


def sliced(samples: Iterable[tuple[float, float]], began_s: float) -> Slices:
    """Return the values of pairs (moment, value) by slices since ``began_s``, none empty."""
    slices: dict[int, list[float]] = {}
    for moment_s, value in samples:
        slices.setdefault(int((moment_s - began_s) / SLICE_S), []).append(value)
    return [slices[number] for number in sorted(slices)]


def median_of(slices: Slices) -> float:
    """Return the median of all samples."""
    return median(value for one in slices for value in one)


def ratio_by_chance(quiet: Slices, loaded: Slices) -> float:
    """Return the ratio of medians, quiet to loaded, that chance alone stays above.

    It does so in all but `CHANCE` of `SHUFFLES` deals of the same slices to two phases of these
    sizes: a permutation test, one-sided because only a slower phase is a loss.
    """
    slices: Sequence[list[float]] = [*quiet, *loaded]
    source = Random(0)  # the same samples have the same bound
    ratios = []
    for _ in range(SHUFFLES):
        dealt = source.sample(slices, len(slices))
        ratios.append(median_of(dealt[: len(quiet)]) / median_of(dealt[len(quiet) :]))
    return quantile(ratios, CHANCE)
