"""A freeze that was not: payments of a running network, replayed by its regulator."""

from __future__ import annotations

from ledger.addresses import encode_account_id
from ledger.amounts import format_amount
from tests.functional.devnet import Api, Devnet
from tests.functional.shared.test_response import until_taken_in

LANE = 3


async def held(api: Api, name: str) -> int:
    """Return what an account has, smallest units of CNY; others may have paid it before."""
    balances = (await api.account(name))["balances"]
    return next(int(one["posted"]) for one in balances if one["asset"] == "CNY")


async def test_a_simulated_freeze_stops_what_rests_on_it(net: Devnet, api: Api) -> None:
    """The frozen account's payment, and the one that its payee could not have made without it."""
    mule, worker, landlord = net.take_account(), net.take_account("bank2"), net.take_account()
    before = await api.head_height("bank1")
    of_mule, of_worker = await held(api, mule), await held(api, worker)
    wage = net.payment(mule, worker, 500, lane=LANE, sequence=0, head_height=before)
    rent = net.payment(worker, landlord, of_worker + 200, lane=LANE, sequence=0, head_height=before)
    for payment in (wage, rent):
        assert (await api.submit("bank1", payment.raw))[0] == 202
        await api.until_final("regulator", {payment.txid.hex()}, first=before)
    await until_taken_in(api)

    words = ("audit", "simulate", "--account", encode_account_id(net.account(mule)))
    told = net.done(*words, "--height", str(before))
    assert [(one["txid"], one["code"], one["generation"]) for one in told["refused"]] == [
        (wage.txid.hex(), "account_frozen", 0),
        (rent.txid.hex(), "insufficient_funds", 1),
    ]
    assert told["stopped"] == [
        {"asset": "CNY", "frozen": "500", "insufficient_funds": str(of_worker + 200)}
    ]
    missing = {one["account"]: int(one["not_received"]) for one in told["affected"]}
    assert missing == {
        encode_account_id(net.account(worker)): 500,
        encode_account_id(net.account(landlord)): of_worker + 200,
    }
    shown = net.sunlit(*words, "--height", str(before))
    assert shown.status == 0, shown.stderr
    had, has = (format_amount(units, decimals=2) for units in (of_mule, of_mule - 500))
    assert f"would hold {had} CNY, and holds {has}" in shown.stdout

    for code, more in (
        ("unknown_height", ("--height", "9999999")),
        ("conflicting_parameters", ("--height", str(before), "--until", "0")),
        ("unknown_case", ("--case", "case-" + "0" * 16)),
    ):
        asked = more if "--case" in more else (*words[2:], *more)
        ended = net.sunlit("audit", "simulate", *asked)
        assert ended.status == 1
        assert ended.stderr.splitlines()[-1].startswith(f"error[{code}]: "), ended.stderr
