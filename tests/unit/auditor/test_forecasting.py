"""`sunlit audit forecasts`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from tests.unit.wallet.fake_node import FakeNode
from wallet.client import NodeClient

FORECAST: dict[str, Any] = {
    "series": "volume:CNY",
    "about": "sum of the payments",
    "unit": "smallest units",
    "span": "hour",
    "horizon": 1,
    "history": [{"time": "2026-01-02T23:00:00.000Z", "value": 7}],
    "steps": [
        {
            "step": 1,
            "time": "2026-01-03T00:00:00.000Z",
            "value": 9.5,
            "lower": 2.0,
            "upper": 17.25,
            "naive": 7.0,
        }
    ],
    "model": {"name": "arima", "version": 1, "order": "(1,0,0)", "season": 1, "coverage": 0.8},
    "backtest": {
        "origins": 9.0, "mae": 2.0, "naive_mae": 3.0, "seasonal_naive_mae": 1.5, "rmse": 2.5,
        "coverage": 0.75, "skill": -0.33,
    },
    "beats_naive": False,
    "data": {
        "spans": 48, "since": "2026-01-01T00:00:00.000Z", "until": "2026-01-03T00:00:00.000Z",
        "first_height": 3, "last_height": 90,
    },
}  # fmt: skip
LIST: dict[str, Any] = {
    "items": [{"series": "payments", "about": "payments", "unit": "payments"}],
    "spans": ["second", "minute", "hour", "day"],
    "horizon_max": 112,
    "truncated": False,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Play the node's answers; return what it is asked."""
    asked: list[dict[str, str]] = []

    async def ask(_: NodeClient, method: str, path: str, *, query: dict[str, str]) -> Any:
        assert (method, path) == ("GET", "/v1/audit/forecasts")
        asked.append(query)
        return FORECAST if query else LIST

    monkeypatch.setattr(NodeClient, "ask", ask)
    return asked


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


async def test_people_see_the_steps_and_whether_to_believe_them(
    node: FakeNode, wallet_home: Path, asked: list[dict[str, str]]
) -> None:
    """A line a step with its interval and the naive value; the last says which line did better."""
    result = await run("forecasts", "--series", "volume:CNY", "--span", "hour", "--horizon", "1")
    assert result.exit_code == 0, result.stderr
    assert asked == [{"series": "volume:CNY", "horizon": "1", "span": "hour"}]
    lines = result.stdout.splitlines()
    assert lines[3].split() == ["2026-01-03T00:00:00.000Z", "9.5", "2", "17.25", "7"]
    assert "mean error 2, no better than the naive line's 1.5" in lines[-1]
    assert "75%" in lines[-1]


async def test_json_is_the_nodes_document_and_nothing_asked_is_the_list(
    node: FakeNode, wallet_home: Path, asked: list[dict[str, str]]
) -> None:
    """Nothing is added or left out."""
    result = await run("forecasts", "--series", "volume:CNY", "--json")
    assert json.loads(result.stdout) == FORECAST
    listed = await run("forecasts")
    assert asked[-1] == {}
    assert listed.stdout.splitlines()[1].split() == ["payments", "payments", "payments"]
