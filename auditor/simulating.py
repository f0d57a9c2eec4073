"""Showing what a freeze would have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from auditor.casework import CASES, case_of
from auditor.stream import regulator_key
from ledger.addresses import encode_account_id
from ledger.amounts import format_amount
from ledger.identity import AssetCode
from wallet.connection import connect
from wallet.console import Session, printable, table
from wallet.naming import account_of, decimals_by_asset
from wallet.session import Json

SIMULATE: Final = "/v1/audit/simulate"
ROWS_SHOWN: Final = 10
"""Most rows of each list printed for people; --json has all that the node gives."""
_WHY: Final = {"account_frozen": "frozen", "insufficient_funds": "lacks the money"}


async def show_simulation(
    session: Session,
    *,
    accounts: tuple[str, ...],
    case: str | None,
    height: int | None,
    until: int | None,
    reader: str | None,
) -> None:
    """Show what freezing some accounts, or those of a case, would have changed."""
    keystore = session.keystore()
    asked: Json = {"height": height, "until": until}
    path = SIMULATE if case is None else f"{CASES}/{case_of(case)}/simulate"
    if case is None:
        asked["accounts"] = [encode_account_id(account_of(keystore, one)) for one in accounts]
    key = regulator_key(keystore, reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        document = await connection.client.ask("POST", path, document=asked)
        decimals = decimals_by_asset(await connection.client.assets())
    session.show(document, simulation_lines(document, decimals))


def simulation_lines(document: Json, decimals: dict[AssetCode, int]) -> Iterator[str]:
    """Yield a simulation as lines for people."""

    def shown(row: Json, *names: str) -> list[str]:
        places = decimals[AssetCode(row["asset"])]
        return [format_amount(int(row[name]), decimals=places) for name in names]

    counts = document["counts"]
    yield (
        f"{', '.join(document['accounts'])} frozen in block {document['height']}, "
        f"replayed up to block {document['until']}"
    )
    yield (
        f"{counts['refused']} of {counts['replayed']} transactions refused: {counts['frozen']} of "
        f"frozen accounts, {counts['insufficient_funds']} that lack the money in turn "
        f"(up to {counts['generations']} refusals on)"
    )
    for one in document["stopped"]:
        frozen, short = shown(one, "frozen", "insufficient_funds")
        yield f"stopped: {frozen} {one['asset']} of frozen accounts, {short} in turn"
    for one in document["held"]:
        actual, simulated = shown(one, "actual", "simulated")
        yield f"{one['account']} would hold {simulated} {one['asset']}, and holds {actual}"
    yield f"{counts['affected']} others affected, {counts['worse_off']} with less in the end"
    yield from _tables(document, shown)
    yield f"{counts['alerts']} alerts rest on refused transactions"


def _tables(document: Json, shown: Callable[..., list[str]]) -> Iterator[str]:
    """Yield the first rows of the lists."""
    affected = [
        (
            one["account"],
            *shown(one, "not_received", "not_paid", "actual", "simulated"),
            one["asset"],
        )
        for one in document["affected"][:ROWS_SHOWN]
    ]
    if affected:
        heads = ("AFFECTED", "NOT RECEIVED", "NOT PAID", "HOLDS", "WOULD HOLD", "ASSET")
        yield from table(heads, affected)
    texts = [
        (printable(one["reference"]) or "(none)", str(one["transactions"]), *shown(one, "amount"),
         one["asset"])
        for one in document["texts"][:ROWS_SHOWN]
    ]  # fmt: skip
    if texts:
        yield from table(("STOPPED TEXT", "PAYMENTS", "AMOUNT", "ASSET"), texts)
    refused = [
        (str(one["height"]), one["txid"], _WHY[one["code"]])
        for one in document["refused"][:ROWS_SHOWN]
    ]
    if refused:
        yield from table(("HEIGHT", "REFUSED", "WHY"), refused)
