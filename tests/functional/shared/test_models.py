"""The registry as officers have it: what speaks is listed, a card is attested, a training tells."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.functional.devnet import Api, Devnet

OFFICER = ("--as", "regulator", "--node")


async def test_a_card_is_shown_attested_and_found(net: Devnet, api: Api, tmp_path: Path) -> None:
    """From the list of what speaks to the chain that says who stands by these bytes."""
    where = (*OFFICER, str(net.node("regulator")["api"]))
    rules = net.done("audit", "models", "list", "--method", "rules", *where)["items"]
    champions = {one["series"]: one for one in rules if one["state"] == "champion"}
    assert {"fan_in", "anomaly", "drift", "account_risk"} <= set(champions)
    model = champions["velocity"]

    card = tmp_path / "card.md"
    shown = net.done("audit", "models", "show", model["id"], "--card", str(card), *where)
    assert hashlib.sha256(card.read_bytes()).hexdigest() == shown["card_hash"]
    assert shown["attestations"] == []
    about = ("--kind", "model_card", "--subject", model["id"])
    officers = ("--as", "regulator", "--as", "regulator-checker")
    sent = net.done("attest", str(card), *about, *officers, "--wait", "final")
    await api.until_final("regulator", {sent["txid"]}, first=1)
    (found,) = net.done("audit", "models", "show", model["id"], *where)["attestations"]
    assert (found["txid"], found["sha256"]) == (sent["txid"], shown["card_hash"])
    assert (found["member"], found["kind"]) == ("regulator", "model_card")
    again = net.sunlit("audit", "models", "promote", model["id"], *where)
    assert again.stderr.splitlines()[-1].startswith("error[rules_in_force]: ")


async def test_a_training_tells_what_became_of_it(net: Devnet, api: Api) -> None:
    """In a process of its own, from genesis alone, where nobody had paid anybody yet."""
    where = (*OFFICER, str(net.node("regulator")["api"]))
    asked = ("audit", "models", "train", "account-groups", "--height", "0", "--wait", *where)
    ended = net.sunlit(*asked)
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("error[data_empty]: ")
    trainings = net.done("audit", "models", "trainings", *where)["items"]
    mine = next(one for one in trainings if one["height"] == 0 and one["by"] is not None)
    assert (mine["state"], mine["code"], mine["model"]) == ("failed", "data_empty", None)
    code, page = await api.get("bank1", "/v1/audit/models", reader="regulator")
    assert (code, page["code"]) == (404, "analytics_disabled")
    assert net.done("audit", "models", "proposals", *where)["items"] == []
