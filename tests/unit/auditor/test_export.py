"""`sunlit audit export`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from tests.unit.wallet.fake_node import FakeNode
from wallet.client import NodeClient


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


class Parts:
    """A table in parts of one block each, up to the height that the node calls final."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.asked: list[int] = []
        self.damaged: int | None = None

    async def chunks(self, data: bytes) -> AsyncIterator[bytes]:
        """Give bytes in two pieces."""
        yield data[:2]
        yield data[2:]

    def answer(self, query: Mapping[str, str]) -> Any:
        """Return the part that a query asks for."""
        first = int(query["from"])
        self.asked.append(first)
        data = f"part {first}".encode()
        headers = {
            "Sunlit-To": str(first),
            "Sunlit-Rows": "3",
            "Sunlit-Sha256": sha256(b"" if first == self.damaged else data).hexdigest(),
        }
        if first < self.last:
            headers["Sunlit-Next"] = str(first + 1)
        content = SimpleNamespace(iter_any=lambda: self.chunks(data))
        return SimpleNamespace(headers=headers, content=content)


@pytest.fixture
def parts(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Play the node's parts."""
    parts = Parts(0)
    status = NodeClient.status

    async def known(client: NodeClient) -> dict[str, Any]:
        return {**await status(client), "finalized": {"height": parts.last, "hash": "00"}}

    @asynccontextmanager
    async def download(
        client: NodeClient, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[Any]:
        yield parts.answer(query)

    monkeypatch.setattr(NodeClient, "status", known)
    monkeypatch.setattr(NodeClient, "download", download)
    return parts


async def test_an_export_goes_on_where_it_stopped(
    parts: Parts, wallet_home: Path, tmp_path: Path
) -> None:
    """All parts, each under its heights; later only what is new."""
    words = ("export", "--out", str(tmp_path / "out"), "--table", "legs", "--json")
    parts.last = 2
    result = await run(*words)
    assert json.loads(result.stdout)["tables"] == {"legs": {"files": 3, "rows": 9, "kept": 0}}
    names = sorted(path.name for path in (tmp_path / "out" / "legs").iterdir())
    assert names == ["0-0.parquet", "1-1.parquet", "2-2.parquet"]
    parts.asked, parts.last = [], 4
    await run(*words)
    assert parts.asked == [3, 4]
    (tmp_path / "out" / "legs" / "1-1.parquet").unlink()
    parts.asked = []
    await run(*words)
    assert parts.asked == [1, 2, 3, 4]


async def test_a_part_is_on_disk_before_it_has_its_name(
    parts: Parts, wallet_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its bytes are synced while it is still incomplete: it will never be fetched again."""
    directory = tmp_path / "out" / "legs"
    synced: dict[int, int] = {}

    def fsync(descriptor: int) -> None:
        about = os.fstat(descriptor)
        assert (directory / "part.incomplete").stat().st_ino == about.st_ino
        synced[about.st_ino] = about.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    parts.last = 1
    result = await run("export", "--out", str(tmp_path / "out"), "--table", "legs")
    assert result.exit_code == 0, result.stderr
    named = {path.stat().st_ino: path.stat().st_size for path in directory.iterdir()}
    assert (len(named), named) == (2, synced)


async def test_a_part_that_is_not_whole_gets_no_name(
    parts: Parts, wallet_home: Path, tmp_path: Path
) -> None:
    """What does not hash to what the node said is refused, and fetched anew the next time."""
    parts.last, parts.damaged = 1, 1
    words = ("export", "--out", str(tmp_path), "--table", "blocks")
    result = await run(*words)
    assert result.exit_code == 1
    assert "error[bad_answer]: " in result.stderr
    assert not (tmp_path / "blocks" / "1-1.parquet").exists()
    parts.asked, parts.damaged = [], None
    assert (await run(*words)).exit_code == 0
    assert parts.asked == [1]


async def test_registers_are_fetched_anew(parts: Parts, wallet_home: Path, tmp_path: Path) -> None:
    """They have no heights: one file, replaced."""
    words = ("export", "--out", str(tmp_path), "--table", "members")
    for _ in range(2):
        assert (await run(*words)).exit_code == 0
    assert parts.asked == [0, 0]
    assert (tmp_path / "members" / "members.parquet").read_bytes() == b"part 0"
