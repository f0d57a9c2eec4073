"""`sunlit audit dashboard`."""

from __future__ import annotations

import asyncio
import json
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from tests.unit.wallet.fake_node import FakeNode


async def run(*words: str) -> Result:
    """Run `sunlit audit dashboard` in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, audit, ("dashboard", *words))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the pages that were opened, in place of a browser."""
    pages: list[str] = []

    def browse(url: str) -> bool:
        pages.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    return pages


async def test_the_page_is_opened_signed_in(
    node: FakeNode, wallet_home: Path, opened: list[str]
) -> None:
    """The token is a regulator's for that node, and stands where browsers send it to nobody."""
    result = await run("--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (opened, document["opened"]) == ([document["url"]], True)
    parts = urlsplit(document["url"])
    assert (parts.path, parts.query) == ("/dashboard", "")
    name, _, token = parts.fragment.partition("=")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (name, claims["sub"], claims["aud"]) == ("token", "regulator", "test/bank1")
    assert node.requests == [("GET", "/v1/status")]


async def test_no_browser_is_opened_when_it_is_not_wanted(
    node: FakeNode, wallet_home: Path, opened: list[str]
) -> None:
    """The URL alone is data, on stdout; the rest is for people, without the token."""
    result = await run("--no-open", "--as", "regulator-checker")
    assert opened == []
    assert urlsplit(result.stdout.strip()).fragment.startswith("token=")
    assert "/dashboard is ready; its token ends " in result.stderr
    assert "token=" not in result.stderr


async def test_an_accounts_key_opens_no_dashboard(
    node: FakeNode, wallet_home: Path, opened: list[str]
) -> None:
    """It is refused before anything is asked or opened."""
    result = await run("--as", "alice")
    assert "error[not_an_officer]: " in result.stderr
    assert (opened, node.requests) == ([], [])
