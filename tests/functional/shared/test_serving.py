"""Models at the regulator's node of a running network: forecasts of its series, who predicts and who not."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import aiohttp

from ledger.addresses import encode_account_id
from tests.functional.conftest import SPARE_ACCOUNTS
from tests.functional.devnet import HANG_S, Api, Devnet
from tests.functional.shared.test_response import until_taken_in

HORIZON = 2
SERIES = "account-outliers"
SPANS_S = 33
"""Seconds of the chain in which thirty whole ones lie, which is what a forecast is made from."""


async def chain_is_old_enough(net: Devnet) -> None:
    """Return once final blocks lie so far apart that a forecast can be made."""
    node = net.node("regulator")["api"]
    headers = net.headers("regulator", "regulator") | {"Accept": "application/x-ndjson"}
    url, first_s = f"{node}/v1/audit/blocks?follow=true&from=1", 0.0
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HANG_S)) as http,
        http.get(url, headers=headers) as answer,
    ):
        async for line in answer.content:
            if line.strip():
                at_s = datetime.fromisoformat(json.loads(line)["time"]).timestamp()
                first_s = first_s or at_s
                if at_s - first_s > SPANS_S:
                    return
    raise AssertionError("the stream ended before the chain was old enough")


async def test_payments_are_forecast_from_the_chain(net: Devnet, api: Api) -> None:
    """What was paid is in the history; the steps follow it, with their interval and the naive line."""
    await chain_is_old_enough(net)
    listed = net.done("audit", "forecasts")
    assert "outflow:bank1:CNY" in {item["series"] for item in listed["items"]}
    head = await api.head_height("bank1")
    paid = net.payment(net.take_account(), "bob", 7, lane=2, sequence=0, head_height=head)
    assert (await api.submit("bank1", paid.raw))[0] == 202
    await api.until_final("regulator", {paid.txid.hex()}, first=head)
    words = ("audit", "forecasts", "--series", "payments", "--horizon", str(HORIZON))
    found = net.done(*words, "--span", "second")
    assert len(found["steps"]) == HORIZON
    assert sum(span["value"] for span in found["history"]) > 0
    assert all(0 <= step["lower"] <= step["value"] <= step["upper"] for step in found["steps"])
    assert [step["step"] for step in found["steps"]] == [1, 2]
    assert found["steps"][0]["time"] == found["data"]["until"] > found["history"][-1]["time"]
    assert found["beats_naive"] in (True, False)
    late = net.sunlit(*words, "--span", "day")
    assert late.stderr.splitlines()[-1].startswith("error[history_too_short]: ")


async def test_a_trained_model_says_why_of_accounts_and_rows(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """Trained on the ledger's features, put in place by another officer, asked by its question's name."""
    paid = tmp_path / "paid.csv"
    names = [f"bank1-spare-{number}" for number in range(SPARE_ACCOUNTS)]
    rows = [f"{name},{number + 1}.50,CNY,thanks" for number, name in enumerate(names)]
    paid.write_text("\n".join(["to,amount,asset,reference", *rows, ""]))
    net.done("wallet", "batch", str(paid), "--from", "treasury", "--wait", "final")
    await until_taken_in(api)
    training = net.done("audit", "models", "train", SERIES, "--method", "pca", "--wait")
    net.done("audit", "models", "promote", training["model"], "--as", "regulator-checker")

    words = ("audit", "predict", "--model", SERIES, "--json")
    asked = [word for name in names[-2:] for word in ("--account", name)]
    ended = net.sunlit(*words, *asked)
    assert ended.status == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["row"] for line in lines] == [1, 2]
    shown = net.done("audit", "models", "show", training["model"])
    for name, line in zip(names[-2:], lines, strict=True):
        assert line["account"] == encode_account_id(net.account(name))
        assert line["prediction"] in ("ordinary", "outlier")
        assert line["reasons"]
        assert line["model"]["id"] == training["model"]
        assert line["model"]["state"] == "champion"
        assert line["model"]["card_hash"] == shown["card_hash"]

    table = tmp_path / "rows.csv"
    table.write_text("paid_count\n3\n")
    alice = encode_account_id(net.account("alice"))
    for model, about, code in (
        (SERIES, ("--data", str(table)), "missing_column"),
        ("structuring", ("--account", alice), "no_predictions"),
    ):
        refused = net.sunlit("audit", "predict", "--model", model, *about)
        assert (refused.status, refused.stdout) == (1, "")
        assert refused.stderr.splitlines()[-1].startswith(f"error[{code}]: "), refused.stderr
    status, problem = await api.get("bank1", "/v1/audit/forecasts", reader="regulator")
    assert (status, problem["code"]) == (404, "analytics_disabled")
