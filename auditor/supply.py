"""Showing what each asset comes to at a final height, counted from the genesis on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from auditor.stream import regulator_key
from ledger.amounts import format_amount
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, progress, table
from wallet.errors import ApiError
from wallet.session import Json

COUNTING: Final = "supply_counting"
"""Code of a node that has not counted that far yet."""
SUMS: Final = ("genesis_supply", "issued", "redeemed", "balances", "supply")


async def show_supply(session: Session, *, height: int | None, reader: str | None) -> None:
    """Show the books of every asset, of the last final block where no height is named.

    Raises:
        ApiError: the node refused; ``not_conserved``: it answered, and the books do not agree.
    """
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        client = connection.client
        if height is None:
            height = int((await client.status())["finalized"]["height"])
        document = await _counted(client, height)
    session.show(document, supply_lines(document))
    if not document["conserved"]:
        detail = f"at height {height} the state is not what the chain's entries come to"
        raise ApiError("not_conserved", detail, status=200)


async def _counted(client: NodeClient, height: int) -> Json:
    """Return a node's count, asking again for as long as it says that it counts."""
    while True:
        try:
            return await client.audit_supply_at(height)
        except ApiError as error:
            if error.code != COUNTING:
                raise
            progress(error.detail)


def supply_lines(document: Json) -> Iterator[str]:
    """Yield the books as lines for people."""
    rows = [
        (
            str(item["asset"]),
            *(format_amount(int(item[name]), decimals=item["decimals"]) for name in SUMS),
            "yes" if item["conserved"] else "NO",
        )
        for item in document["items"]
    ]
    heads = ("ASSET", "GENESIS", "+ ISSUED", "- REDEEMED", "= BALANCES", "SUPPLY", "CONSERVED")
    yield from table(heads, rows)
    is_same = document["replayed_root"] == document["state_root"]
    yield (
        f"height {document['height']}, block {document['block_hash']}: every block was applied anew, "
        f"and the state is {'the one' if is_same else 'NOT the one'} that the header commits to"
    )
