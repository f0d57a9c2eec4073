"""What a benchmark calls noise: slices of time, shuffled between two phases."""

from __future__ import annotations

from random import Random

from scripts.benchmarks.noise import SLICE_S, Slices, median_of, ratio_by_chance, sliced


def phase(seed: int, *, slower: float = 1.0) -> Slices:
    """Return ten slices of five block intervals each."""
    source = Random(seed)
    return [[slower * source.expovariate(1) for _ in range(5)] for _ in range(10)]


def test_samples_are_cut_into_slices_of_their_time() -> None:
    """A slice holds what began in it, in order; where nothing began there is none."""
    samples = [(100.0, 1.0), (100.0 + 2 * SLICE_S, 3.0), (100.1, 2.0)]
    assert sliced(samples, 100.0) == [[1.0, 2.0], [3.0]]


def test_the_median_is_that_of_all_samples() -> None:
    """Slices of different lengths weigh by their samples."""
    assert median_of([[1.0], [2.0, 3.0, 4.0, 5.0]]) == 3.0


def test_equal_phases_differ_by_chance_alone() -> None:
    """Of two phases of one distribution nearly every pair has a ratio above the bound."""
    pairs = [(phase(2 * seed), phase(2 * seed + 1)) for seed in range(30)]
    within = sum(median_of(a) / median_of(b) >= ratio_by_chance(a, b) for a, b in pairs)
    assert within >= 28


def test_a_phase_that_is_three_times_slower_is_no_chance() -> None:
    """The bound does not hide a loss, and the same samples have the same bound."""
    quiet, loaded = phase(1), phase(2, slower=3)
    bound = ratio_by_chance(quiet, loaded)
    assert median_of(quiet) / median_of(loaded) < bound < 1
    assert ratio_by_chance(quiet, loaded) == bound


def test_neighbouring_samples_are_shuffled_together() -> None:
    """Ten samples that share one moment say as little as one of them."""
    single: tuple[Slices, Slices] = ([[1.0], [2.0]], [[3.0], [4.0]])
    tenfold = tuple([one * 10 for one in phase] for phase in single)
    assert ratio_by_chance(*single) == ratio_by_chance(tenfold[0], tenfold[1])
