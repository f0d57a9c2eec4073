"""``/v1/audit/forecasts``: what series of the ledger will do, and how far that may be trusted."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from analytics.serving.limits import HORIZON_DEFAULT, HORIZON_MAX
from node.analytics.asking import analytics_of
from node.analytics.forecast_documents import ForecastsAnswerDocument
from node.api.operations import Access, Call, Operation, json_response, ok
from node.api.queries import Height, digits
from node.api.views import format_time

SERIES_PATTERN: Final = "^[a-z][a-z-]{0,19}(:[A-Za-z][A-Za-z0-9-]{0,39}){0,2}$"


class ForecastsQuery(BaseModel):
    """Which forecast."""

    model_config = ConfigDict(extra="forbid")

    series: Annotated[
        str | None,
        Field(
            pattern=SERIES_PATTERN,
            description="`payments`, `active-accounts`, `volume:ASSET`, `outflow:MEMBER:ASSET` or "
            "`inflow:MEMBER:ASSET`. Left out: the list of all of them.",
        ),
    ] = None
    horizon: Annotated[
        int,
        Field(ge=1, le=HORIZON_MAX, description="Steps to forecast."),
        BeforeValidator(digits),
    ] = HORIZON_DEFAULT
    span: Annotated[
        Literal["second", "minute", "hour", "day"] | None,
        Field(description="What a step is; else the longest of which the history has enough."),
    ] = None
    at: Annotated[
        Height | None,
        Field(description="The last block to be made from; the last one unless told."),
    ] = None


async def show_forecast(call: Call, query: ForecastsQuery) -> web.Response:
    """Give the forecast of a series, or the list of series."""
    client = analytics_of(call).client
    call.release_view()
    if query.series is None:
        return json_response(await client.get("/forecasts"))
    asked = {"series": query.series, "horizon": str(query.horizon)}
    if query.span is not None:
        asked["span"] = query.span
    if query.at is not None:
        asked["height"] = str(query.at)
    found = await client.get("/forecasts", asked)
    for part in (*found["history"], *found["steps"]):
        _name_time(part, "time")
    _name_time(found["data"], "since")
    _name_time(found["data"], "until")
    return json_response(found)


def _name_time(document: dict[str, Any], name: str) -> None:
    """Put a time as people read it in the place of its milliseconds."""
    document[name] = format_time(document.pop(f"{name}_ms"))


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/forecasts",
    name="get_forecast",
    summary="Forecast of a series of the ledger, with its error; without one, the series that there are",
    tag="audit",
    access=Access.REGULATOR,
    handler=show_forecast,
    query=ForecastsQuery,
    answers=ok(ForecastsAnswerDocument),
    problems=(404, 409, 503, 504),
)
