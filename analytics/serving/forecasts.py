"""``GET /forecasts``: what a series of the ledger will do, and how well such forecasts did before."""

from __future__ import annotations

from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.server import Route, Services, answer, integer
from analytics.serving.kept import Key
from analytics.serving.limits import (
    HISTORY_SPANS_MAX,
    HORIZON_DEFAULT,
    HORIZON_MAX,
    SERIES_LISTED_MAX,
)
from analytics.serving.series import (
    Name,
    Span,
    Stretch,
    find_series,
    find_stretch,
    list_series,
    read_series,
)
from analytics.serving.worker import TaskRefused, Worker

Json = dict[str, Any]


async def show_forecast(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a forecast; without ``series`` the list of what there is."""
    if "series" not in request.query:
        return answer(_index(await services.queries.run(list_series)))
    horizon = integer(request, "horizon", minimum=1) if "horizon" in request.query else None
    steps = min(horizon or HORIZON_DEFAULT, HORIZON_MAX)
    span = Span(request.query["span"]) if "span" in request.query else None
    reached = services.progress.ingested.height
    height = integer(request, "height") if "height" in request.query else reached
    if height > reached:
        detail = f"the last block is {reached}"
        raise RequestRefused(404, "unknown_height", detail, height=height)

    def ask(cursor: duckdb.DuckDBPyConnection) -> tuple[Name, Stretch]:
        name = find_series(cursor, request.query["series"])
        return name, find_stretch(cursor, span, steps, height)

    name, stretch = await services.queries.run(ask)

    async def make(worker: Worker) -> Json:
        return await _make(services, worker, name, stretch, steps)

    return answer(await services.serving.forecasts.get(Key.of(name.text, stretch, steps), make))


async def _make(
    services: Services, worker: Worker, name: Name, stretch: Stretch, horizon: int
) -> Json:
    series = await services.queries.run(lambda cursor: read_series(cursor, name, stretch))
    length_ms = stretch.span.length_ms
    try:
        made = await worker.run(
            "forecast",
            series=name.text,
            first_ms=stretch.first_ms,
            length_ms=length_ms,
            values=series.values,
            horizon=horizon,
        )
    except TaskRefused as error:
        if error.status != _UNPROCESSABLE:
            raise
        raise RequestRefused(409, error.code, error.detail, **error.fields) from None
    backtest = made["backtest"]
    shown = min(stretch.count, HISTORY_SPANS_MAX)
    return {
        "series": name.text,
        "about": name.form.about,
        "unit": name.form.unit,
        "span": stretch.span.value,
        "horizon": horizon,
        "history": [
            {"time_ms": stretch.end_ms - left * length_ms, "value": series.values[-left]}
            for left in range(shown, 0, -1)
        ],
        **made,
        "beats_naive": backtest["mae"] < min(backtest["naive_mae"], backtest["seasonal_naive_mae"]),
        "data": {
            "spans": stretch.count,
            "since_ms": stretch.first_ms,
            "until_ms": stretch.end_ms,
            "first_height": series.first_height,
            "last_height": series.last_height,
        },
    }


def _index(names: list[Name]) -> Json:
    listed = names[:SERIES_LISTED_MAX]
    return {
        "items": [
            {"series": name.text, "about": name.form.about, "unit": name.form.unit}
            for name in listed
        ],
        "spans": [span.value for span in Span],
        "horizon_max": HORIZON_MAX,
        "truncated": len(names) > len(listed),
    }


_UNPROCESSABLE: Final = 422

ROUTES: Final = (Route(method="GET", path="/forecasts", handler=show_forecast),)
