"""A binary linear model of log-odds as points, as banks keep them (Siddiqi, Credit Risk Scorecards).

    score = base points + sum of points = offset - factor · log-odds of the event
    factor = PDO / ln 2,  offset = base score - factor · ln(base odds)

Of odds against the event (good to bad): `BASE_ODDS` to 1 are `BASE_SCORE` points, and `PDO` points
more double them. The base points are an average row's, so points tell what sets a row apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from analytics.models.design import Category, Term, bins_of

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.tabular import Table

PDO: Final = 20.0
"""Points that double the odds."""
BASE_SCORE: Final = 600.0
"""Points at the base odds."""
BASE_ODDS: Final = 50.0
"""Rows without the event for each one with it, at the base score."""
FACTOR: Final = PDO / math.log(2.0)
"""Points for each unit of log-odds."""
OFFSET: Final = BASE_SCORE - FACTOR * math.log(BASE_ODDS)
"""Points at even odds."""


def score_points(log_odds: float) -> float:
    """Return the whole score at log-odds of the event."""
    return OFFSET - FACTOR * log_odds


def part_points(log_odds: float) -> float:
    """Return the points of a part of the log-odds of the event."""
    return -FACTOR * log_odds


def scorecard(
    terms: Sequence[Term],
    weights: Sequence[np.ndarray],
    means: Sequence[np.ndarray],
    baseline: float,
    rows: tuple[Table, np.ndarray],
) -> Mapping[str, Any]:
    """Return the scorecard as JSON values.

    ``weights`` and ``means`` hold an array for each term, over its columns of the design;
    ``baseline`` is the average row's log-odds; ``rows`` are a table and whether each of its rows
    has the event, for shares and rates.
    """
    table, is_event = rows
    features = [
        _feature(term, weight, mean, table, is_event)
        for term, weight, mean in zip(terms, weights, means, strict=True)
    ]
    return {
        "pdo": PDO,
        "base_score": BASE_SCORE,
        "base_odds": BASE_ODDS,
        "factor": FACTOR,
        "offset": OFFSET,
        "base_points": score_points(baseline),
        "features": features,
    }


def points_table(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a scorecard as a table for the card."""
    note = (
        f"Score = {card['base_points']:.2f} + points of every feature. {card['base_score']:.0f} "
        f"points are odds of {card['base_odds']:.0f} to 1 against the event, {card['pdo']:.0f} "
        "points more double them. A number's points are those at 0 and so many for each unit; the "
        "points shown are of the bin's mean row."
    )
    heads = ("feature", "bin", "share", "event rate", "points", "points at 0", "points a unit")
    return {"title": "Scorecard", "note": note, "columns": heads, "rows": list(_table_rows(card))}


def _table_rows(card: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    for feature in card["features"]:
        for each in feature["bins"]:
            yield (
                feature["feature"],
                each["bin"],
                f"{each['share']:.4f}",
                "" if each["event_rate"] is None else f"{each['event_rate']:.4f}",
                f"{each['points']:.2f}",
                f"{each['points_at_zero']:.2f}",
                f"{feature['points_per_unit']:.6g}",
            )


def _feature(
    term: Term, weight: np.ndarray, mean: np.ndarray, table: Table, is_event: np.ndarray
) -> Mapping[str, Any]:
    import numpy as np  # noqa: PLC0415

    bins, names = bins_of(term, table)
    contributions = np.nan_to_num(term.encode(table.frame[term.name]) - mean, nan=0.0) @ weight
    per_unit = 0.0 if isinstance(term, Category) else part_points(weight[0] / term.deviation)
    found = []
    for place, name in enumerate(names):
        chosen = bins == place
        if not chosen.any():
            continue
        points = part_points(float(contributions[chosen].mean()))
        at_zero = points
        if per_unit and name != names[-1]:
            at_zero = points - per_unit * float(table.frame[term.name][chosen].mean())
        found.append(
            {
                "bin": name,
                "share": float(chosen.mean()),
                "event_rate": float(is_event[chosen].mean()),
                "points": points,
                "points_at_zero": at_zero,
            }
        )
    return {"feature": term.name, "points_per_unit": per_unit, "bins": found}
