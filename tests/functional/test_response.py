"""From payments to a freeze: an alert, a case, two officers, the chain, and evidence offline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.addresses import encode_account_id
from tests.functional.devnet import HANG_S, Api, Devnet, running_devnet

NODES = ("bank1", "bank2", "regulator")
AMOUNTS = (995_000, 998_000, 992_000, 997_500, 999_900, 994_000)
"""Payments of CNY in smallest units, each just under the reporting threshold of 10,000.00."""
LANE = 2


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """One development network for all of these tests."""
    with running_devnet(tmp_path_factory.mktemp("response")) as net:
        yield net


async def structured(net: Devnet, api: Api) -> set[str]:
    """Let alice pay bob in amounts just under the threshold; return the txids, all final."""
    head = await api.head_height("bank1")
    payments = [
        net.payment("alice", "bob", amount, lane=LANE, sequence=at, head_height=head)
        for at, amount in enumerate(AMOUNTS)
    ]
    for payment in payments:
        status, answer = await api.submit("bank1", payment.raw)
        assert status == 202, answer
    txids = {payment.txid.hex() for payment in payments}
    await api.until_final("regulator", txids, first=head)
    return txids


def first_alert(net: Devnet) -> dict[str, Any]:
    """Return the first alert of structuring, as ``--follow`` prints it when it comes."""
    words = ("audit", "alerts", "--follow", "--typology", "structuring", "--json")
    following = subprocess.Popen(
        net.command(*words), env=net.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert following.stdout is not None
        alert: dict[str, Any] = json.loads(following.stdout.readline())
    finally:
        following.kill()
        following.communicate()
    return alert


async def test_an_alert_ends_in_a_freeze_with_its_evidence(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """Seen, answered, signed by two, applied at every node, told by the case, proved offline."""
    txids = await structured(net, api)
    async with asyncio.timeout(HANG_S):
        alert = await asyncio.to_thread(first_alert, net)
    alice = encode_account_id(net.account("alice"))
    assert (alert["account"], set(alert["transactions"]) <= txids) == (alice, True)
    draft = tmp_path / "freeze.json"
    answered = net.done("audit", "respond", alert["id"], "-o", str(draft))
    case_id = answered["case"]
    net.done("govern", "sign", str(draft), "--as", "regulator", "--yes")
    net.done("govern", "cosign", str(draft), "--as", "regulator-checker", "--yes")
    sent = net.done("govern", "submit", str(draft), "--wait", "final")
    for node in NODES:
        await api.until_final(node, {sent["txid"]}, first=1)
        _, account = await api.get(node, f"/v1/accounts/{alice}", reader="regulator")
        assert account["status"] == "frozen"
    net.done("audit", "cases", "note", case_id, "frozen; the bank is told")
    case = await applied(net, case_id)
    (effect,) = case["effects"]
    assert (effect["account"], effect["status"]) == (alice, "frozen")
    assert effect["frozen_since"]["txid"] == sent["txid"]
    held = 100_000_000 - sum(AMOUNTS)
    assert effect["balances"] == [{"asset": "CNY", "amount": str(held)}]
    assert [note["text"] for note in case["notes"]] == ["frozen; the bank is told"]
    archive = tmp_path / "case.zip"
    net.done("audit", "cases", "export", case_id, "-o", str(archive))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    expected = {*alert["transactions"], sent["txid"]}
    bundles = {path.stem: path for path in (tmp_path / "evidence").iterdir()}
    assert set(bundles) == expected
    for txid, path in bundles.items():
        verified = net.done("audit", "verify", str(path))
        assert (verified["verified"], verified["txid"]) == (True, txid)


async def applied(net: Devnet, case_id: str) -> dict[str, Any]:
    """Return the case once the warehouse has the measure's block."""
    async with asyncio.timeout(HANG_S):
        while True:
            case = await asyncio.to_thread(net.done, "audit", "cases", "show", case_id)
            if case["state"] == "measure_applied":
                return case


async def test_the_commands_say_what_they_cannot_do(net: Devnet, tmp_path: Path) -> None:
    """A bank's node has no analytics; unknown and mistyped ids are named by code."""
    bank = net.node("bank1")["api"]
    output = str(tmp_path / "x.json")
    for code, words in (
        ("analytics_disabled", ("cases", "list", "--node", bank)),
        ("analytics_disabled", ("flows", "--node", bank)),
        ("unknown_alert", ("respond", "0" * 32, "-o", output)),
        ("bad_alert", ("respond", "nonsense", "-o", output)),
        ("unknown_case", ("cases", "show", "case-" + "0" * 16)),
        ("bad_case", ("cases", "show", "7")),
        ("invalid_field", ("report", "members", "--since", "yesterday")),
        ("not_an_officer", ("alerts", "--as", "alice")),
    ):
        ended = net.sunlit("audit", *words, "--json")
        assert (ended.status, ended.stdout) == (1, ""), words
        assert ended.stderr.splitlines()[-1].startswith(f"error[{code}]: "), ended.stderr


def test_flows_and_reports_show_what_was_paid(net: Devnet) -> None:
    """Between the two banks, and in the report of the day."""
    words = ("--member", "bank1", "--counterparty", "bank2", "--asset", "CNY")
    items = net.done("audit", "flows", *words)["items"]
    (flow,) = [item for item in items if item["debit_member"] == "bank1"]
    assert (flow["legs"], flow["amount"]) == (len(AMOUNTS), str(sum(AMOUNTS)))
    report = net.done("audit", "report", "daily-activity")
    assert sum(int(row["amount"]) for row in report["rows"]) == sum(AMOUNTS)
    shown = net.sunlit("audit", "flows", *words)
    assert "59764.00" in shown.stdout
