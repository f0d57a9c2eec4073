"""The model card: what a model is, what it learned from, how well it does, where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analytics.models.catalog import CATALOG
from analytics.models.profile import quality_table


def card_text(manifest: Mapping[str, Any]) -> str:
    """Return the card of a model in Markdown, from its manifest.

    After Mitchell et al., Model Cards for Model Reporting (2019). The same training gives the same
    text, so its hash can be attested.
    """
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    data, request = manifest["data"], manifest["request"]
    yield f"# {manifest['model']}"
    yield ""
    yield CATALOG[manifest["model"]].purpose
    yield ""
    yield "## Data"
    yield ""
    yield f"- Source: {data['name']}, {data['rows']} rows, SHA-256 `{data['sha256']}`"
    yield f"- Split: {manifest['split'].get('how', 'none')}"
    yield f"- Seed: {manifest['seed']}"
    for option in sorted(set(request) - {"seed", "features"}):
        yield f"- {option.capitalize()}: {request[option]}"
    yield ""
    yield "## Columns"
    yield ""
    features = ", ".join(f"{each['name']} ({each['role']})" for each in manifest["features"])
    yield f"- Learned from: {features}"
    excluded = ", ".join(f"{each['name']} ({each['reason']})" for each in manifest["excluded"])
    yield f"- Left out: {excluded or 'none'}"
    yield ""
    yield "## Measures on rows that were not learned from"
    yield ""
    yield "| measure | value |"
    yield "| --- | --- |"
    for name, value in manifest["metrics"].items():
        yield f"| {name} | {value:.6g} |"
    yield ""
    yield "## What it leans on"
    yield ""
    yield "| feature | importance |"
    yield "| --- | --- |"
    for each in manifest["importances"]:
        yield f"| {each['feature']} | {each['importance']:.6g} |"
    yield ""
    yield from _table(quality_table(manifest["quality"]))
    for table in manifest["document"].get("tables", ()):
        yield from _table(table)
    yield "## Limits of its use"
    yield ""
    yield (
        "It says what rows like those it learned from did. A row unlike them, or a world that has "
        "moved on, is outside of it; a score is a reason to look and no proof."
    )


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of a model's `document`: its title, a note, heads and rows."""
    yield f"## {table['title']}"
    yield ""
    yield table["note"]
    yield ""
    yield _row(table["columns"])
    yield _row(["---"] * len(table["columns"]))
    for row in table["rows"]:
        yield _row(row)
    yield ""


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(value: Any) -> str:
    """Return a value as the text of a cell: a name from a file must not break its row."""
    return " ".join(str(value).replace("|", "\\|").split())
