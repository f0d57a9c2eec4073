"""What users are promised, tried as they would: one network, its commands and its HTTP API."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from yarl import URL

from ledger.addresses import encode_account_id
from ledger.limits import LANES
from ledger.transactions import Signature, assemble
from tests.functional.devnet import HANG_S, Api, Devnet

PAYMENTS = 200


# --- commands ----------------------------------------------------------------------------------


def test_a_payment_is_followed_as_far_as_asked(net: Devnet) -> None:
    """none, included and final; to a name and to an id; stdout is the one document."""
    bob = encode_account_id(net.account("bob"))
    words = ("wallet", "send", "--from", "alice", "12.50", "CNY", "--json")
    for payee, wait, reached in (
        ("bob", "none", {"pending", "included", "final"}),
        (bob, "included", {"included", "final"}),
        ("bob", "final", {"final"}),
    ):
        ended = net.sunlit(*words, "--to", payee, "--wait", wait)
        assert ended.status == 0, ended.stderr
        assert set(ended.document) == {"txid", "status", "height"}
        assert ended.document["status"] in reached
    late = net.sunlit(*words, "--to", "bob", "--wait", "final", "--timeout", "0.01")
    assert (late.status, late.stdout) == (1, "")
    assert late.stderr.splitlines()[-1].startswith("error[timeout]: ")


REFUSED = [
    ("unknown_key", ["wallet", "send", "--from", "alice", "--to", "nobody", "1", "CNY"]),
    ("no_profile", ["node", "status", "--home", "nowhere"]),
    ("not_your_account", ["wallet", "balance", "bob", "--as", "alice"]),
    ("not_regulator", ["audit", "stream", "--as", "bank1-officer"]),
]


@pytest.mark.parametrize(("code", "words"), REFUSED)
def test_a_refusal_is_one_line_and_status_1(net: Devnet, code: str, words: list[str]) -> None:
    """Nothing on stdout, and the code of what is wrong."""
    ended = net.sunlit(*words, "--json")
    assert (ended.status, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error[{code}]: ")


def test_a_wrong_passphrase_opens_nothing(net: Devnet, tmp_path: Path) -> None:
    """The file that is given counts, not the one in the home."""
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("wrong\n")
    ended = net.sunlit("wallet", "token", "--as", "alice", "--passphrase-file", str(wrong))
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error[wrong_passphrase]: ")


def test_a_proof_holds_until_it_is_touched(net: Devnet, tmp_path: Path) -> None:
    """Verified offline against the home's genesis; with one digit changed it proves nothing."""
    words = ("--from", "alice", "--to", "carol", "7", "CNY", "--wait", "final", "--json")
    txid = net.sunlit("wallet", "send", *words).document["txid"]
    file = tmp_path / "proof.json"
    assert net.sunlit("wallet", "proof", txid, "-o", str(file)).status == 0
    verified = net.sunlit("audit", "verify", str(file), "--json")
    assert (verified.document["verified"], verified.document["txid"]) == (True, txid)
    bundle = json.loads(file.read_text())
    last = int(bundle["transaction"][-1], 16)
    bundle["transaction"] = bundle["transaction"][:-1] + f"{last ^ 1:x}"
    file.write_text(json.dumps(bundle))
    refused = net.sunlit("audit", "verify", str(file), "--json")
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error[")


def test_following_the_stream_ends_with_ctrl_c_and_resumes(net: Devnet) -> None:
    """Ctrl-C is how it ends, so the status is 0; the next run begins where it stopped."""
    first, seen = 1, []
    for _ in range(2):
        words = ("audit", "stream", "--from", str(first), "--follow", "--json")
        with subprocess.Popen(
            net.command(*words),
            env=net.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            seen.append(json.loads(process.stdout.readline()))
            process.send_signal(signal.SIGINT)
            # Not communicate(): it passes over what readline() has buffered.
            assert process.stderr is not None
            rest, errors = process.stdout.read(), process.stderr.read()
        assert (process.returncode, errors) == (0, "")
        seen += [json.loads(line) for line in rest.splitlines()]
        first = seen[-1]["height"] + 1
    assert [block["height"] for block in seen] == list(range(1, first))
    assert all(block["finality"] == "final" for block in seen)


# --- the HTTP API ------------------------------------------------------------------------------


async def test_the_same_bytes_pay_once_wherever_they_go(net: Devnet, api: Api) -> None:
    """202 at every node that did not know them, 200 again; another body is a conflict."""
    payer = net.take_account()
    head = await api.head_height("bank1")
    payment, rival = (
        net.payment(payer, "bob", amount, lane=9, sequence=0, head_height=head) for amount in (1, 2)
    )
    answers = await asyncio.gather(*(api.submit(n, payment.raw) for n in ("bank1", "bank2")))
    assert {status for status, _ in answers} <= {200, 202}
    assert (await api.submit("bank1", payment.raw))[0] == 200
    status, problem = await api.submit("bank1", rival.raw)
    assert (status, problem["code"]) == (409, "sequence_conflict")
    await api.until_final("regulator", {payment.txid.hex()}, first=head)
    _, known = await api.submit("regulator", payment.raw)
    assert known["status"] == "final"
    assert (await api.account(payer))["next_sequences"]["9"] == 1


async def test_what_is_ahead_of_its_lane_waits_for_the_missing_one(net: Devnet, api: Api) -> None:
    """Given to different nodes, out of order, they become final in order."""
    payer = net.take_account("bank2")
    head = await api.head_height("bank1")
    payments = [
        net.payment(payer, "carol", 1, lane=1, sequence=n, head_height=head) for n in range(3)
    ]
    for payment, node in zip(reversed(payments), ("bank1", "bank2", "regulator"), strict=True):
        assert (await api.submit(node, payment.raw))[0] == 202
    txids = [payment.txid.hex() for payment in payments]
    await api.until_final("regulator", set(txids), first=head)
    shown = [(await api.get("regulator", f"/v1/transactions/{txid}"))[1] for txid in txids]
    places = [(one["height"], one["index"]) for one in shown]
    assert places == sorted(places)


async def test_threat_63_a_stranger_cannot_ask_for_a_balance(net: Devnet, api: Api) -> None:
    """An overdraft under the holder's key, not signed by it, is only a bad signature."""
    payer = net.take_account()
    head = await api.head_height("bank2")
    overdraft = net.payment(payer, "bob", 2**62, lane=10, sequence=0, head_height=head)
    public_key = overdraft.signatures[0].public_key
    forged = assemble(overdraft.body, (Signature(public_key, bytes(64)),))
    status, problem = await api.submit("bank2", forged.raw)
    assert (status, problem["code"]) == (422, "invalid_signature")
    status, problem = await api.submit("bank2", overdraft.raw)
    assert (status, problem["code"]) == (422, "insufficient_funds")


async def test_many_operators_of_one_account_lose_nothing(net: Devnet, api: Api) -> None:
    """200 payments at once over every lane and node: each final once, the balance exact."""
    before = await api.account("treasury")
    head = await api.head_height("bank1")
    nodes = [node["name"] for node in net.description["nodes"]]
    payments = [
        net.payment(
            "treasury",
            "carol",
            1,
            lane=number % LANES,
            sequence=before["next_sequences"][str(number % LANES)] + number // LANES,
            head_height=head,
        )
        for number in range(PAYMENTS)
    ]
    answers = await asyncio.gather(
        *(api.submit(nodes[number % len(nodes)], p.raw) for number, p in enumerate(payments))
    )
    assert Counter(status for status, _ in answers) == {202: PAYMENTS}
    await api.until_final("bank1", {p.txid.hex() for p in payments}, first=head)
    after = await api.account("treasury")
    spent = [int(one["balances"][0]["posted"]) for one in (before, after)]
    assert spent[0] - spent[1] == PAYMENTS


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", 400, "malformed_http"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000, 400, "malformed_http"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n",
            417,
            "http_error",
        ),
    ],
    ids=["another_protocol", "endless_header", "expectation"],
)
async def test_what_no_handler_sees_is_refused_like_all_else(
    net: Devnet, request_bytes: bytes, status: int, code: str
) -> None:
    """What is no HTTP, and what expects what no server does, get a problem document, and the end."""
    url = URL(net.node("bank1")["api"])
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request_bytes)
    async with asyncio.timeout(HANG_S):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert f" {status} ".encode() in head.partition(b"\r\n")[0]
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["code"] == code


async def test_an_accounts_proof_holds_until_it_is_touched(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """Its balance is proved offline; more of it than there is is not."""
    path = f"/v1/accounts/{encode_account_id(net.account('bob'))}"
    status, bundle = await api.get("bank2", f"{path}/proof", reader="bob")
    assert status == 200, bundle
    file = tmp_path / "account.json"
    file.write_text(json.dumps(bundle))
    verified = net.sunlit("audit", "verify", str(file), "--json")
    assert (verified.status, verified.document["verified"]) == (0, True), verified.stderr
    assert int(verified.document["balances"]["CNY"]) > 0
    last = next(entry for entry in bundle["entries"] if entry.get("value"))
    last["value"] = last["value"][:-2] + f"{int(last['value'][-2:], 16) ^ 1:02x}"
    file.write_text(json.dumps(bundle))
    refused = net.sunlit("audit", "verify", str(file), "--json")
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error[")


# --- the network -------------------------------------------------------------------------------


async def test_a_killed_node_comes_back_where_it_was(net: Devnet, api: Api) -> None:
    """SIGKILL, then `dev up` on the same directory: the same ports and data, a new process."""
    before = net.node("bank2")
    height = await api.head_height("bank2")
    hashes = (await api.get("bank2", f"/v1/blocks/{height - 2}"))[1]["hash"]
    os.kill(before["pid"], signal.SIGKILL)
    net.up()
    after = net.node("bank2")
    assert {k: v for k, v in after.items() if k != "pid"} == {
        k: v for k, v in before.items() if k != "pid"
    }
    assert after["pid"] != before["pid"]
    assert (await api.get("bank2", f"/v1/blocks/{height - 2}"))[1]["hash"] == hashes
    status = net.sunlit("dev", "status", "--dir", str(net.directory), "--json").document
    assert all(node["ready"] for node in status["nodes"])
