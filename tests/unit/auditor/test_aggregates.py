"""`sunlit audit aggregates`: what it asks, and what people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.auditor.test_query import Asked, run
from tests.unit.wallet.fake_node import FakeNode
from wallet.client import NodeClient

PATH = "/v1/audit/aggregates"
RELEASE: dict[str, Any] = {
    "release": 3,
    "time": "2026-02-01T00:00:00.000Z",
    "measure": "volume",
    "by": "member",
    "since": "2026-01-01T00:00:00.000Z",
    "until": "2026-01-31T23:59:59.999Z",
    "rows": [{"key": "bank1", "value": "1234567"}, {"key": "bank2", "value": "-250"}],
    "accuracy_95": "30000",
    "epsilon": 0.2,
    "budget": {"year": 2026, "epsilon": 1.0, "spent": 0.5, "left": 0.5},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Play the node's answers."""
    asked = Asked()

    async def ask(client: NodeClient, *words: str, **options: Any) -> dict[str, Any]:
        return await asked.ask(client, *words, **options)

    async def assets(client: NodeClient) -> list[dict[str, Any]]:
        return [{"asset": "CNY", "decimals": 2}]

    monkeypatch.setattr(NodeClient, "ask", ask)
    monkeypatch.setattr(NodeClient, "assets", assets)
    return asked


VOLUME = ("aggregates", "volume", "--by", "member", "--asset", "CNY", "--epsilon", "0.2")


async def test_a_release_is_asked_for_and_shown(
    node: FakeNode, wallet_home: Path, asked: Asked
) -> None:
    """Amounts as people write them, smallest units for the node; days are whole ones."""
    asked.answers = [RELEASE]
    days = ("--since", "2026-01-01", "--until", "2026-01-31")
    result = await run(*VOLUME, "--amount-max", "500.00", *days)
    assert result.exit_code == 0, result.stderr
    [(method, path, document)] = asked.asked
    assert (method, path) == ("POST", PATH)
    assert document == {
        "measure": "volume",
        "by": "member",
        "asset": "CNY",
        "epsilon": 0.2,
        "amount_max": "50000",
        "since": "2026-01-01T00:00:00.000Z",
        "until": "2026-01-31T23:59:59.999Z",
    }
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[1:3]] == [["bank1", "12345.67"], ["bank2", "-2.50"]]
    assert lines[3] == "within 300.00 of the bounded sum, 95 times of 100"
    assert lines[4] == "epsilon 0.2; of 1 for 2026 0.5 is left"


async def test_what_was_released_is_listed(node: FakeNode, wallet_home: Path, asked: Asked) -> None:
    """Without a measure nothing is spent; with --json items are the node's."""
    asked.answers = [{"items": [RELEASE], "next_cursor": None}]
    result = await run("aggregates", "--json")
    assert json.loads(result.stdout) == {"items": [RELEASE]}
    assert asked.asked[0][:2] == ("GET", PATH)


@pytest.mark.parametrize(
    "words",
    [("aggregates", "payments"), ("aggregates", "volume", "--epsilon", "1", "--amount-max", "5")],
)
async def test_what_is_missing_is_named(
    node: FakeNode, asked: Asked, words: tuple[str, ...]
) -> None:
    """A loss to spend, and the asset of a bound in decimals: usage errors, nothing is asked."""
    result = await run(*words)
    assert (result.exit_code, asked.asked) == (2, [])
