"""The figures of a model's plots: what its folder keeps of its training, as series of points.

Nothing is computed anew from rows, and no model is loaded: all of it is in the manifest. What a model
did not keep has no plot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from analytics.registry.limits import (
    PLOT_BARS_MAX,
    PLOT_POINTS_MAX,
    PLOT_PROFILED_MAX,
    PLOT_SCORED_MAX,
)

Json = Mapping[str, Any]


class Form(StrEnum):
    """How a trace is drawn."""

    BARS = "bars"
    """A bar for each pair; names stand across."""
    LINE = "line"
    """A line through all pairs."""
    POINTS = "points"
    """A point for each pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Pairs that belong together."""

    name: str
    """What they are; empty where the plot has no other."""
    form: Form
    """How they are drawn."""
    across: Sequence[float | str]
    """Where each stands."""
    up: Sequence[float]
    """How high each is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot."""

    name: str
    """Which one; a model has each once."""
    title: str
    """What it shows."""
    note: str
    """How to read it."""
    across: str
    """What is written along the traces' `across`."""
    up: str
    """What is written along their `up`."""
    traces: tuple[Trace, ...]
    """What is drawn, one over the other."""


def plots_of(manifest: Json) -> tuple[Plot, ...]:
    """Return the plots of a model from its manifest, the most telling first."""
    return tuple(_plots(manifest))


def _plots(manifest: Json) -> Iterator[Plot]:
    document, state = manifest.get("document", {}), manifest.get("state", {})
    importances = manifest.get("importances", ())
    yield from _of_results(document)
    if "groups" in document:
        yield _sizes(document["groups"])
        yield _profiles(document["groups"], importances)
    if importances:
        yield _importances(importances)
    if "scorecard" in document:
        yield from _points(document["scorecard"])
    if state.get("column_errors"):
        yield _errors(state["column_errors"])
    if "choices" in document:
        yield _choices(document["choices"])
    if "tried" in document:
        yield _tuning(document["tried"])
    if state.get("sample"):
        yield _rows(state["sample"], document)


def _of_results(document: Json) -> Iterator[Plot]:
    """Yield how well a model of classes does, and how much of the spread components hold."""
    if "reliability" in document:
        if len(document["classes"]) == 2:
            yield _roc(document["reliability"], document["classes"][1])
        yield _reliability(document["reliability"])
    if "explained_variance_ratio" in document:
        yield _scree(document["explained_variance_ratio"])


def _roc(bands: Sequence[Json], event: str) -> Plot:
    """Return the ROC curve where it is known: at the edges of the reliability table's bands."""
    events = [band["share"] * band["observed"] for band in bands]
    others = [band["share"] * (1.0 - band["observed"]) for band in bands]
    false, true = [0.0], [0.0]
    for hit, miss in zip(reversed(events), reversed(others), strict=True):
        true.append(true[-1] + hit)
        false.append(false[-1] + miss)
    if true[-1]:
        true = [value / true[-1] for value in true]
    if false[-1]:
        false = [value / false[-1] for value in false]
    return Plot(
        name="roc",
        title="ROC on held-out rows",
        note=f"How many of those who are {event} have a score above a limit, and how many of the "
        "others, at the edges of the reliability table's bands. The diagonal is chance.",
        across="share of the others",
        up=f"share of those who are {event}",
        traces=(
            Trace(name="chance", form=Form.LINE, across=(0.0, 1.0), up=(0.0, 1.0)),
            Trace(name="model", form=Form.LINE, across=false, up=true),
        ),
    )


def _reliability(bands: Sequence[Json]) -> Plot:
    return Plot(
        name="reliability",
        title="Calibration on held-out rows",
        note="What was said and what came, in bands of equally many rows; on the diagonal both agree.",
        across="predicted",
        up="observed",
        traces=(
            Trace(name="as said", form=Form.LINE, across=(0.0, 1.0), up=(0.0, 1.0)),
            Trace(
                name="model",
                form=Form.LINE,
                across=[band["predicted"] for band in bands],
                up=[band["observed"] for band in bands],
            ),
        ),
    )


def _scree(shares: Sequence[float]) -> Plot:
    places = [float(place) for place in range(1, len(shares) + 1)]
    sums = [sum(shares[: place + 1]) for place in range(len(shares))]
    return Plot(
        name="scree",
        title="Variance explained",
        note="The share of the variance that each component holds, and that of all up to it.",
        across="component",
        up="share of variance",
        traces=(
            Trace(name="component", form=Form.BARS, across=places, up=shares),
            Trace(name="up to it", form=Form.LINE, across=places, up=sums),
        ),
    )


def _sizes(groups: Sequence[Json]) -> Plot:
    return Plot(
        name="groups",
        title="Size of the groups",
        note="Rows that it learned from.",
        across="group",
        up="rows",
        traces=(
            Trace(
                name="",
                form=Form.BARS,
                across=[_group(each) for each in groups],
                up=[float(each["rows"]) for each in groups],
            ),
        ),
    )


def _profiles(groups: Sequence[Json], importances: Sequence[Json]) -> Plot:
    """Return the groups' medians side by side, each as a share of the largest group's."""
    numbers = [
        each["feature"]
        for each in importances
        if all(_is_number(group["typical"].get(each["feature"])) for group in groups)
    ]
    shown = numbers[:PLOT_PROFILED_MAX]
    most = {name: max(abs(group["typical"][name]) for group in groups) or 1.0 for name in shown}
    return Plot(
        name="profiles",
        title="What the groups are like",
        note="The median of a number in each group, as a share of the largest group's median"
        f"{_of(len(shown), len(numbers), 'numbers')}; the card has the medians themselves.",
        across="number",
        up="share of the largest median",
        traces=tuple(
            Trace(
                name=_group(group),
                form=Form.BARS,
                across=shown,
                up=[group["typical"][name] / most[name] for name in shown],
            )
            for group in groups
        ),
    )


def _importances(importances: Sequence[Json]) -> Plot:
    shown = importances[:PLOT_BARS_MAX]
    return Plot(
        name="importances",
        title="What it leans on",
        note="The columns by importance, the largest first"
        f"{_of(len(shown), len(importances), 'columns')}.",
        across="column",
        up="importance",
        traces=(
            Trace(
                name="",
                form=Form.BARS,
                across=[each["feature"] for each in shown],
                up=[each["importance"] for each in shown],
            ),
        ),
    )


def _points(card: Json) -> Iterator[Plot]:
    """Yield the points by bin of the features that move a score the most; a straight line has none."""

    def spread(feature: Json) -> float:
        points: list[float] = [each["points"] for each in feature["bins"]]
        return max(points) - min(points)

    binned = [feature for feature in card["features"] if len(feature["bins"]) > 1]
    ranked = sorted(binned, key=spread, reverse=True)
    shown = ranked[:PLOT_SCORED_MAX]
    for place, feature in enumerate(shown):
        yield Plot(
            name=f"scorecard-{place + 1}",
            title=f"Points of {feature['feature']}",
            note=f"Points of a bin's mean row; {card['pdo']:.0f} points more double the odds against "
            f"the event{_of(len(shown), len(ranked), 'features with bins', 'the widest')}.",
            across="bin",
            up="points",
            traces=(
                Trace(
                    name="",
                    form=Form.BARS,
                    across=[each["bin"] for each in feature["bins"]],
                    up=[each["points"] for each in feature["bins"]],
                ),
            ),
        )


def _errors(columns: Sequence[Sequence[Any]]) -> Plot:
    ranked = sorted(columns, key=lambda each: -each[1])
    shown = ranked[:PLOT_BARS_MAX]
    return Plot(
        name="column-errors",
        title="How well each column is told",
        note="Mean square of the error on held-out rows, in standard deviations, beside that of as "
        f"many principal components{_of(len(shown), len(ranked), 'columns', 'the worst')}.",
        across="column",
        up="error",
        traces=tuple(
            Trace(
                name=name,
                form=Form.BARS,
                across=[each[0] for each in shown],
                up=[each[place] for each in shown],
            )
            for place, name in ((1, "model"), (2, "principal components"))
        ),
    )


def _choices(choices: Sequence[Json]) -> Plot:
    return Plot(
        name="choices",
        title="Choice of the number of groups",
        note="How far apart the groups are (silhouette), and how alike in resamples (stability).",
        across="groups",
        up="silhouette, stability",
        traces=tuple(
            Trace(
                name=name,
                form=Form.LINE,
                across=[float(each["groups"]) for each in choices],
                up=[each[name] for each in choices],
            )
            for name in ("silhouette", "stability")
        ),
    )


def _tuning(tried: Sequence[Json]) -> Plot:
    """Return the cross-validated log-loss of every choice of options that was tried."""
    return Plot(
        name="tuning",
        title="Choice of the options",
        note="Cross-validated log-loss of what was tried; the least is taken.",
        across="options",
        up="log-loss",
        traces=(
            Trace(
                name="",
                form=Form.POINTS,
                across=[_options(each) for each in tried],
                up=[each["log_loss"] for each in tried],
            ),
        ),
    )


def _rows(sample: Sequence[Sequence[float]], document: Json) -> Plot:
    """Return a part of the rows on two components, in a trace for each group or kind."""
    step = -(-len(sample) // PLOT_POINTS_MAX)
    shown = sample[::step]
    if "groups" in document:
        names = [_group(each) for each in document["groups"]]
    else:
        names = ["ordinary", "outlier"]
    return Plot(
        name="rows",
        title="Rows on two components",
        note=f"{len(shown)} of the rows that it learned from, evenly taken.",
        across="component 1",
        up="component 2",
        traces=tuple(
            Trace(
                name=name,
                form=Form.POINTS,
                across=[row[0] for row in shown if row[2] == place],
                up=[row[1] for row in shown if row[2] == place],
            )
            for place, name in enumerate(names)
        ),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _group(profile: Json) -> str:
    return f"group {profile['group']}"


def _options(tried: Json) -> str:
    """Return what was tried as text: all of it but how well it did."""
    return ", ".join(
        f"{name.replace('_', ' ')} {_OPTION_FORMS.get(name, '{}').format(value)}"
        for name, value in tried.items()
        if name != "log_loss"
    )


_OPTION_FORMS: Final = {"column_share": "{:.0%}", "strength": "{:g}"}


def _of(shown: int, all_: int, what: str, which: str = "the first") -> str:
    """Return which of all are shown, where not all of them are."""
    return "" if shown == all_ else f"; {which} {shown} of {all_} {what}"
