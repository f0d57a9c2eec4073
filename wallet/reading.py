"""What the reading commands do, from words to what is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from consensus.bundle import VerifiedTransaction
from ledger.addresses import encode_account_id
from ledger.amounts import format_amount
from ledger.identity import AccountId, AssetCode
from wallet.connection import connect
from wallet.console import Session, progress, table
from wallet.errors import ApiError, InvalidRequest
from wallet.evidence import check_bundle, genesis_of
from wallet.keystore import KeyEntry, KeyRole, Keystore, SigningKey
from wallet.naming import account_of, decimals_by_asset, holder_key, txid_of
from wallet.outbox import Outbox
from wallet.session import Json
from wallet.spreadsheet import csv_lines
from wallet.tokens import make_token

_HISTORY_HEADER: Final = (
    "height", "time", "kind", "asset", "amount", "counterparty", "reference", "txid",
)  # fmt: skip
_INVISIBLE: Final = frozenset({403, 404})
"""Answers that another reader may not get."""


async def show_balance(session: Session, *, account: str, reader: str | None, state: str) -> None:
    """Show an account's balances."""
    keystore = session.keystore()
    key = _reader(keystore, reader, account)
    text = encode_account_id(account_of(keystore, account))
    async with connect(session.profile(), key, url=session.node) as connection:
        document = await connection.client.account(text, state=state)
        decimals = decimals_by_asset(await connection.client.assets())
    rows = [_balance_row(entry, decimals) for entry in document.get("balances", ())]
    lines = table(("ASSET", "AVAILABLE", "HELD", "POSTED"), rows)
    session.show(document, [*lines, f"at height {document.get('height')} ({state})"])


async def show_history(
    session: Session, *, account: str, reader: str | None, limit: int, as_csv: bool
) -> None:
    """Show an account's history as a table, CSV, or one JSON document."""
    keystore = session.keystore()
    key = _reader(keystore, reader, account)
    identity = account_of(keystore, account)
    async with connect(session.profile(), key, url=session.node) as connection:
        decimals = decimals_by_asset(await connection.client.assets())
        text = encode_account_id(identity)
        items = await connection.client.account_history(text, items_max=limit)
    rows = [row for item in items for row in history_rows(item, identity, decimals)]
    if as_csv:
        for line in csv_lines(_HISTORY_HEADER, rows):
            click.echo(line)
        return
    names = [name.upper() for name in _HISTORY_HEADER]
    session.show({"account": text, "items": items}, table(names, rows))


async def save_proof(session: Session, *, txid: str, output: Path, reader: str | None) -> None:
    """Fetch an evidence bundle, check every step of it, and write it."""
    txid = txid_of(txid)
    keystore, profile = session.keystore(), session.profile()
    entries = [keystore.entry(reader)] if reader else _proof_readers(session, keystore, txid)
    document = await _first_proof(session, keystore, entries, txid)
    if document.get("txid") != txid:
        raise ApiError("bad_answer", "the bundle is about another transaction", status=200)
    proved = check_bundle(document, genesis=genesis_of(document), anchor=profile.genesis_hash)
    if not isinstance(proved, VerifiedTransaction):
        raise ApiError("bad_answer", "the bundle is not about a transaction", status=200)
    _write_text(output, json.dumps(document, indent=2) + "\n")
    height = proved.sealed.header.height
    result = {"txid": document["txid"], "height": height, "file": str(output)}
    session.show(result, [f"{document['txid']} is final at height {height}; proof in {output}"])


async def show_token(session: Session, *, reader: str | None) -> None:
    """Print a token for a node."""
    keystore, profile = session.keystore(), session.profile()
    key = keystore.signing_key(reader or _only_name(keystore))
    async with connect(profile, key, url=session.node) as connection:
        made = make_token(
            key,
            chain_id=profile.chain_id,
            node_member=connection.member,
            now_s=int(time.time()),
        )
    if not session.as_json:
        progress(f"for {connection.client.url}, until {made.expires}")
    session.show({"token": made.text, "expires": made.expires}, [made.text])


def history_rows(
    item: Json, account: AccountId, decimals: Mapping[AssetCode, int]
) -> Iterator[tuple[str, ...]]:
    """Yield a line for each movement of an account in a history item; what leaves it is negative."""
    own = encode_account_id(account)
    body = item.get("body")
    if not isinstance(body, dict):
        raise ApiError("bad_answer", "a history item without its body", status=200)
    head = (str(item.get("height", "")), str(item.get("time", "")), str(body.get("kind", "")))
    reference = str(body.get("reference") or "") or _measure_text(body, own)
    txid = str(item.get("txid", ""))
    movements = list(_movements(body, own))
    if not movements:
        yield (*head, "", "", "", reference, txid)
    for asset, units, counterparty, leg_reference in movements:
        amount = format_amount(units, decimals=decimals[AssetCode(asset)])
        yield (*head, asset, amount, counterparty, leg_reference or reference, txid)


def _measure_text(body: Json, own: str) -> str:
    """Return what governance did to an account and why; nothing for other transactions."""
    try:
        for measure in body.get("measures") or ():
            if measure["account"] == own:
                return f"{measure['measure']}: {measure['reason']}"
    except (AttributeError, KeyError, TypeError):
        raise ApiError(
            "bad_answer", "a history item with a malformed measure", status=200
        ) from None
    return ""


def _movements(body: Json, own: str) -> Iterator[tuple[str, int, str, str]]:
    """Yield asset, signed smallest units, counterparty and reference of each movement."""
    try:
        for leg in body.get("legs") or ():
            note, units = str(leg.get("reference") or ""), int(leg["amount"])
            debit, credit = leg.get("debit"), leg.get("credit")
            if debit == own:
                yield leg["asset"], -units, str(credit or ""), note
            if credit == own:
                yield leg["asset"], units, str(debit or ""), note
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "a history item with a malformed leg", status=200) from None


def _balance_row(entry: Json, decimals: Mapping[AssetCode, int]) -> tuple[str, ...]:
    try:
        places = decimals[AssetCode(entry["asset"])]
        cells = [int(entry[name]) for name in ("available", "held", "posted")]
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "a malformed balance", status=200) from None
    return (str(entry["asset"]), *(format_amount(cell, decimals=places) for cell in cells))


async def _first_proof(
    session: Session, keystore: Keystore, entries: Sequence[KeyEntry], txid: str
) -> Json:
    """Return the bundle that the first of these keys may see."""
    refusal: ApiError | None = None
    for entry in entries:
        key = keystore.signing_key(entry.name)
        async with connect(session.profile(), key, url=session.node) as connection:
            try:
                return await connection.client.proof(txid)
            except ApiError as error:
                if error.status not in _INVISIBLE:
                    raise
                refusal = error
    if refusal is None:
        raise InvalidRequest("no_key", "this home has no key that could read a proof")
    raise refusal


def _proof_readers(session: Session, keystore: Keystore, txid: str) -> list[KeyEntry]:
    """Return the keys that may be a party of a transaction, the likeliest first."""
    usable = [
        entry
        for entry in keystore.entries()
        if entry.role is KeyRole.OFFICER or entry.account is not None
    ]
    kept = {t.txid.hex(): t for t in Outbox(session.home).transactions()}.get(txid)
    signed_by = set() if kept is None else {s.public_key for s in kept.signatures}
    return sorted(usable, key=lambda entry: entry.public_key not in signed_by)


def _reader(keystore: Keystore, reader: str | None, account: str) -> SigningKey:
    return holder_key(keystore, account) if reader is None else keystore.signing_key(reader)


def _only_name(keystore: Keystore) -> str:
    names = keystore.names()
    if len(names) != 1:
        detail = f"this home has {len(names)} keys; name one with --as"
        raise InvalidRequest("key_required", detail)
    return names[0]


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest("unwritable", f"{path}: {error.strerror}", path=path) from None
