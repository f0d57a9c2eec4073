"""What the command on published aggregates does: release one, and show what was released."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from auditor.asking import period, read_items
from auditor.stream import regulator_key
from ledger.amounts import format_amount
from ledger.identity import asset_code
from wallet.amounts import parse_amount
from wallet.connection import connect
from wallet.console import Session, table
from wallet.naming import decimals_by_asset
from wallet.session import Json

AGGREGATES: Final = "/v1/audit/aggregates"


async def release(session: Session, asked: Mapping[str, Any], *, reader: str | None) -> None:
    """Release an aggregate and show it."""
    document = {name: value for name, value in asked.items() if value is not None}
    document |= period(document.pop("since", None), document.pop("until", None))
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        client = connection.client
        decimals = None
        if asked["asset"] is not None:
            decimals = decimals_by_asset(await client.assets())[asset_code(asked["asset"])]
            if asked["amount_max"] is not None:
                amount = parse_amount(asked["amount_max"], decimals=decimals)
                document["amount_max"] = str(amount)
        answer = await client.ask("POST", AGGREGATES, document=document)
    session.show(answer, _lines(answer, decimals))


async def list_releases(session: Session, *, limit: int, reader: str | None) -> None:
    """Show what was released, the newest first."""
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        found = read_items(connection.client, AGGREGATES, {}, items_max=limit)
        items = [item async for item in found]
    rows = [
        (
            *(str(item["release"]), item["time"], item["measure"], item["by"]),
            *(f"{item['since']} to {item['until']}", f"{item['epsilon']:.6g}"),
            f"{item['budget']['left']:.6g}",
        )
        for item in items
    ]
    heads = ("RELEASE", "TIME", "MEASURE", "BY", "PERIOD", "EPSILON", "LEFT")
    session.show({"items": items}, table(heads, rows))


def _lines(answer: Json, decimals: int | None) -> Iterator[str]:
    """Yield a release as lines for people, a volume in decimals of its asset."""

    def text(value: str) -> str:
        if answer["measure"] != "volume" or decimals is None:
            return value
        sign = "-" if value.startswith("-") else ""
        return sign + format_amount(int(value.removeprefix("-")), decimals=decimals)

    rows = [(row["key"], text(row["value"])) for row in answer["rows"]]
    yield from table((answer["by"].upper(), answer["measure"].upper()), rows)
    budget = answer["budget"]
    yield f"within {text(answer['accuracy_95'])} of the bounded sum, 95 times of 100"
    yield (
        f"epsilon {answer['epsilon']:.6g}; of {budget['epsilon']:g} for {budget['year']} "
        f"{budget['left']:.6g} is left"
    )
