"""``GET /v1/audit/alerts``: what the analytics warn of, as a list, as a stream that goes on, or one."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import Field

from analytics.alerts import ALERT_ID_HEX
from analytics.errors import RequestRefused, Unavailable
from node.analytics.asking import analytics_of
from node.analytics.case_documents import ALERT_PATTERN
from node.analytics.documents import AlertDocument, AlertLineDocument
from node.analytics.supervisor import Analytics
from node.api.documents import Page
from node.api.limits import PAGE_ITEMS_MAX
from node.api.operations import (
    EVENT_STREAM,
    JSON,
    Access,
    Answer,
    Call,
    Content,
    NoQuery,
    Operation,
    json_response,
    ok,
)
from node.api.problems import invalid
from node.api.queries import (
    HEIGHT_DIGITS_MAX,
    AccountText,
    Height,
    Moment,
    PageQuery,
    milliseconds,
)
from node.api.views import account_text, format_time
from node.audit.cases import named
from node.audit.events import LAST_EVENT_ID, NDJSON, EventChannel

TypologyName = Literal[
    "structuring",
    "fan_in",
    "fan_out",
    "round_trip",
    "pass_through",
    "dormant",
    "velocity",
    "round_amounts",
    "sanctioned",
    "anomaly",
    "drift",
]
SeverityName = Literal["low", "medium", "high", "critical"]

_CURSOR: Final = re.compile(rf"[0-9]{{1,{HEIGHT_DIGITS_MAX}}}:[0-9a-f]{{{ALERT_ID_HEX}}}", re.ASCII)


class AlertsQuery(PageQuery):
    """Which alerts; all conditions hold together."""

    typology: Annotated[TypologyName | None, Field(description="Pattern.")] = None
    severity: Annotated[SeverityName | None, Field(description="Severity.")] = None
    account: Annotated[AccountText | None, Field(description="Account that they are about.")] = None
    min_score: Annotated[float | None, Field(ge=0, le=1, description="Least score.")] = None
    since: Annotated[Moment | None, Field(description="Earliest time of the block.")] = None
    until: Annotated[Moment | None, Field(description="Latest time of the block.")] = None
    first: Annotated[
        Height, Field(alias="from", description="With follow=true: height of the first alerts.")
    ] = 0
    follow: Annotated[
        Literal["true", "false"],
        Field(description="Stream them, oldest first, and go on with new ones."),
    ] = "false"

    def filters(self) -> dict[str, str]:
        """Return the conditions as the analytics process takes them."""
        values: dict[str, Any] = {
            "typology": self.typology,
            "severity": self.severity,
            "account": None if self.account is None else account_text(self.account),
            "min_score": self.min_score,
            "since_ms": None if self.since is None else milliseconds(self.since),
            "until_ms": None if self.until is None else milliseconds(self.until),
        }
        return {name: str(value) for name, value in values.items() if value is not None}


async def list_alerts(call: Call, query: AlertsQuery) -> web.StreamResponse:
    """Give alerts newest first, or stream them oldest first."""
    analytics = analytics_of(call)
    if query.follow == "true":
        return await _follow(call, query)
    asked = query.filters() | {"limit": str(query.limit)}
    if query.cursor is not None:
        asked["cursor"] = _cursor(query.cursor, "/query/cursor")
    page = await analytics.client.get("/alerts", asked)
    return json_response(page | {"items": [_document(item) for item in page["items"]]})


async def show_alert(call: Call, _: NoQuery) -> web.Response:
    """Give one alert by its id."""
    alert_id = named(call, "alert", ALERT_PATTERN, "the id of an alert")
    return json_response(_document(await analytics_of(call).client.get(f"/alerts/{alert_id}")))


async def _follow(call: Call, query: AlertsQuery) -> web.StreamResponse:
    """Stream alerts after the one that ``Last-Event-ID`` names, or from a height on."""
    analytics = analytics_of(call)
    last_id = call.request.headers.get(LAST_EVENT_ID)
    # No id is before the empty one, so this cursor stands before all alerts of its height.
    place = f"{query.first}:" if last_id is None else _cursor(last_id, f"/header/{LAST_EVENT_ID}")
    call.release_view()
    alerts = _Alerts(analytics, query.filters(), place)
    # Asked before the stream begins: a process that is not there yet is told as a problem.
    first = await alerts.next_page()
    async with EventChannel.opened(call, "" if last_id is None else place) as channel:
        await _send_all(alerts, channel, first)
    return channel.response


class _Alerts:
    """The alerts after a place, page by page, oldest first."""

    def __init__(self, analytics: Analytics, filters: dict[str, str], place: str) -> None:
        self._analytics = analytics
        self._asked = filters | {"limit": str(PAGE_ITEMS_MAX), "order": "oldest"}
        self.place = place
        self.moved = analytics.moved

    async def next_page(self) -> list[dict[str, Any]]:
        """Return the next alerts, none when there are none yet; `moved` tells when to ask again."""
        self.moved = self._analytics.moved
        page = await self._analytics.client.get("/alerts", self._asked | {"cursor": self.place})
        items: list[dict[str, Any]] = page["items"]
        return items


async def _send_all(alerts: _Alerts, channel: EventChannel, items: list[dict[str, Any]]) -> None:
    """Send alerts, and those that follow, until the channel ends.

    A process that is gone, or too busy for a moment, is waited for: it comes back by itself.
    """
    while True:
        for item in items:
            alerts.place = f"{item['height']}:{item['id']}"
            event = channel.framing.frame("alert", alerts.place, _document(item))
            await channel.send(event, alerts.place)
        if not items:
            await channel.rest_until(alerts.moved)
        try:
            items = await alerts.next_page()
        except Unavailable:
            items = []
        except RequestRefused as refused:
            if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            items = []


def _document(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "time_ms"} | {
        "time": format_time(item["time_ms"])
    }


def _cursor(text: str, pointer: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise invalid(pointer, "no cursor of this list", code="bad_cursor")
    return text


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit/alerts",
        name="list_alerts",
        summary="Alerts with their reasons, newest first, or as a stream that goes on",
        tag="audit",
        access=Access.REGULATOR,
        handler=list_alerts,
        query=AlertsQuery,
        answers={
            200: Answer(
                description=(
                    "A page; with follow=true events ``alert``, whose id ``Last-Event-ID`` takes."
                ),
                contents=(
                    Content(media_type=JSON, document=Page[AlertDocument]),
                    Content(media_type=EVENT_STREAM, document=AlertDocument),
                    Content(media_type=NDJSON, document=AlertLineDocument),
                ),
            )
        },
        problems=(404, 503),
        is_stream=True,
    ),
    Operation(
        method="GET",
        path="/v1/audit/alerts/{alert}",
        name="get_alert",
        summary="One alert with its reasons",
        tag="audit",
        access=Access.REGULATOR,
        handler=show_alert,
        answers=ok(AlertDocument),
        problems=(404, 503),
    ),
)
