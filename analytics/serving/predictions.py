"""``POST /predict``: what a model of the registry says of rows, or of accounts by their features.

    {"model", "rows": [{column: value, …}, …]}
    {"model", "accounts": ["sun1…", …]}         rows are the features of the week up to the reference block

``model`` is a version's id, ``SERIES/NUMBER``, or a series, whose champion answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.features.reading import AccountFeatures, Window, read_features
from analytics.features.reference import reference_height
from analytics.server import Route, Services
from analytics.serving.predictor import refuse_rules
from analytics.warehouse.sql import first_row

_TIME: Final = "SELECT epoch_ms(time) FROM blocks WHERE height = ?"


async def predict(services: Services, request: web.Request) -> web.StreamResponse:
    """Give predictions with their reasons, and the model that made them."""
    asked: dict[str, Any] = await request.json()
    version = await asyncio.to_thread(services.registry.find, asked["model"])
    refuse_rules(version)
    height: int | None = None
    if "rows" in asked:
        rows: Sequence[Any] = asked["rows"]
    else:
        last = services.progress.ingested.height
        height = await services.queries.run(lambda cursor: reference_height(cursor, last))
        ask = partial(account_rows, accounts=asked["accounts"], height=height)
        rows = await services.queries.run(ask)
    about = {
        "model": {
            "id": version.id,
            "version": version.version,
            "card_hash": version.card_hash,
            "series": version.series,
            "method": version.method,
            "state": version.state.value,
        },
        "height": height,
    }
    body = await services.serving.predictor.predict(services.registry, version, rows, about)
    return web.Response(body=body, content_type="application/json")


def account_rows(
    cursor: duckdb.DuckDBPyConnection, *, accounts: Sequence[str], height: int
) -> list[dict[str, float]]:
    """Return the features of accounts over the week up to and with a block, in their order.

    Raises:
        RequestRefused: ``unknown_account`` (404), or ``account_without_features`` (409): nobody
            learned from accounts that neither paid nor were paid in the week.
    """
    cursor.execute("BEGIN")  # the time, and the features of one account or of all, of one moment
    row = first_row(cursor, _TIME, [height])
    window = Window(height=height, end_ms=0 if row is None else row[0])
    one = accounts[0] if len(set(accounts)) == 1 else None
    found = {each.account: each for each in read_features(cursor, window, one)}
    return [_values(found, account, place, height) for place, account in enumerate(accounts)]


def _values(
    found: dict[str, AccountFeatures], account: str, place: int, height: int
) -> dict[str, float]:
    pointer = f"/accounts/{place}"
    if account not in found:
        raise RequestRefused(404, "unknown_account", f"no account {account}", pointer=pointer)
    values = found[account].values
    if not values["paid_count"] and not values["received_count"]:
        detail = f"account {account} neither paid nor was paid in the week up to block {height}"
        raise RequestRefused(409, "account_without_features", detail, pointer=pointer)
    return values


ROUTES: Final = (Route(method="POST", path="/predict", handler=predict),)
