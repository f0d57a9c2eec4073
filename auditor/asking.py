"""Reading lists of the audit API, as many items as somebody wants, and periods as people write them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from wallet.client import NodeClient
from wallet.errors import ApiError
from wallet.session import PAGE_ITEMS_MAX, Json

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


async def read_items(
    client: NodeClient, path: str, query: Mapping[str, str], *, items_max: int
) -> AsyncGenerator[Json, None]:
    """Yield the first items of a list, page by page.

    Raises:
        ApiError: the node refused, or ``bad_answer``.
    """
    asked, left = dict(query), items_max
    while left > 0:
        asked["limit"] = str(min(left, PAGE_ITEMS_MAX))
        page = await client.ask("GET", path, query=asked)
        items, cursor = page.get("items"), page.get("next_cursor")
        if not isinstance(items, list):
            raise ApiError("bad_answer", f"{path} is no list", status=200)
        for item in items:
            yield item
        left -= len(items)
        if cursor is None:
            return
        asked["cursor"] = str(cursor)


def period(since: str | None, until: str | None) -> dict[str, str]:
    """Return the period of a query; a day stands for its first and its last millisecond, UTC."""
    times = {"since": (since, "T00:00:00.000Z"), "until": (until, "T23:59:59.999Z")}
    return {
        name: text + clock if _DAY.fullmatch(text) else text
        for name, (text, clock) in times.items()
        if text is not None
    }
