"""``/v1/audit/forecasts`` over a real warehouse: the model's own words, beside the series itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import TypeAdapter

from analytics.models.arima import Arima
from analytics.models.interface import Request
from analytics.models.tabular import table_of
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from node.analytics.forecast_documents import ForecastDocument
from node.api.views import format_time
from tests.histories import History
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import serving_warehouse

HORIZON = 4


@pytest.fixture(scope="module")
def history() -> History:
    """Return a chain of 45 seconds."""
    history = History(seed=5)
    history.grow(45)
    return history


@pytest.fixture
async def warehouse(node: ServedNode, history: History, tmp_path: Path) -> AsyncIterator[Warehouse]:
    """Return the warehouse that the node's analytics read."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    async with serving_warehouse(node, made, tmp_path):
        yield made
    made.close()


async def ask(client: Client, node: ServedNode, **query: str) -> Any:
    """Return the answer to a regulator; 503 says "not now", as a busy machine may that makes one."""
    headers = bearer(node.officer_token("regulator"))
    answer = await client.get("/v1/audit/forecasts", params=query, headers=headers)
    return answer if answer.status != 503 else await ask(client, node, **query)


async def test_a_forecast_is_what_the_model_says_of_the_series(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """History, steps, error and naive line are those of the same model fitted here."""
    answer = await ask(client, node, series="payments", horizon=str(HORIZON))
    assert answer.status == 200, await answer.text()
    found = await answer.json()
    TypeAdapter(ForecastDocument).validate_python(found, strict=True)
    with warehouse.reading() as cursor:
        rows = cursor.execute(
            "SELECT count(*) FILTER (kind = 'transfer' AND debit <> credit), date_trunc('second', b.time)"
            " FROM blocks AS b LEFT JOIN legs USING (height) WHERE b.height > 0 GROUP BY 2 ORDER BY 2"
        ).fetchall()
    times = [found["data"]["since"], *(one["time"] for one in found["steps"])]
    begin = int(pd.Timestamp(times[0]).value // 1_000_000)
    spans = found["data"]["spans"]
    assert times[1:] == [format_time(begin + 1_000 * (spans + n)) for n in range(HORIZON)]
    frame = pd.DataFrame(rows, columns=["value", "time"])
    frame = frame[(frame.time >= pd.Timestamp(times[0]).tz_localize(None))][:spans]
    assert [one["value"] for one in found["history"]] == list(frame.value)
    request = Request(time="time", target="value", horizon=HORIZON)
    model = Arima.fit(table_of(frame, name="", sha256=""), request, lambda _: None)
    for step, expected in zip(found["steps"], model.forecast(), strict=True):
        assert step["naive"] == expected.naive
        assert step["value"] == pytest.approx(max(expected.value, 0.0))
        assert step["upper"] == pytest.approx(max(expected.upper, 0.0))
    assert found["backtest"]["mae"] == pytest.approx(model.metrics["mae"])
    assert found["beats_naive"] == (
        model.metrics["mae"] < min(model.metrics["naive_mae"], model.metrics["seasonal_naive_mae"])
    )
    assert found["model"]["order"] == model.document()["order"]


async def test_without_a_series_all_are_listed(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """Every kind is there, with what may be asked of it."""
    document = await (await ask(client, node)).json()
    names = [item["series"] for item in document["items"]]
    assert {"payments", "active-accounts", "volume:CNY", "outflow:bank1:CNY"} <= set(names)
    assert document["spans"] == ["second", "minute", "hour", "day"]
    assert document["truncated"] is False


REFUSED = [
    ({"series": "volume:ZZZ"}, 404, "unknown_series"),
    ({"series": "payments", "horizon": "60"}, 409, "history_too_short"),
    ({"series": "payments", "span": "day", "horizon": "2"}, 409, "history_too_short"),
    ({"series": "inflow:regulator:CNY", "horizon": "2"}, 409, "constant_target"),
    ({"series": "payments", "horizon": "0"}, 422, "invalid_field"),
    ({"series": "payments", "horizon": "113"}, 422, "invalid_field"),
    ({"series": "payments", "span": "week"}, 422, "invalid_field"),
    ({"series": "No Series"}, 422, "invalid_field"),
]


async def test_what_cannot_be_forecast_is_refused_by_name(
    node: ServedNode, client: Client, warehouse: Warehouse
) -> None:
    """What is unknown, too much for the history, or the same in every span."""
    for query, status, code in REFUSED:
        found = await problem(await ask(client, node, **query), status)
        assert found["code"] == code, query
