"""Printing the audit stream."""

from __future__ import annotations

import json

import click

from wallet.connection import connect
from wallet.console import Session, printable
from wallet.errors import InvalidRequest
from wallet.keystore import KeyRole, Keystore, SigningKey
from wallet.session import Json
from wallet.streaming import StreamEvent, stream_blocks

REGULATOR_KEY = "regulator"
"""Name of the key that reads unless another is named."""


async def print_stream(session: Session, *, first: int, follow: bool, reader: str | None) -> None:
    """Print blocks from a height on, one a line, until the end or for ever."""
    key = regulator_key(session.keystore(), reader)
    async with connect(session.profile(), key, url=session.node) as connection:
        async for event in stream_blocks(connection.client, first=first, follow=follow):
            click.echo(as_json(event) if session.as_json else as_text(event))


def regulator_key(keystore: Keystore, name: str | None) -> SigningKey:
    """Return the officer's key to read with: the named one, or ``regulator``.

    Raises:
        InvalidRequest: ``not_an_officer``.
        KeystoreError: there is no such key.
    """
    chosen = name or REGULATOR_KEY
    if keystore.entry(chosen).role is not KeyRole.OFFICER:
        detail = f"{chosen} is an account's key; the audit API is for regulators' officers"
        raise InvalidRequest("not_an_officer", detail, name=chosen)
    return keystore.signing_key(chosen)


def as_json(event: StreamEvent) -> str:
    """Return an event as one line of JSON: a block as it is, anything else with its event's name."""
    document: Json = event.data
    if event.event != "block":
        document = {"event": event.event, "id": event.cursor, **event.data}
    return json.dumps(document, ensure_ascii=False)


def as_text(event: StreamEvent) -> str:
    """Return an event as a line for people."""
    if event.event != "block":
        return printable(f"{event.event} {event.cursor}")
    block = event.data
    transactions = block.get("transactions")
    count = len(transactions) if isinstance(transactions, list) else 0
    return printable(
        f"block {block.get('height')} {block.get('time')} by {block.get('sealer')}: "
        f"{count} transactions, {block.get('hash')}"
    )
