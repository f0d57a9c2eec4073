"""From payments to a freeze: an alert, a case, two officers, the chain, and evidence offline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger.addresses import encode_account_id
from tests.functional.devnet import HANG_S, Api, Devnet

NODES = ("bank1", "bank2", "regulator")
AMOUNTS = (995_000, 998_000, 992_000, 997_500, 999_900, 994_000)
"""Payments of CNY in smallest units, each just under the reporting threshold of 10,000.00."""
LANE = 2
USER_BALANCE_UNITS = 100_000_000
"""What an account has at first: 1,000,000.00 CNY."""


async def structured(net: Devnet, api: Api, payer: str) -> set[str]:
    """Let somebody pay bob in amounts just under the threshold; return the txids, all final."""
    head = await api.head_height("bank1")
    payments = [
        net.payment(payer, "bob", amount, lane=LANE, sequence=at, head_height=head)
        for at, amount in enumerate(AMOUNTS)
    ]
    for payment in payments:
        status, answer = await api.submit("bank1", payment.raw)
        assert status == 202, answer
    txids = {payment.txid.hex() for payment in payments}
    await api.until_final("regulator", txids, first=head)
    return txids


def first_alert(net: Devnet, account: str) -> dict[str, Any]:
    """Return an account's first alert of structuring, as ``--follow`` prints it when it comes."""
    words = ("audit", "alerts", "--follow", "--typology", "structuring", "--json")
    following = subprocess.Popen(
        net.command(*words), env=net.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert following.stdout is not None
        alerts = (json.loads(line) for line in following.stdout)
        alert: dict[str, Any] = next(one for one in alerts if one["account"] == account)
    finally:
        following.kill()
        following.communicate()
    return alert


async def test_an_alert_ends_in_a_freeze_with_its_evidence(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """Seen, answered, signed by two, applied at every node, told by the case, proved offline."""
    splitter = net.take_account()
    txids = await structured(net, api, splitter)
    account_id = encode_account_id(net.account(splitter))
    async with asyncio.timeout(HANG_S):
        alert = await asyncio.to_thread(first_alert, net, account_id)
    assert set(alert["transactions"]) <= txids
    draft = tmp_path / "freeze.json"
    answered = net.done("audit", "respond", alert["id"], "-o", str(draft))
    case_id = answered["case"]
    net.done("govern", "sign", str(draft), "--as", "regulator", "--yes")
    net.done("govern", "cosign", str(draft), "--as", "regulator-checker", "--yes")
    sent = net.done("govern", "submit", str(draft), "--wait", "final")
    for node in NODES:
        await api.until_final(node, {sent["txid"]}, first=1)
        _, account = await api.get(node, f"/v1/accounts/{account_id}", reader="regulator")
        assert account["status"] == "frozen"
    net.done("audit", "cases", "note", case_id, "frozen; the bank is told")
    case = await applied(net, case_id)
    (effect,) = case["effects"]
    assert (effect["account"], effect["status"]) == (account_id, "frozen")
    assert effect["frozen_since"]["txid"] == sent["txid"]
    held = USER_BALANCE_UNITS - sum(AMOUNTS)
    assert effect["balances"] == [{"asset": "CNY", "amount": str(held)}]
    assert [note["text"] for note in case["notes"]] == ["frozen; the bank is told"]
    earlier = net.done("audit", "simulate", "--case", case_id)
    assert (earlier["accounts"], earlier["height"]) == ([account_id], alert["height"])
    assert {one["txid"] for one in earlier["refused"]} == {
        txid for txid in txids if await height_of(api, txid) > alert["height"]
    }
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


async def height_of(api: Api, txid: str) -> int:
    """Return the height of a final transaction."""
    _, shown = await api.get("regulator", f"/v1/transactions/{txid}", reader="regulator")
    return int(shown["height"])


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


async def test_flows_and_reports_show_what_was_paid(net: Devnet, api: Api) -> None:
    """Between the two banks, and in the report of the day, as much more as was paid."""
    words = ("--member", "bank1", "--counterparty", "bank2", "--asset", "CNY")
    legs, amount, reported = await paid_so_far(net, api, words)
    await structured(net, api, net.take_account())
    told = await paid_so_far(net, api, words)
    paid = sum(AMOUNTS)
    assert told == (legs + len(AMOUNTS), amount + paid, reported + paid)
    shown = net.sunlit("audit", "flows", *words)
    assert f"{Decimal(amount + paid).scaleb(-2)}" in shown.stdout


async def until_taken_in(api: Api) -> None:
    """Return when the regulator's warehouse has all that is final at its node."""
    wanted = (await api.get("regulator", "/v1/status"))[1]["finalized"]["height"]
    async with asyncio.timeout(HANG_S):
        while ((await api.get("regulator", "/v1/status"))[1]["analytics"]["height"] or 0) < wanted:
            await asyncio.to_thread(time.sleep, 0.05)  # another process's progress has no event


async def paid_so_far(net: Devnet, api: Api, words: tuple[str, ...]) -> tuple[int, int, int]:
    """Return legs and amount from bank1 to bank2, and the amount of the report, all final."""
    await until_taken_in(api)
    items = (await asyncio.to_thread(net.done, "audit", "flows", *words))["items"]
    flows = [item for item in items if item["debit_member"] == "bank1"]
    report = await asyncio.to_thread(net.done, "audit", "report", "daily-activity")
    return (
        sum(flow["legs"] for flow in flows),
        sum(int(flow["amount"]) for flow in flows),
        sum(int(row["amount"]) for row in report["rows"]),
    )
