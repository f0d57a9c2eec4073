"""What the sending commands do, from words to receipts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.addresses import encode_account_id
from ledger.identity import AccountId, AssetCode, MemberId
from ledger.identity import member_id as checked_member_id
from ledger.kinds import Effect, Entry, Issue, Leg, Redeem, Transfer
from ledger.transactions import SignedTransaction
from wallet.amounts import parse_amount
from wallet.batch import check_funds, read_batch, transfers_of
from wallet.client import NodeClient
from wallet.connection import Connection, connect
from wallet.console import Session, progress
from wallet.errors import ApiError, InvalidRequest, WalletError
from wallet.keystore import KeyEntry, Keystore, SigningKey
from wallet.naming import account_of, asset_in, decimals_by_asset, holder_key, officer_keys
from wallet.outbox import Outbox
from wallet.sending import Draft, Receipt, Sender, Wait
from wallet.session import Json


async def pay(
    session: Session,
    *,
    payer: str,
    payee: str,
    amount: str,
    asset: str,
    reference: str,
    wait: str,
    timeout_s: float,
) -> None:
    """Send one transfer of one leg."""
    keystore = session.keystore()
    creditor = account_of(keystore, payee)
    key = holder_key(keystore, payer)
    debtor = _account(key)
    async with connect(session.profile(), key, url=session.node) as connection:
        units, _ = await _units_and_issuer(connection.client, amount, asset)
        leg = Leg(debtor, creditor, AssetCode(asset), units)
        draft = Draft(
            effect=Transfer(legs=(leg,)), actors=(debtor,), signers=(key,), reference=reference
        )
        await _send_one(session, connection, draft, wait, timeout_s)


async def pay_batch(
    session: Session, *, file: Path, payer: str, reference: str, wait: str, timeout_s: float
) -> None:
    """Send a payments file as one transfer, or several when it is long."""
    keystore = session.keystore()
    key = holder_key(keystore, payer)
    debtor = _account(key)
    async with connect(session.profile(), key, url=session.node) as connection:
        decimals = decimals_by_asset(await connection.client.assets())
        payments = read_batch(
            file, resolve=lambda text: account_of(keystore, text), decimals=decimals
        )
        check_funds(payments, await _available(connection.client, key), decimals)
        drafts = [
            Draft(effect=Transfer(legs=legs), actors=(debtor,), signers=(key,), reference=reference)
            for legs in transfers_of(debtor, payments)
        ]
        if len(drafts) > 1:
            progress(f"{len(payments)} payments in {len(drafts)} transactions")
        sender = _sender(session, connection)
        transactions = await sender.prepare(drafts)
        receipts = await _submit_all(sender, transactions, Wait(wait), timeout_s)
    _show_batch(session, len(payments), receipts)


async def create_supply(
    session: Session,
    *,
    payee: str,
    amount: str,
    asset: str,
    officers: Sequence[str],
    reference: str,
    wait: str,
    timeout_s: float,
) -> None:
    """Issue an asset into one account."""
    keystore = session.keystore()
    account = account_of(keystore, payee)
    async with connect(session.profile(), url=session.node) as connection:
        units, issuer = await _units_and_issuer(connection.client, amount, asset)
    signers = officer_keys(keystore, officers, issuer)
    entries = (Entry(account, units),)
    effect: Effect = Issue(asset=AssetCode(asset), entries=entries)
    draft = Draft(effect=effect, actors=(issuer,), signers=signers, reference=reference)
    async with connect(session.profile(), signers[0], url=session.node) as connection:
        await _send_one(session, connection, draft, wait, timeout_s)


async def destroy_supply(
    session: Session,
    *,
    holder: str,
    amount: str,
    asset: str,
    officers: Sequence[str],
    reference: str,
    wait: str,
    timeout_s: float,
) -> None:
    """Redeem an asset from one account."""
    keystore = session.keystore()
    key = holder_key(keystore, holder)
    account = _account(key)
    async with connect(session.profile(), key, url=session.node) as connection:
        units, issuer = await _units_and_issuer(connection.client, amount, asset)
        signers = officer_keys(keystore, officers, issuer)
        effect: Effect = Redeem(asset=AssetCode(asset), entries=(Entry(account, units),))
        draft = Draft(
            effect=effect, actors=(account, issuer), signers=(key, *signers), reference=reference
        )
        await _send_one(session, connection, draft, wait, timeout_s)


async def send_again(session: Session, *, txid: str | None, wait: str, timeout_s: float) -> None:
    """Submit kept transactions once more; show a receipt for each."""
    outbox, keystore = Outbox(session.home), session.keystore()
    kept = outbox.transactions() if txid is None else [outbox.load(txid.lower())]
    receipts = []
    for transaction in kept:
        key = keystore.signing_key(_signer_entry(keystore, transaction).name)
        async with connect(session.profile(), key, url=session.node) as connection:
            sender = _sender(session, connection)
            receipt = await sender.submit(transaction, is_new=False)
            receipts.append(
                await sender.follow(transaction, receipt, Wait(wait), timeout_s=timeout_s)
            )
    if txid is not None:
        session.show(receipts[0].to_json(), [receipts[0].line])
        return
    lines = [receipt.line for receipt in receipts] or ["nothing is waiting"]
    session.show({"transactions": [receipt.to_json() for receipt in receipts]}, lines)


async def prepare_draft(
    session: Session, connection: Connection, draft: Draft
) -> tuple[Sender, SignedTransaction]:
    """Sign one transaction and keep it; return it with what sends it."""
    sender = _sender(session, connection)
    (transaction,) = await sender.prepare([draft])
    return sender, transaction


async def send_prepared(
    sender: Sender, transaction: SignedTransaction, *, wait: str, timeout_s: float
) -> Receipt:
    """Submit a kept transaction and follow it; return where it is."""
    (receipt,) = await _submit_all(sender, [transaction], Wait(wait), timeout_s)
    return receipt


async def _send_one(
    session: Session, connection: Connection, draft: Draft, wait: str, timeout_s: float
) -> None:
    sender, transaction = await prepare_draft(session, connection, draft)
    receipt = await send_prepared(sender, transaction, wait=wait, timeout_s=timeout_s)
    session.show(receipt.to_json(), [receipt.line])


async def _submit_all(
    sender: Sender, transactions: Sequence[SignedTransaction], wait: Wait, timeout_s: float
) -> list[Receipt]:
    """Submit in order, then follow each; the first refusal stops what was not submitted yet."""
    receipts = []
    for number, transaction in enumerate(transactions):
        try:
            receipts.append(await sender.submit(transaction))
        except WalletError as error:
            unsent = transactions[number + 1 :]
            sender.drop(unsent)
            if len(transactions) > 1:
                error.detail += f" (sent before it: {number} transactions; not sent: {len(unsent)})"
            raise
    return [
        await sender.follow(transaction, receipt, wait, timeout_s=timeout_s)
        for transaction, receipt in zip(transactions, receipts, strict=True)
    ]


def _sender(session: Session, connection: Connection) -> Sender:
    return Sender(
        connection,
        Outbox(session.home),
        genesis_hash=session.profile().genesis_hash,
        progress=progress,
    )


async def _units_and_issuer(client: NodeClient, amount: str, asset: str) -> tuple[int, MemberId]:
    """Return an amount in smallest units of an asset, and the asset's issuer."""
    entry = asset_in(await client.assets(), asset)
    try:
        decimals, issuer = int(entry["decimals"]), checked_member_id(entry["issuer"])
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "an asset without decimals or issuer", status=200) from None
    return parse_amount(amount, decimals=decimals), issuer


async def _available(client: NodeClient, key: SigningKey) -> dict[AssetCode, int]:
    account = await client.account(encode_account_id(_account(key)), state="head")
    balances: Any = account.get("balances")
    try:
        return {AssetCode(entry["asset"]): int(entry["available"]) for entry in balances}
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "an account without balances", status=200) from None


def _account(key: SigningKey) -> AccountId:
    if key.entry.account is None:
        detail = f"the account of key {key.entry.name} is not open yet"
        raise InvalidRequest("no_account", detail, name=key.entry.name)
    return key.entry.account


def _signer_entry(keystore: Keystore, transaction: SignedTransaction) -> KeyEntry:
    """Return a key of this home that signed a transaction."""
    signed_by = {signature.public_key for signature in transaction.signatures}
    for entry in keystore.entries():
        if entry.public_key in signed_by:
            return entry
    txid = transaction.txid.hex()
    raise InvalidRequest("no_key", f"no key of this home signed {txid}", txid=txid)


def _show_batch(session: Session, payments: int, receipts: Sequence[Receipt]) -> None:
    document: Json = {
        "payments": payments,
        "transactions": [receipt.to_json() for receipt in receipts],
    }
    if len(receipts) == 1:
        document = {**receipts[0].to_json(), **document}
    session.show(document, [receipt.line for receipt in receipts])
