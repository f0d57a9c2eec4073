"""The access log of a node: shown, and verified record by record."""

from __future__ import annotations

from typing import Final

from auditor.stream import regulator_key
from ledger.access_records import AccessTip, access_root, verify_chain
from ledger.errors import LedgerError
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, table
from wallet.errors import ApiError
from wallet.session import PAGE_ITEMS_MAX, Json

PATH: Final = "/v1/audit/access-log"
_HEADER: Final = ("SEQUENCE", "TIME", "WHO", "EVENT", "STATUS", "BYTES", "WHAT")


async def show_accesses(
    session: Session, *, is_verified: bool, known: str | None, limit: int, reader: str | None
) -> None:
    """Show the newest records, or check the whole chain and show where it ends."""
    key = regulator_key(session.keystore(), reader)
    profile = session.profile()
    async with connect(profile, key, url=session.node) as connection:
        if not is_verified:
            page = await _page(connection.client, "newest", None)
            records = _items(page)[:limit]
            session.show({"items": records}, table(_HEADER, map(_row, records)))
            return
        root = access_root(profile.genesis_hash, connection.member)
        tip, is_known = await _verify(connection.client, root, known)
    if known is not None and not is_known:
        detail = (
            f"the log does not hold {known}: records were removed, or others put in their place"
        )
        raise ApiError("access_log_broken", detail, status=200)
    document = {"verified": True, "records": tip.sequence, "tip": f"{tip.sequence}:{tip.hash}"}
    lines = [f"{tip.sequence} records, each bound to the one before", f"tip {document['tip']}"]
    session.show(document, lines)


async def _verify(client: NodeClient, tip: AccessTip, known: str | None) -> tuple[AccessTip, bool]:
    """Return the tip of the whole chain, and whether a tip of earlier is part of it."""
    cursor: str | None = None
    is_known = known == f"{tip.sequence}:{tip.hash}"
    while True:
        page = await _page(client, "oldest", cursor)
        for record in _items(page):
            try:
                tip = verify_chain([record], tip)
            except (LedgerError, TypeError, ValueError) as error:
                detail = getattr(error, "detail", "a record cannot be read")
                raise ApiError("access_log_broken", detail, status=200) from None
            is_known |= known == f"{tip.sequence}:{tip.hash}"
        cursor = page.get("next_cursor")
        if cursor is None:
            return tip, is_known


async def _page(client: NodeClient, order: str, cursor: str | None) -> Json:
    query = {"limit": str(PAGE_ITEMS_MAX), "order": order}
    if cursor is not None:
        query["cursor"] = cursor
    return await client.ask("GET", PATH, query=query)


def _items(page: Json) -> list[Json]:
    items = page.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError("bad_answer", "the access log is no list of records", status=200)
    return items


def _row(record: Json) -> tuple[str, ...]:
    what = f"{record.get('method', '')} {record.get('target', '')}".strip()
    what = str(record.get("detail") or record.get("sql") or what)
    cells = (record.get(name) for name in ("sequence", "time", "subject", "event"))
    numbers = (record.get(name) for name in ("status", "bytes"))
    return (*("" if cell is None else str(cell) for cell in (*cells, *numbers)), what)
