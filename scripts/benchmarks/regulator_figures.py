"""The figures of the regulator's phases: goals for the quiet one, ratios to it for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from scripts.benchmarks.measure import Better, Figure, quantile, spread_of
from scripts.benchmarks.noise import Slices, median_of, ratio_by_chance

QUIET = "quiet"
LIMIT_NAME = "the quiet phases of the same run"


class Measure(StrEnum):
    """What a sample tells, seconds."""

    ALERT = "final block to alert"
    PAGE = "final block to analytics page"
    INTERVAL = "block interval"
    FINALITY = "submission to finality"


GOALS_S: Mapping[Measure, float] = {Measure.ALERT: 1.0, Measure.PAGE: 2.0}
"""Longest time of a quiet phase, seconds, of those measures that have a goal of their own; the
others, which are the ledger's, must stay as in the quiet phases."""

Samples = dict[Measure, Slices]
"""What was seen of a phase."""


def figures_of(
    rounds: Sequence[Mapping[str, Samples]], detail: Mapping[str, float | int | str]
) -> list[Figure]:
    """Return the figures of all measures from the phases of each round, by their names."""
    return [
        figure
        for measure in Measure
        for phase in rounds[0]
        for figure in _figures(measure, phase, rounds, detail)
    ]


def _figures(
    measure: Measure,
    phase: str,
    rounds: Sequence[Mapping[str, Samples]],
    detail: Mapping[str, float | int | str],
) -> list[Figure]:
    runs = [one[phase][measure] for one in rounds]
    together: Slices = [part for run in runs for part in run]
    values = [value for part in together for value in part]
    detail = {**detail, "samples": len(values), "p95_s": round(quantile(values, 0.95), 3)}
    name, goal = f"{measure}, {phase}", GOALS_S.get(measure)
    if phase != QUIET:
        return [_loaded(measure, name, [one[QUIET][measure] for one in rounds], runs, detail)]
    figures = [
        Figure(
            name=f"{name}, median",
            value=median_of(together),
            unit="s",
            better=Better.LOWER,
            goal=goal,
            spread=spread_of([median_of(run) for run in runs]),
            runs=len(runs),
            detail=detail,
        )
    ]
    if goal is not None:
        figures.append(
            Figure(
                name=f"{name}, worst",
                value=max(values),
                unit="s",
                better=Better.LOWER,
                goal=goal,
                spread=spread_of([max(value for part in run for value in part) for run in runs]),
                runs=len(runs),
                detail=detail,
            )
        )
    return figures


def _loaded(
    measure: Measure,
    name: str,
    quiet: Sequence[Slices],
    loaded: Sequence[Slices],
    detail: Mapping[str, float | int | str],
) -> Figure:
    """Return the median under a load beside that of the quiet phases."""
    calm: Slices = [part for run in quiet for part in run]
    busy: Slices = [part for run in loaded for part in run]
    pairs = zip(quiet, loaded, strict=True)
    return Figure(
        name=f"{name}, median",
        value=median_of(busy),
        unit="s",
        better=Better.LOWER,
        limit=median_of(calm),
        limit_name=LIMIT_NAME,
        ratio=median_of(calm) / median_of(busy),
        goal=None if measure in GOALS_S else ratio_by_chance(calm, busy),
        spread=spread_of([median_of(before) / median_of(after) for before, after in pairs]),
        runs=len(loaded),
        detail=detail,
    )
