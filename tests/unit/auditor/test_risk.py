"""`sunlit audit risk`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from auditor.cli import audit
from ledger.addresses import encode_account_id
from tests.unit.wallet.fake_node import FakeNode

SCORE: dict[str, Any] = {
    "member": "bank1",
    "kind": "user",
    "segment": "payer",
    "score": 0.61,
    "band": "high",
    "contributions": [
        {"feature": "alert:fan_in", "value": 0.8, "contribution": 0.56, "text": "warned of fan in"},
        {"feature": "new_payees", "value": 1, "contribution": 0.05, "text": "all payees are new"},
    ],
    "model": "account_risk/1",
    "height": 7,
    "time": "2026-01-01T00:00:00.000Z",
    "alerts": [
        {"id": "ab" * 16, "typology": "fan_in", "severity": "high", "score": 0.8, "height": 7}
    ],
}


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


def known(node: FakeNode) -> str:
    """Let the node know an account's risk; return the account."""
    account = encode_account_id(next(iter(node.network.genesis.accounts)))
    node.risks[account] = {"account": account, **SCORE}
    return account


async def test_people_see_the_score_and_why(node: FakeNode, wallet_home: Path) -> None:
    """Band and score, then a line for each contribution and each alert."""
    account = known(node)
    result = await run("risk", account)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"{account} (bank1, payer): high, 0.61"
    assert lines[3].split()[:2] == ["0.560", "alert:fan_in"]
    assert lines[-1].split() == ["7", "high", "fan_in", "ab" * 16]


async def test_json_is_the_nodes_document(node: FakeNode, wallet_home: Path) -> None:
    """Nothing is added or left out."""
    account = known(node)
    result = await run("risk", account, "--at", "7", "--json")
    assert json.loads(result.stdout) == node.risks[account]


async def test_an_unknown_account_is_an_error(node: FakeNode, wallet_home: Path) -> None:
    """The node's refusal is told, with status 1."""
    account = known(node)
    node.risks.clear()
    result = await run("risk", account)
    assert result.exit_code == 1
    assert "error[unknown_account]: " in result.stderr
