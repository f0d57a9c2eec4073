"""`sunlit govern`: a measure from its proposal to the chain, and what is refused on the way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.govern_cli import VALID_BLOCKS, VALID_BLOCKS_MAX, govern
from ledger import limits
from ledger.addresses import encode_account_id
from ledger.hashing import BlockHash
from ledger.identity import AccountStatus
from ledger.measures import Freeze
from ledger.proposal_document import format_proposal
from ledger.proposals import PROPOSAL_VALIDITY_BLOCKS, Proposal, draft_proposal
from ledger.state import account_of, next_sequence
from ledger.transactions import Actor
from tests.factories import REGULATOR, Network
from tests.unit.wallet.fake_node import HEAD_HEIGHT, FakeNode
from wallet.cli import wallet
from wallet.outbox import Outbox
from wallet.profile import load_profile, save_profile

PROPOSE = ("propose", "freeze", "--reason", "court order 7", "--case", "2026-7")


async def run(*words: str | Path, stdin: str | None = None) -> Result:
    """Run `sunlit govern` in a thread, beside the node's loop."""
    texts = [str(word) for word in words]
    return await asyncio.to_thread(CliRunner().invoke, govern, texts, input=stdin)


async def done(*words: str | Path) -> dict[str, Any]:
    """Run `sunlit govern` with --json, expect success and return its document."""
    result = await run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


async def refused(code: str, *words: str | Path, stdin: str | None = None) -> None:
    """Expect one line with a code, status 1 and nothing on stdout."""
    result = await run(*words, stdin=stdin)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"error[{code}]: ")
    assert result.stdout == ""


async def proposed(file: Path, account: str = "alice") -> Path:
    """Write a proposal to freeze an account, signed by the maker."""
    await done(*PROPOSE, "--account", account, "--as", "regulator", "-o", file)
    return file


def status_of(node: FakeNode, name: str) -> AccountStatus:
    """Return the status of an account on the chain."""
    record = account_of(node.state, node.network.holders[name].id)
    assert record is not None
    return record.status


async def test_a_freeze_from_proposal_to_chain(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """Maker, checker, submission; then the wallet's payment is refused by its code."""
    file = tmp_path / "freeze.json"
    made = await done(*PROPOSE, "--account", "alice", "--as", "regulator", "-o", file)
    assert made["file"] == str(file)
    assert (made["signatures"], made["threshold"], made["complete"]) == (1, 2, False)
    assert made["valid_until"] == HEAD_HEIGHT + VALID_BLOCKS
    signed = await done("cosign", file, "--as", "regulator-checker", "--yes")
    assert (signed["signatures"], signed["complete"], signed["txid"]) == (2, True, made["txid"])
    sent = await done("submit", file)
    assert sent == {"txid": made["txid"], "status": "included", "height": HEAD_HEIGHT + 1}
    assert status_of(node, "alice") is AccountStatus.FROZEN
    words = ("send", "--from", "alice", "--to", "bob", "1", "CNY")
    payment = await asyncio.to_thread(CliRunner().invoke, wallet, words)
    assert payment.exit_code == 1
    assert payment.stderr.splitlines()[-1].startswith("error[account_frozen]: ")


async def test_several_accounts_are_unfrozen_together(
    node: FakeNode, wallet_home: Path, tmp_path: Path, network: Network
) -> None:
    """One proposal names accounts by name or id; sending it again changes nothing."""
    node.state.apply(network.freeze("alice"))
    node.state.apply(network.freeze("bob", sequence=1))
    file = tmp_path / "unfreeze.json"
    bob = encode_account_id(network.holders["bob"].id)
    words = ("unfreeze", "--reason", "cleared", "--account", "alice", "--account", bob)
    await done("propose", *words, "--as", "regulator-checker", "-o", file)
    await done("cosign", file, "--as", "regulator", "--yes")
    assert (await done("submit", file, "--wait", "final"))["status"] == "final"
    assert (await done("submit", file, "--wait", "none"))["status"] == "final"
    assert status_of(node, "alice") is status_of(node, "bob") is AccountStatus.ACTIVE
    assert Outbox(wallet_home).transactions() == []


async def test_a_script_signs_by_its_command_and_is_shown_the_bytes(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """Where nobody can be asked nothing waits for an answer; what is decided is told all the same."""
    file = await proposed(tmp_path / "freeze.json")
    signed = await run("cosign", file, "--as", "regulator-checker")
    assert signed.exit_code == 0
    assert "reason: court order 7" in signed.stderr
    assert "Sign this" not in signed.stderr


async def test_the_checker_sees_the_bytes_and_is_asked(
    node: FakeNode, wallet_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is decided is shown before the question; No leaves the file as it was."""
    monkeypatch.setattr("auditor.governing.has_terminal", lambda: True)
    file = await proposed(tmp_path / "freeze.json")
    before = file.read_bytes()
    result = await run("cosign", file, "--as", "regulator-checker", stdin="n\n")
    assert result.exit_code == 1
    assert "freeze sun1" in result.stderr
    assert "(alice)" in result.stderr
    assert "reason: court order 7" in result.stderr
    assert "case: 2026-7" in result.stderr
    assert "signed 1 of 2: regulator" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error[not_confirmed]: ")
    assert file.read_bytes() == before
    agreed = await run("cosign", file, "--as", "regulator-checker", stdin="y\n")
    assert agreed.exit_code == 0
    assert "submit" in agreed.stdout


async def test_a_checker_needs_no_network(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """Cosigning and showing ask no node; the result may go to another file."""
    file, signed = await proposed(tmp_path / "freeze.json"), tmp_path / "signed.json"
    node.requests.clear()
    await done("cosign", file, "--as", "regulator-checker", "--yes", "-o", signed)
    shown = await done("show", signed)
    assert node.requests == []
    assert (shown["complete"], len(shown["signatures"])) == (True, 2)
    assert (await done("show", file))["complete"] is False
    await refused("file_exists", "cosign", file, "--as", "regulator-checker", "--yes", "-o", signed)


async def test_threat_30_one_officer_is_not_two(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """The maker cannot check, nobody else's officer can, and half of it cannot be submitted."""
    file = await proposed(tmp_path / "freeze.json")
    await refused("already_signed", "cosign", file, "--as", "regulator", "--yes")
    await refused("not_an_officer", "cosign", file, "--as", "bank2-officer", "--yes")
    await refused("not_an_officer", "cosign", file, "--as", "alice", "--yes")
    await refused("signatures_missing", "submit", file)
    assert node.submitted == []


async def test_threat_30_a_changed_file_is_not_signed(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """Words that differ from the bytes are refused by every command."""
    file = await proposed(tmp_path / "freeze.json")
    file.write_text(file.read_text().replace("court order 7", "court order 8"))
    for words in (
        ("cosign", file, "--as", "regulator-checker", "--yes"),
        ("submit", file),
        ("show", file),
    ):
        await refused("proposal_differs", *words)


async def test_threat_23_a_proposal_for_another_chain_is_refused(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """The home knows its chain, whatever the file says."""
    file = await proposed(tmp_path / "freeze.json")
    renamed = tmp_path / "renamed.json"
    renamed.write_text(file.read_text().replace('"chain_id": "test"', '"chain_id": "other"'))
    await refused("wrong_chain", "cosign", renamed, "--as", "regulator-checker", "--yes")
    profile = load_profile(wallet_home)
    save_profile(
        wallet_home, type(profile)(chain_id="test", genesis_hash=BlockHash(bytes(32)), nodes=())
    )
    await refused("wrong_chain", "cosign", file, "--as", "regulator-checker", "--yes")
    await refused("wrong_chain", "submit", file)


def drafted(network: Network, sequence: int = 0) -> Proposal:
    """Return a proposal as a node drafts it, unsigned."""
    return draft_proposal(
        [Freeze(account=network.holders["bob"].id, reason="alert 12")],
        chain_id="test",
        genesis_hash=network.genesis_hash,
        actor=Actor(REGULATOR, 0, sequence),
        member=network.genesis.members[REGULATOR],
        head_height=1,
        nonce=bytes(16),
    )


@pytest.mark.parametrize("command", ["sign", "cosign"])
async def test_a_draft_is_signed_with_the_sequence_that_is_next(
    node: FakeNode, wallet_home: Path, tmp_path: Path, network: Network, command: str
) -> None:
    """A draft that was overtaken is renewed by its first signature, and goes through."""
    file = tmp_path / "draft.json"
    file.write_text(format_proposal(drafted(network)))
    node.state.apply(network.freeze("alice"))
    await done(command, file, "--as", "regulator", "--yes")
    assert (await done("show", file))["decoded"]["sequence"] == 1
    await done("cosign", file, "--as", "regulator-checker", "--yes")
    await done("submit", file)
    assert status_of(node, "bob") is AccountStatus.FROZEN
    assert next_sequence(node.state, Actor(REGULATOR, 0, 0)) == 2


async def test_a_draft_that_is_still_next_keeps_its_id(
    node: FakeNode, wallet_home: Path, tmp_path: Path, network: Network
) -> None:
    """Whoever drafted it finds it on the chain again."""
    draft, file = drafted(network), tmp_path / "draft.json"
    file.write_text(format_proposal(draft))
    signed = await done("sign", file, "--as", "regulator", "--yes")
    assert signed["txid"] == draft.txid.hex()


async def test_a_refusal_has_the_ledgers_code(
    node: FakeNode, wallet_home: Path, tmp_path: Path, network: Network
) -> None:
    """What another proposal decided meanwhile is told, and nothing is left in the outbox."""
    first, second = await proposed(tmp_path / "1.json"), await proposed(tmp_path / "2.json")
    for file in (first, second):
        await done("cosign", file, "--as", "regulator-checker", "--yes")
    await done("submit", first)
    await refused("sequence_conflict", "submit", second)
    third = await proposed(tmp_path / "3.json")
    await done("cosign", third, "--as", "regulator-checker", "--yes")
    await refused("already_frozen", "submit", third)
    assert Outbox(wallet_home).transactions() == []


async def test_a_wait_that_ends_is_told_and_sent_again(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """A timeout exits 1 with its code; the same file goes through later."""
    file = await proposed(tmp_path / "freeze.json")
    await done("cosign", file, "--as", "regulator-checker", "--yes")
    node.is_stuck = True
    await refused("timeout", "submit", file, "--timeout", "0.2")
    node.is_stuck = False
    assert (await done("submit", file))["status"] == "included"


async def test_who_may_propose(node: FakeNode, wallet_home: Path, tmp_path: Path) -> None:
    """Only a regulator's officer; no file is overwritten, none is written in vain."""
    file = tmp_path / "freeze.json"
    bank = ("--account", "alice", "--as", "bank2-officer", "-o", file)
    await refused("not_regulator", *PROPOSE, *bank)
    own = ("--account", "alice", "--as", "alice", "-o", file)
    await refused("not_an_officer", *PROPOSE, *own)
    twice = ("--account", "alice", "--account", "alice", "--as", "regulator", "-o", file)
    await refused("repeated_account", *PROPOSE, *twice)
    empty = ("propose", "freeze", "--reason", "", "--account", "alice", "--as", "regulator")
    await refused("no_reason", *empty, "-o", file)
    assert not file.exists()
    await proposed(file)
    await refused("file_exists", *PROPOSE, "--account", "bob", "--as", "regulator", "-o", file)


@pytest.mark.parametrize(
    "words",
    [
        ("propose", "close", "--account", "alice"),
        ("propose", "freeze", "--account", "alice"),
        ("cosign", "missing.json", "--as", "regulator"),
        ("submit",),
    ],
)
async def test_wrong_usage_exits_2(wallet_home: Path, words: tuple[str, ...]) -> None:
    """Another measure, no reason, no file."""
    assert (await run(*words)).exit_code == 2


async def test_threat_29_a_reason_cannot_drive_the_checkers_terminal(
    node: FakeNode, wallet_home: Path, tmp_path: Path
) -> None:
    """Escape sequences and line breaks are shown by their code points."""
    file = tmp_path / "freeze.json"
    evil = "fine\x1b[2K\r\nsigned 2 of 2"
    words = ("--reason", evil, "--account", "alice", "--as", "regulator", "-o", file)
    await done("propose", "freeze", *words)
    shown = (await run("show", file)).stdout
    assert "\x1b" not in shown
    assert "\\u{1b}[2K\\u{d}\\u{a}signed" in shown


def test_help_says_the_limits_of_the_ledger() -> None:
    """The options' bounds, kept apart so that --help loads quickly, are the ledger's."""
    assert VALID_BLOCKS == PROPOSAL_VALIDITY_BLOCKS
    assert VALID_BLOCKS_MAX == limits.GOVERN_VALIDITY_BLOCKS_MAX
