"""Showing an account's risk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from auditor.stream import regulator_key
from ledger.addresses import encode_account_id
from wallet.connection import connect
from wallet.console import Session, table
from wallet.naming import account_of
from wallet.session import Json

ALERTS_SHOWN: Final = 10
"""Most alerts printed for people; --json has all that the node gives."""


async def show_risk(session: Session, *, account: str, at: int | None, reader: str | None) -> None:
    """Show an account's latest score up to a block, its parts and its alerts."""
    keystore = session.keystore()
    key = regulator_key(keystore, reader)
    text = encode_account_id(account_of(keystore, account))
    async with connect(session.profile(), key, url=session.node) as connection:
        document = await connection.client.audit_risk(text, at=at)
    session.show(document, risk_lines(document))


def risk_lines(document: Json) -> Iterator[str]:
    """Yield an account's risk as lines for people."""
    yield (
        f"{document['account']} ({document['member']}, {document['segment']}): "
        f"{document['band']}, {document['score']:.2f}"
    )
    yield f"by {document['model']} at height {document['height']}, {document['time']}"
    reasons = [
        (f"{reason['contribution']:.3f}", reason["feature"], reason["text"])
        for reason in document["contributions"]
    ]
    yield from table(("SHARE", "FEATURE", "WHY"), reasons)
    alerts = [
        (str(alert["height"]), alert["severity"], alert["typology"], alert["id"])
        for alert in document["alerts"][:ALERTS_SHOWN]
    ]
    if alerts:
        yield from table(("HEIGHT", "SEVERITY", "ALERT", "ID"), alerts)
