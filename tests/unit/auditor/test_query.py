"""`sunlit audit query` and `sunlit audit access-log`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from ledger.access_records import access_root, chained
from ledger.access_records import follow as follow_record
from tests.unit.wallet.fake_node import FakeNode
from wallet.client import NodeClient

Json = dict[str, Any]


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


class Asked:
    """What the node was asked, and what it answers."""

    def __init__(self) -> None:
        self.answers: list[Json] = []
        self.asked: list[tuple[str, str, Any]] = []

    async def ask(
        self,
        client: NodeClient,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
    ) -> Json:
        """Answer in turn."""
        self.asked.append((method, path, query or document))
        return self.answers.pop(0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Play the node's answers."""
    asked = Asked()

    async def ask(client: NodeClient, *words: str, **options: Any) -> Json:
        return await asked.ask(client, *words, **options)

    monkeypatch.setattr(NodeClient, "ask", ask)
    return asked


ANSWER: Json = {
    "columns": ["asset", "paid", "note"],
    "types": ["VARCHAR", "HUGEINT", "VARCHAR"],
    "rows": [["CNY", 12, "=1+1"], ["USD", None, "a\u202eb"]],
    "truncated": True,
}


async def test_a_query_gives_a_table(node: FakeNode, wallet_home: Path, asked: Asked) -> None:
    """Columns with their names; that rows are missing stands on stderr."""
    asked.answers = [ANSWER]
    result = await run("query", "SELECT 1")
    assert asked.asked == [("POST", "/v1/audit/query", {"sql": "SELECT 1"})]
    assert result.stdout.splitlines()[0].split() == ["asset", "paid", "note"]
    assert "\\u{202e}" in result.stdout
    assert "only the first 2 rows" in result.stderr


async def test_a_query_gives_json(node: FakeNode, wallet_home: Path, asked: Asked) -> None:
    """With --json the document is the node's."""
    asked.answers = [ANSWER]
    result = await run("query", "SELECT 1", "--json")
    assert json.loads(result.stdout) == ANSWER


async def test_threat_72_a_query_s_csv_runs_nothing(
    node: FakeNode, wallet_home: Path, asked: Asked
) -> None:
    """What a spreadsheet would take for a formula gets an apostrophe."""
    asked.answers = [ANSWER]
    result = await run("query", "SELECT 1", "--csv")
    assert result.stdout.splitlines()[:2] == ["asset,paid,note", "CNY,12,'=1+1"]


def log_of(node: FakeNode, count: int) -> list[Json]:
    """Return the access log of a node."""
    tip = access_root(node.network.genesis_hash, node.member)
    records = []
    for number in range(count):
        records.append(
            chained(
                {
                    "time": "2026-01-01T00:00:00.000Z",
                    "event": "answered",
                    "subject": "regulator",
                    "method": "GET",
                    "target": f"/v1/audit/supply?n={number}",
                    "status": 200,
                    "bytes": 5,
                },
                tip,
            )
        )
        tip = follow_record(records[-1], tip)
    return records


def page(records: list[Json], cursor: str | None = None) -> Json:
    """Return a page of the access log."""
    return {"items": records, "next_cursor": cursor, "root": ""}


async def test_the_access_log_is_shown(node: FakeNode, wallet_home: Path, asked: Asked) -> None:
    """A line a record, newest first as the node gives them."""
    asked.answers = [page(log_of(node, 3)[::-1], "1")]
    lines = (await run("access-log", "--limit", "2")).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["SEQUENCE", "3", "2"]
    assert lines[1].endswith("GET /v1/audit/supply?n=2")


async def test_the_access_log_is_verified(node: FakeNode, wallet_home: Path, asked: Asked) -> None:
    """All pages, from the root that chain and member give; a tip of earlier must be part of it."""
    records = log_of(node, 5)
    known = f"2:{records[1]['hash']}"
    asked.answers = [page(records[:3], "4"), page(records[3:])]
    result = await run("access-log", "--verify", "--known", known, "--json")
    tip = f"5:{records[4]['hash']}"
    assert json.loads(result.stdout) == {"verified": True, "records": 5, "tip": tip}
    assert asked.asked[1][2]["cursor"] == "4"


async def test_the_tip_of_an_empty_log_stays_known(
    node: FakeNode, wallet_home: Path, asked: Asked
) -> None:
    """What is printed of a log without records is part of every later one of that node."""
    asked.answers = [page([])]
    empty = json.loads((await run("access-log", "--verify", "--json")).stdout)["tip"]
    asked.answers = [page(log_of(node, 2))]
    assert (await run("access-log", "--verify", "--known", empty)).exit_code == 0


@pytest.mark.parametrize("known", ["zz", "", "5", "5:" + "0" * 63, "-1:" + "0" * 64])
async def test_a_mistyped_tip_is_wrong_usage_and_no_alarm(
    node: FakeNode, wallet_home: Path, known: str
) -> None:
    """Status 2 before anything is asked; a broken log is told of by status 1."""
    result = await run("access-log", "--verify", "--known", known)
    assert result.exit_code == 2
    assert "as --verify prints it" in result.stderr


@pytest.mark.parametrize("fault", ["changed", "removed", "other_root", "cut", "other_shape"])
async def test_a_broken_access_log_is_told(
    node: FakeNode, wallet_home: Path, asked: Asked, fault: str
) -> None:
    """Status 1 and where it breaks, also when the end was cut off since a known tip."""
    records = log_of(node, 4)
    known = f"4:{records[3]['hash']}"
    shown = {
        "changed": [records[0], {**records[1], "status": 403}, *records[2:]],
        "removed": [records[0], *records[2:]],
        "other_root": records[1:],
        "cut": records[:3],
        "other_shape": [{"sequence": 1, "previous": records[0]["previous"], "hash": 5}],
    }[fault]
    asked.answers = [page(shown)]
    result = await run("access-log", "--verify", "--known", known)
    assert result.exit_code == 1
    assert "error[access_log_broken]: " in result.stderr
