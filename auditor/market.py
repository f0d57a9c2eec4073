"""What the commands on the whole market show: flows, reports, alerts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final

import click

from auditor.asking import period, read_items
from auditor.stream import regulator_key
from ledger.addresses import encode_account_id
from ledger.amounts import format_amount
from ledger.identity import AssetCode
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, printable, table
from wallet.errors import ApiError, NodeUnreachable
from wallet.events import EventParser
from wallet.naming import account_of, decimals_by_asset
from wallet.session import ATTEMPTS_MAX, Json, pause_before_retry_s

ALERTS: Final = "/v1/audit/alerts"
_PASSING: Final = frozenset({401, 429, 503})
"""Statuses after which a stream that went on before is opened again."""


async def show_flows(
    session: Session,
    *,
    reader: str | None,
    limit: int,
    since: str | None,
    until: str | None,
    account: str | None,
    **filters: str | None,
) -> None:
    """Show the largest flows."""
    keystore = session.keystore()
    query = _given(filters) | period(since, until)
    if account is not None:
        query["account"] = encode_account_id(account_of(keystore, account))
    key = regulator_key(keystore, reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        client = connection.client
        decimals = decimals_by_asset(await client.assets())
        pages = read_items(client, "/v1/audit/flows", query, items_max=limit)
        items = [item async for item in pages]
    rows = [
        (
            str(item["debit"] or item["debit_member"]),
            str(item["credit"] or item["credit_member"]),
            format_amount(int(item["amount"]), decimals=decimals[AssetCode(item["asset"])]),
            str(item["asset"]),
            str(item["legs"]),
        )
        for item in items
    ]
    session.show({"items": items}, table(("FROM", "TO", "AMOUNT", "ASSET", "LEGS"), rows))


async def show_report(
    session: Session, *, name: str, reader: str | None, since: str | None, until: str | None
) -> None:
    """Show a named report."""
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        path = f"/v1/audit/reports/{name}"
        report = await connection.client.ask("GET", path, query=period(since, until))
    session.show(report, _report_lines(report))


async def show_alerts(
    session: Session,
    *,
    reader: str | None,
    limit: int,
    follow: bool,
    account: str | None,
    **filters: Any,
) -> None:
    """Print alerts, one a line; with ``follow`` the old ones first, and on with new ones."""
    keystore = session.keystore()
    query = _given(filters)
    if account is not None:
        query["account"] = encode_account_id(account_of(keystore, account))
    key = regulator_key(keystore, reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        if follow:
            alerts = follow_alerts(connection.client, query)
        else:
            alerts = read_items(connection.client, ALERTS, query, items_max=limit)
        async with aclosing(alerts):
            async for alert in alerts:
                for line in (_as_json(alert),) if session.as_json else alert_lines(alert):
                    click.echo(line)


async def follow_alerts(client: NodeClient, query: Mapping[str, str]) -> AsyncGenerator[Json, None]:
    """Yield alerts as they come, each once, resuming by itself.

    Once it was connected it waits for the node as long as that takes.

    Raises:
        ApiError: the node refused.
        NodeUnreachable: `ATTEMPTS_MAX` attempts in a row, the first ones, found no node.
    """
    headers = {"Accept": "text/event-stream"}
    failures, is_known = 0, False
    while True:
        parser = EventParser()
        error: ApiError | NodeUnreachable | None = None
        try:
            asked = {**query, "follow": "true"}
            async with client.stream(ALERTS, asked, headers=headers) as chunks:
                is_known = True
                async for chunk in chunks:
                    for event in parser.feed(chunk):
                        headers["Last-Event-ID"], failures = event.id, 0
                        yield json.loads(event.data)
        except (ApiError, NodeUnreachable) as found:
            if isinstance(found, ApiError) and found.status not in _PASSING:
                raise
            error = found
        failures += 1
        if error is not None and failures >= ATTEMPTS_MAX and not is_known:
            raise error
        await asyncio.sleep(pause_before_retry_s(min(failures, ATTEMPTS_MAX), error))


def alert_lines(alert: Json) -> Iterator[str]:
    """Yield an alert as lines for people."""
    about = alert["account"] or "the market"
    yield printable(
        f"{alert['id']} {alert['time']} {alert['severity']} {alert['typology']} "
        f"{alert['score']:.2f} {about}"
    )
    for reason in alert["reasons"]:
        yield printable(f"  {reason['contribution']:.2f} {reason['text']}")


def _report_lines(report: Json) -> Iterator[str]:
    rows = report["rows"]
    if rows:
        names = list(rows[0])
        yield from table([n.upper() for n in names], ([_cell(r[n]) for n in names] for r in rows))
    cut = ", cut off" if report["truncated"] else ""
    yield f"{report['report']} up to block {report['height']}: {len(rows)} rows{cut}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _as_json(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False)


def _given(filters: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in filters.items() if value is not None}
