"""`sunlit attest` and `sunlit attestations`: hashes, revisions, and what is not sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ledger.attestations import Attest, DocumentKind
from tests.unit.wallet.fake_node import FakeNode
from wallet.commands.attesting import KINDS, attest, attestations

Attesting = Callable[..., Awaitable[Result]]

SUBJECT = "scoring 1.2"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Return a document."""
    file = tmp_path / "card.json"
    file.write_bytes(b"card")
    return file


def rewrite(file: Path, content: bytes) -> None:
    """Let a document be another one."""
    file.write_bytes(content)


async def invoke(command: click.Command, *words: str) -> Result:
    """Run a command in a thread, beside the node's loop."""
    return await asyncio.to_thread(CliRunner().invoke, command, words)


@pytest.fixture
def attesting(wallet_home: Path) -> Attesting:
    """Return what attests as bank1's officer, with --json."""

    async def run(*words: str, officer: str = "bank1-officer") -> Result:
        about = ("--kind", "model_card", "--subject", SUBJECT, "--as", officer, "--json")
        return await invoke(attest, *words, *about)

    return run


def done(result: Result) -> dict[str, Any]:
    """Return what a command printed, which succeeded."""
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_commands_kinds_are_the_ledgers() -> None:
    """The choices, which are spelled out so that help is quick, are all there are."""
    assert list(KINDS) == [kind.value for kind in DocumentKind]


async def test_a_document_is_attested_by_its_hash(
    attesting: Attesting, node: FakeNode, card: Path
) -> None:
    """The officer signs for the member; nothing of the document leaves but its hash."""
    receipt = done(await attesting(str(card), "--reference", "committee 7", "--wait", "final"))
    (transaction,) = node.submitted
    digest = sha256(b"card")
    assert receipt == {
        "txid": transaction.txid.hex(),
        "status": "final",
        "height": 8,
        "sha256": digest.hexdigest(),
        "revision": 1,
    }
    body = transaction.body
    assert body.effect == Attest(
        kind=DocumentKind.MODEL_CARD, subject=SUBJECT, revision=1, sha256=digest.digest()
    )
    assert (body.reference, [actor.id for actor in body.actors]) == ("committee 7", ["bank1"])


async def test_the_same_document_is_not_sent_twice(
    attesting: Attesting, node: FakeNode, card: Path
) -> None:
    """A second run shows the first one's transaction, by file or by hash."""
    first = done(await attesting(str(card)))
    node.statuses[first["txid"]] = "final"
    again = done(await attesting(str(card)))
    assert again == first | {"status": "final"}
    by_hash = done(await attesting("--sha256", sha256(b"card").hexdigest().upper()))
    assert by_hash == again
    assert len(node.submitted) == 1


async def test_another_document_supersedes_only_when_told(
    attesting: Attesting, node: FakeNode, card: Path
) -> None:
    """Without --supersede it is refused before anything is signed; with it, it is revision 2."""
    done(await attesting(str(card)))
    rewrite(card, b"corrected")
    refused = await attesting(str(card))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "error[superseding]: " in refused.stderr
    assert len(node.submitted) == 1
    assert done(await attesting(str(card), "--supersede"))["revision"] == 2
    rewrite(card, b"card")
    assert done(await attesting(str(card), "--supersede"))["revision"] == 3


async def test_a_revision_under_way_is_not_sent_twice(
    attesting: Attesting, node: FakeNode, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was lost leaves the attestation to `wallet resend`."""
    monkeypatch.setattr("wallet.session.ATTEMPTS_MAX", 1)
    node.refuse("POST", 503, "busy")
    assert "resend" in (await attesting(str(card))).stderr
    again = await attesting(str(card))
    assert "error[already_sent]: " in again.stderr
    assert node.submitted == []


async def test_as_many_officers_as_must_sign(
    attesting: Attesting, node: FakeNode, card: Path
) -> None:
    """The regulator's attestation takes both; officers of two members do not mix."""
    alone = await attesting(str(card), officer="regulator")
    assert "error[missing_signature]: " in alone.stderr
    mixed = await attesting(str(card), "--as", "bank2-officer", officer="regulator")
    assert "error[not_an_officer]: " in mixed.stderr
    done(await attesting(str(card), "--as", "regulator-checker", officer="regulator"))
    assert len(node.submitted[0].signatures) == 2


async def test_what_is_no_document_is_refused(
    attesting: Attesting, node: FakeNode, card: Path
) -> None:
    """Neither a mistyped hash, nor a hostile subject, nor a file and a hash together."""
    assert "error[bad_sha256]: " in (await attesting("--sha256", "00")).stderr
    assert (await attesting()).exit_code == 2
    assert (await attesting(str(card), "--sha256", "00" * 32)).exit_code == 2
    hostile = ("--kind", "model", "--subject", "a\x1b[2J", "--as", "bank1-officer")
    result = await invoke(attest, str(card), *hostile)
    assert "error[bad_subject]: " in result.stderr
    assert node.submitted == []


async def test_attestations_are_found_by_document(
    attesting: Attesting, card: Path, tmp_path: Path
) -> None:
    """Whoever has the file learns who stands by it; another file has nobody."""
    done(await attesting(str(card)))
    found = done(await invoke(attestations, "--document", str(card), "--json"))
    (item,) = found["items"]
    assert (item["member"], item["subject"], item["revision"]) == ("bank1", SUBJECT, 1)
    text = (await invoke(attestations, "--sha256", sha256(b"card").hexdigest())).stdout
    assert f"{SUBJECT}" in text
    other = tmp_path / "other.json"
    other.write_bytes(b"other")
    assert done(await invoke(attestations, "--document", str(other), "--json"))["items"] == []
    both = await invoke(attestations, "--document", str(other), "--sha256", "00" * 32)
    assert both.exit_code == 2


async def test_attestations_are_listed_up_to_a_limit(attesting: Attesting, card: Path) -> None:
    """All revisions, in order, from as many pages as the node makes of them."""
    for content in (b"one", b"two", b"three"):
        rewrite(card, content)
        done(await attesting(str(card), "--supersede"))
    listed = done(await invoke(attestations, "--member", "bank1", "--as", "alice", "--json"))
    assert [item["revision"] for item in listed["items"]] == [1, 2, 3]
    first = done(await invoke(attestations, "--limit", "2", "--json"))
    assert [item["revision"] for item in first["items"]] == [1, 2]
