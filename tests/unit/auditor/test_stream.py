"""`sunlit audit stream`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jwt
from click.testing import CliRunner, Result

from auditor.cli import audit
from tests.unit.wallet.fake_node import FakeNode, block_event


async def run(*words: str) -> Result:
    """Run `sunlit audit` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, words)


async def test_blocks_are_printed_one_a_line(node: FakeNode, wallet_home: Path) -> None:
    """With --json each line is a block as the node gave it; the token is the regulator's."""
    node.streams = [block_event(1) + block_event(2)]
    result = await run("stream", "--from", "1", "--json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["height"] for line in result.stdout.splitlines()] == [1, 2]
    token = node.tokens[-1]
    assert token is not None
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("regulator", "test/bank1")


async def test_people_see_a_line_a_block(node: FakeNode, wallet_home: Path) -> None:
    """Height, sealer, count and hash are enough to follow; a reset is told."""
    reset = b'event: reset\nid: 1:h1\ndata: {"height": 1, "hash": "h1"}\n\n'
    node.streams = [block_event(1) + reset]
    lines = (await run("stream", "--as", "regulator-checker")).stdout.splitlines()
    assert lines[0].startswith("block 1 ")
    assert lines[0].endswith("0 transactions, h1")
    assert lines[1] == "reset 1:h1"
    node.streams = [reset]
    line = (await run("stream", "--json")).stdout
    assert json.loads(line) == {"event": "reset", "id": "1:h1", "height": 1, "hash": "h1"}


async def test_a_gap_ends_with_an_error_threat_73(node: FakeNode, wallet_home: Path) -> None:
    """What came before the gap is printed; the gap is told, and the status is 1."""
    node.streams = [block_event(1) + block_event(3)]
    result = await run("stream", "--json")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "error[stream_gap]: " in result.stderr


async def test_only_officers_read_the_audit_stream(node: FakeNode, wallet_home: Path) -> None:
    """An account's key is refused before anything is asked."""
    result = await run("stream", "--as", "alice")
    assert "error[not_an_officer]: " in result.stderr
    assert node.requests == []
