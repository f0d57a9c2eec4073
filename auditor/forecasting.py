"""Showing forecasts of the ledger's series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from auditor.stream import regulator_key
from wallet.connection import connect
from wallet.console import Session, printable, progress, table
from wallet.session import Json

PATH: Final = "/v1/audit/forecasts"


async def show_forecasts(
    session: Session, *, series: str | None, horizon: int, span: str | None, reader: str | None
) -> None:
    """Show the forecast of a series, or which series there are."""
    key = regulator_key(session.keystore(), reader)
    asked = {"series": series, "horizon": str(horizon), "span": span} if series else {}
    query = {name: value for name, value in asked.items() if value is not None}
    async with connect(session.profile(), key, url=session.node) as connection:
        if series:
            progress("the node may have to make the forecast first: some seconds")
        document = await connection.client.ask("GET", PATH, query=query)
    session.show(document, forecast_lines(document) if series else _series_lines(document))


def forecast_lines(document: Json) -> Iterator[str]:
    """Yield a forecast as lines for people."""
    data, backtest, model = document["data"], document["backtest"], document["model"]
    yield printable(f"{document['series']}: {document['about']}, in {document['unit']}")
    yield (
        f"from {data['spans']} {document['span']}s, {data['since']} to {data['until']},"
        f" blocks {data['first_height']} to {data['last_height']}"
    )
    steps = [
        (step["time"], *(f"{step[name]:.6g}" for name in ("value", "lower", "upper", "naive")))
        for step in document["steps"]
    ]
    yield from table(("TIME", "VALUE", "LOWER", "UPPER", "NAIVE"), steps)
    line = min(backtest["naive_mae"], backtest["seasonal_naive_mae"])
    verdict = "better than" if document["beats_naive"] else "no better than"
    yield (
        f"{model['name']} {model['order']}: mean error {backtest['mae']:.6g}, {verdict} the naive"
        f" line's {line:.6g}; intervals held {backtest['coverage']:.0%} of the values"
    )


def _series_lines(document: Json) -> Iterator[str]:
    rows = [(each["series"], each["unit"], each["about"]) for each in document["items"]]
    yield from table(("SERIES", "UNIT", "WHAT"), rows)
    if document["truncated"]:
        yield "and more"
