"""`sunlit audit predict`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from auditor.predicting import ROWS_A_REQUEST
from ledger.addresses import encode_account_id
from tests.unit.wallet.fake_node import FakeNode
from wallet.client import NodeClient

Json = dict[str, Any]
MODEL = {
    "id": "ab" * 8, "version": 3, "card_hash": "cd" * 32, "series": "credit",
    "method": "logistic", "state": "champion",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Play the node's answers, one prediction for each row; return what it is asked."""
    asked: list[Json] = []

    async def ask(_: NodeClient, method: str, path: str, *, document: Json) -> Json:
        assert (method, path) == ("POST", "/v1/audit/predict")
        asked.append(document)
        count = len(document.get("rows") or document["accounts"])
        reason = {"feature": "(baseline)", "value": None, "contribution": 0.25, "text": "a quarter"}
        return {
            "predictions": [
                {"row": row + 1, "prediction": "no", "score": 0.25} for row in range(count)
            ],
            "reasons": [[reason]] * count,
            "model": MODEL,
            "height": None,
        }

    monkeypatch.setattr(NodeClient, "ask", ask)
    return asked


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


async def test_rows_of_a_file_are_sent_some_at_a_time_and_numbered_through(
    node: FakeNode, wallet_home: Path, asked: list[Json], tmp_path: Path
) -> None:
    """Gaps are null, numbers numbers; every row comes back on a line with its reasons."""
    file = tmp_path / "rows.csv"
    rows = [f"{number},own" for number in range(ROWS_A_REQUEST)]
    file.write_text("\n".join(["amount,home", *rows, ",rent", ""]))
    result = await run("predict", "--model", "credit", "--data", str(file), "--json")
    assert result.exit_code == 0, result.stderr
    assert [len(one["rows"]) for one in asked] == [ROWS_A_REQUEST, 1]
    assert asked[0]["model"] == "credit"
    assert asked[0]["rows"][2] == {"amount": 2, "home": "own"}
    assert asked[1]["rows"] == [{"amount": None, "home": "rent"}]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["row"] for line in lines] == list(range(1, ROWS_A_REQUEST + 2))
    assert lines[-1]["reasons"][0]["contribution"] == lines[-1]["score"]
    assert lines[-1]["model"] == MODEL
    assert (
        f"credit/3 (logistic, champion), id {MODEL['id']}, card {MODEL['card_hash']}"
        in result.stderr
    )


async def test_accounts_are_named_to_people(
    node: FakeNode, wallet_home: Path, asked: list[Json]
) -> None:
    """By a table with each account, what is said of it, and why."""
    account = encode_account_id(next(iter(node.network.genesis.accounts)))
    result = await run("predict", "--model", "account-warnings", "--account", account)
    assert result.exit_code == 0, result.stderr
    assert asked == [{"model": "account-warnings", "accounts": [account]}]
    assert result.stdout.splitlines()[1].split() == [account, "no", "0.25", "a", "quarter"]


async def test_it_is_a_file_or_accounts(node: FakeNode, wallet_home: Path) -> None:
    """Neither and both are wrong usage."""
    assert (await run("predict", "--model", "credit")).exit_code == 2
