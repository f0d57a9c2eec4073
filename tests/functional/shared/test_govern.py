"""A freeze as a regulator makes it: proposed, cosigned, submitted, felt at every node, lifted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.addresses import encode_account_id
from tests.functional.devnet import Api, Devnet

NODES = ("bank1", "bank2", "regulator")


def decide(net: Devnet, measure: str, account: str, file: Path) -> dict[str, Any]:
    """Carry a measure from the maker over the checker to the final block."""
    words = ("--account", account, "--reason", "court order 7", "--case", "2026-7")
    net.done("govern", "propose", measure, *words, "--as", "regulator", "-o", str(file))
    net.done("govern", "cosign", str(file), "--as", "regulator-checker", "--yes")
    return net.done("govern", "submit", str(file), "--wait", "final")


async def status_at(net: Devnet, api: Api, node: str, name: str) -> str:
    """Return the status that a node's final block gives an account."""
    path = f"/v1/accounts/{encode_account_id(net.account(name))}"
    code, account = await api.get(node, path, reader="regulator")
    assert code == 200, account
    status: str = account["status"]
    return status


async def test_a_freeze_holds_at_every_node_until_it_is_lifted(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """No node takes a debit, every node a credit; unfrozen, the account pays again."""
    held = net.take_account("bank2")
    sent = decide(net, "freeze", held, tmp_path / "freeze.json")
    assert set(sent) == {"txid", "status", "height"}
    assert sent["status"] == "final"
    for node in NODES:
        await api.until_final(node, {sent["txid"]}, first=1)
        assert await status_at(net, api, node, held) == "frozen"
        height = await api.head_height(node)
        debit = net.payment(held, "alice", 100, lane=9, sequence=0, head_height=height)
        code, answer = await api.submit(node, debit.raw)
        assert (code, answer["code"]) == (422, "account_frozen")
    refused = net.sunlit("wallet", "send", "--from", held, "--to", "alice", "1", "CNY", "--json")
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("error[account_frozen]: ")
    credit = ("wallet", "send", "--from", "alice", "--to", held, "3", "CNY", "--wait", "final")
    assert net.done(*credit)["status"] == "final"
    lifted = decide(net, "unfreeze", held, tmp_path / "unfreeze.json")
    await api.until_final("bank2", {lifted["txid"]}, first=1)
    paid = net.done("wallet", "send", "--from", held, "--to", "alice", "1", "CNY")
    assert paid["status"] in ("included", "final")


async def test_what_waits_when_its_account_is_frozen_is_rejected(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """A payment parked ahead of its lane leaves every mempool with the reason."""
    held = net.take_account()
    height = await api.head_height("bank1")
    parked = net.payment(held, "alice", 100, lane=5, sequence=1, head_height=height)
    assert (await api.submit("bank1", parked.raw))[0] == 202
    sent = decide(net, "freeze", held, tmp_path / "freeze.json")
    await api.until_final("bank1", {sent["txid"]}, first=1)
    _, shown = await api.get("bank1", f"/v1/transactions/{parked.txid.hex()}")
    assert (shown["status"], shown["code"]) == ("rejected", "account_frozen")


async def test_the_regulator_finds_its_measures(net: Devnet, api: Api, tmp_path: Path) -> None:
    """Audit search by kind, the wallet's history, and a proof that holds offline."""
    held = net.take_account()
    sent = decide(net, "freeze", held, tmp_path / "freeze.json")
    await api.until_final("regulator", {sent["txid"]}, first=1)
    path = "/v1/audit/transactions?kind=govern&limit=1"
    _, page = await api.get("regulator", path, reader="regulator")
    (item,) = page["items"]
    assert item["txid"] == sent["txid"]
    (measure,) = item["body"]["measures"]
    assert (measure["measure"], measure["case"]) == ("freeze", "2026-7")
    history = net.sunlit("wallet", "history", held)
    assert "freeze: court order 7" in history.stdout
    proof = tmp_path / "proof.json"
    words = ("wallet", "proof", sent["txid"], "--as", "regulator", "-o", str(proof), "--json")
    assert net.sunlit(*words).status == 0
    verified = net.done("audit", "verify", str(proof))
    assert (verified["verified"], verified["kind"]) == (True, "govern")


def test_threat_30_one_officer_freezes_nothing(net: Devnet, tmp_path: Path) -> None:
    """The maker cannot cosign, a half-signed file is not sent, and a changed one is not signed."""
    file = tmp_path / "freeze.json"
    words = ("--account", "alice", "--reason", "alert 12", "--as", "regulator", "-o", str(file))
    net.done("govern", "propose", "freeze", *words)
    for code, command in (
        ("already_signed", ("cosign", str(file), "--as", "regulator", "--yes")),
        ("not_an_officer", ("cosign", str(file), "--as", "bank1-officer", "--yes")),
        ("signatures_missing", ("submit", str(file))),
    ):
        ended = net.sunlit("govern", *command, "--json")
        assert (ended.status, ended.stdout) == (1, "")
        assert ended.stderr.splitlines()[-1].startswith(f"error[{code}]: ")
    file.write_text(file.read_text().replace("alert 12", "alert 13"))
    ended = net.sunlit("govern", "cosign", str(file), "--as", "regulator-checker", "--yes")
    assert ended.stderr.splitlines()[-1].startswith("error[proposal_differs]: ")
