"""Saving evidence bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.factories import Network
from tests.unit.wallet.bundles import make_bundle
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode


@pytest.fixture
def bundle(network: Network, node: FakeNode) -> dict[str, Any]:
    """Return a bundle that the node gives out."""
    document = make_bundle(network)
    node.proofs[document["txid"]] = document
    return document


async def test_a_proof_is_checked_and_saved(
    run: Run, bundle: dict[str, Any], tmp_path: Path
) -> None:
    """The file is the node's bundle, once every step of it has been checked."""
    file = tmp_path / "payment.json"
    result = await run("proof", bundle["txid"].upper(), "-o", str(file), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {"txid": bundle["txid"], "height": 1, "file": str(file)}
    assert json.loads(file.read_text()) == bundle


async def test_what_is_no_txid_is_refused_here(run: Run, node: FakeNode, tmp_path: Path) -> None:
    """A mistyped id, or one that would lead elsewhere in the API, is not even asked for."""
    for text in ("zz", "ab" * 31, "../status", "ab" * 32 + "/"):
        result = await run("proof", text, "-o", str(tmp_path / "payment.json"))
        assert result.stderr.startswith("error[bad_txid]: ")
    assert node.requests == []


async def test_a_false_proof_is_not_saved_threat_73(
    run: Run, bundle: dict[str, Any], node: FakeNode, tmp_path: Path
) -> None:
    """A node that lies is caught before anyone relies on the file."""
    file = tmp_path / "payment.json"
    bundle["index"] = 0
    result = await run("proof", bundle["txid"], "-o", str(file), "--as", "alice")
    assert "error[not_included]: " in result.stderr
    node.proofs["ab" * 32] = bundle
    result = await run("proof", "ab" * 32, "-o", str(file), "--as", "alice")
    assert "error[bad_answer]: " in result.stderr
    assert not file.exists()


async def test_each_key_is_tried_until_one_may_see_it(
    run: Run, bundle: dict[str, Any], node: FakeNode, tmp_path: Path
) -> None:
    """Who was a party need not be said: keys that may not see it are passed over."""
    node.statuses = {}
    result = await run("proof", "cd" * 32, "-o", str(tmp_path / "x.json"))
    assert "error[unknown_transaction]: " in result.stderr
    proofs_asked = [path for _, path in node.requests if path.endswith("/proof")]
    assert len(proofs_asked) > 1


async def test_an_unwritable_file_is_told(run: Run, bundle: dict[str, Any], tmp_path: Path) -> None:
    """The fault names the file."""
    result = await run("proof", bundle["txid"], "-o", str(tmp_path / "none/x.json"))
    assert "error[unwritable]: " in result.stderr
