"""The table that a person reads and the JSON that a machine compares."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scripts.benchmarks.measure import RUN_QUEUE, Better, Figure

SCHEMA = 1
"""Raised whenever a field of the JSON changes its meaning."""
HEADINGS = ("figure", "value", "unit", "limit", "ratio", "goal", "spread", "verdict")


def document(figures: Sequence[Figure], *, command: str, is_quick: bool) -> dict[str, Any]:
    """Return the JSON document: when, where and how it was measured, and every figure."""
    return {
        "schema": SCHEMA,
        "version": version("sunlit"),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "command": command,
        "quick": is_quick,
        "machine": machine(),
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures],
    }


def machine() -> dict[str, str | int | float]:
    """Return the shape of this machine, and how busy it was; nothing that names it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "python": platform.python_version(),
        "system": platform.system(),
        "clock": "core" if RUN_QUEUE.exists() else "wall",
        "load_before": round(os.getloadavg()[0], 2),
    }


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned text, one a line, with their limits named below."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    limits = dict.fromkeys(
        f"limit of {figure.name!r}: {figure.limit_name}" for figure in figures if figure.limit_name
    )
    return "\n".join((*lines, "", *limits))


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        _number(figure.value),
        figure.unit,
        _number(figure.limit),
        _number(figure.ratio),
        _goal(figure),
        f"{figure.spread:.0%}" if figure.runs > 1 else "-",
        figure.verdict.value,
    )


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return "-"
    is_ceiling = figure.ratio is None and figure.better is Better.LOWER
    return f"{'<=' if is_ceiling else '>='} {_number(figure.goal)}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.3g}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the cells of a row, the name and the unit to the left and the rest to the right."""
    left = {HEADINGS.index("figure"), HEADINGS.index("unit"), HEADINGS.index("verdict")}
    return [
        cell.ljust(width) if at in left else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _processor() -> str:
    """Return the processor's model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
