"""Figures of models as PNG files, drawn by matplotlib where it is installed (``sunlit[plots]``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

EXTRA: Final = "plots"
"""Optional part of Sunlit with matplotlib."""
POINTS_MAX: Final = 5_000
"""Points of a scatter plot."""
_INCHES: Final = (7.0, 4.5)
_DOTS: Final = 110

Draw = Callable[[Any], None]
"""Draws into axes."""


def can_plot() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def written(folder: Path, figures: Mapping[str, Draw]) -> tuple[str, ...]:
    """Write figures by file name and return the names; without matplotlib none."""
    if not can_plot():
        return ()
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    for name, draw in figures.items():
        figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots())
        # Without the library's version in it the file depends on what is drawn alone.
        figure.savefig(folder / name, metadata={"Software": None})
    return tuple(figures)


def reliability_plot(bands: Sequence[Mapping[str, Any]]) -> Draw:
    """Return what draws predicted against observed probabilities."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.plot([b["predicted"] for b in bands], [b["observed"] for b in bands], marker="o")
        axes.set(xlabel="predicted", ylabel="observed", title="Reliability on held-out rows")

    return draw


def scree_plot(shares: Sequence[float]) -> Draw:
    """Return what draws the share of variance of each component, and their sum."""

    def draw(axes: Any) -> None:
        places = range(1, len(shares) + 1)
        axes.bar(places, shares, color="tab:blue")
        total, sums = 0.0, []
        for share in shares:
            total += share
            sums.append(total)
        axes.plot(places, sums, color="tab:orange", marker="o")
        axes.set(xlabel="component", ylabel="share of variance", title="Scree", ylim=(0, 1.05))

    return draw


def scatter_plot(
    points: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    shares: Sequence[float] | None = None,
) -> Draw:
    """Return what draws rows (rows, 2) on two components, in a colour a group.

    ``groups`` (rows,) are positions in ``names``.
    """

    def draw(axes: Any) -> None:
        for place, name in enumerate(names):
            chosen = points[groups == place]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=9, alpha=0.6, linewidths=0, label=name)
        told = ["", ""] if shares is None else [f" ({share:.0%})" for share in shares[:2]]
        axes.set(title="Rows", xlabel=f"component 1{told[0]}", ylabel=f"component 2{told[-1]}")
        axes.legend(loc="best", fontsize="small")

    return draw


def choice_plot(groups: Sequence[int], curves: Mapping[str, Sequence[float]], chosen: int) -> Draw:
    """Return what draws figures by the number of groups, the chosen one marked."""

    def draw(axes: Any) -> None:
        for name, values in curves.items():
            axes.plot(groups, values, marker="o", label=name)
        axes.axvline(chosen, color="0.6", linestyle="--", linewidth=1)
        axes.set(xlabel="groups", title="Choice of the number of groups", xticks=list(groups))
        axes.legend(loc="best", fontsize="small")

    return draw


def sample_rows(rows: int) -> np.ndarray:
    """Return positions of at most `POINTS_MAX` rows, evenly spread."""
    import numpy as np  # noqa: PLC0415

    return np.unique(np.linspace(0, rows - 1, min(rows, POINTS_MAX)).astype(np.intp))
