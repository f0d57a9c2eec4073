"""Models at the regulator's node of a running network: forecasts of its series, who predicts and who not."""

from __future__ import annotations

import json
from datetime import datetime

import aiohttp

from ledger.addresses import encode_account_id
from tests.functional.devnet import HANG_S, Api, Devnet

HORIZON = 2
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


async def test_who_predicts_no_rows_says_so(net: Devnet, api: Api) -> None:
    """A rule of the registry, and no model at all; at a bank's node there are no models."""
    alice = encode_account_id(net.account("alice"))
    for model, code in (("structuring", "no_predictions"), ("nobody", "unknown_model")):
        ended = net.sunlit("audit", "predict", "--model", model, "--account", alice)
        assert (ended.status, ended.stdout) == (1, "")
        assert ended.stderr.splitlines()[-1].startswith(f"error[{code}]: "), ended.stderr
    status, problem = await api.get("bank1", "/v1/audit/forecasts", reader="regulator")
    assert (status, problem["code"]) == (404, "analytics_disabled")
