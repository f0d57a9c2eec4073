"""`sunlit audit supply`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from tests.unit.wallet.fake_node import FINAL_HEIGHT, FakeNode
from wallet.client import NodeClient
from wallet.errors import ApiError

BOOKS: dict[str, Any] = {
    "asset": "CNY",
    "name": "Yuan",
    "decimals": 2,
    "issuer": "bank1",
    "supply": "1030",
    "genesis_supply": "1000",
    "issued": "50",
    "redeemed": "20",
    "balances": "1030",
    "holders": 3,
    "conserved": True,
}
PAGE: dict[str, Any] = {
    "items": [BOOKS],
    "next_cursor": None,
    "height": 7,
    "block_hash": "ab" * 32,
    "state_root": "cd" * 32,
    "replayed_root": "cd" * 32,
    "conserved": True,
}


async def run(*words: str) -> Result:
    """Run `sunlit audit supply` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, ("supply", *words))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list of what the node answers in turn."""
    answers: list[Any] = []

    async def played(client: NodeClient, height: int) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer | {"height": height}

    monkeypatch.setattr(NodeClient, "audit_supply_at", played)
    return answers


async def test_people_see_the_books(node: FakeNode, wallet_home: Path, answers: list[Any]) -> None:
    """A line an asset, amounts as decimals, and what the state was compared with."""
    answers.append(PAGE)
    result = await run("--height", "7")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["CNY", "10.00", "0.50", "0.20", "10.30", "10.30", "yes"]
    assert "the one that the header commits to" in lines[-1]


async def test_a_count_that_goes_on_is_asked_for_again(
    node: FakeNode, wallet_home: Path, answers: list[Any]
) -> None:
    """Progress goes to stderr, as text that no terminal acts upon, and the document to stdout."""
    answers += [ApiError("supply_counting", "Block 3 of 7\x1b[2J is counted.", status=503), PAGE]
    result = await run("--height", "7", "--json")
    assert result.exit_code == 0, result.stderr
    assert "Block 3 of 7" in result.stderr
    assert "\x1b" not in result.stderr
    assert json.loads(result.stdout) == PAGE


async def test_books_that_do_not_agree_are_an_error(
    node: FakeNode, wallet_home: Path, answers: list[Any]
) -> None:
    """They are shown, and the exit status says that something is wrong."""
    forged = {"replayed_root": "ef" * 32, "conserved": False}
    answers.append(PAGE | forged | {"items": [BOOKS | {"conserved": False}]})
    result = await run("--height", "7")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].endswith("NO")
    assert "NOT the one" in result.stdout
    assert result.stderr.startswith("error[not_conserved]")


async def test_without_a_height_it_is_the_last_final_one(
    node: FakeNode, wallet_home: Path, answers: list[Any]
) -> None:
    """The node's status names the block."""
    answers.append(PAGE)
    result = await run("--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["height"] == FINAL_HEIGHT
