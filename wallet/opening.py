"""Opening an account: its key first, its id before the transaction leaves.

The id follows from the transaction, so it is stored before submission: a crash at any point loses
neither the key nor the account.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.addresses import encode_account_id
from ledger.identity import AccountKind, KeySet, MemberId, member_id
from ledger.kinds import OpenAccount
from ledger.transactions import opened_account_id
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session
from wallet.errors import ApiError, KeystoreError, OutboxError
from wallet.keystore import KeyEntry, KeyRole, Keystore, generate_seed
from wallet.naming import officer_keys
from wallet.outbox import Outbox
from wallet.payments import prepare_draft, send_prepared
from wallet.sending import Draft

_NOT_FOUND = 404


async def open_new_account(
    session: Session,
    *,
    name: str,
    member: str,
    officers: Sequence[str],
    kind: str,
    wait: str,
    timeout_s: float,
) -> None:
    """Open an account and show its id and where the transaction is."""
    keystore, identity = session.keystore(), member_id(member)
    signers = officer_keys(keystore, officers, identity)
    async with connect(session.profile(), signers[0], url=session.node) as connection:
        entry = await _free_entry(session, keystore, connection.client, name, identity)
        keys = KeySet(keys=(entry.public_key,), threshold=1)
        draft = Draft(
            effect=OpenAccount(account_kind=AccountKind(kind), keys=keys),
            actors=(identity,),
            signers=signers,
        )
        sender, transaction = await prepare_draft(session, connection, draft)
        account = opened_account_id(transaction.txid)
        keystore.set_account(name, account)
        receipt = await send_prepared(sender, transaction, wait=wait, timeout_s=timeout_s)
    text = encode_account_id(account)
    document = {"name": name, "account": text, "member": member, **receipt.to_json()}
    session.show(document, [f"{name} is {text}", receipt.line])


async def _free_entry(
    session: Session, keystore: Keystore, client: NodeClient, name: str, member: MemberId
) -> KeyEntry:
    """Return the key for the new account: made now, or there and without an account on chain.

    Raises:
        KeystoreError: ``key_exists``: it is an officer's, another member's, or its account is open.
        OutboxError: ``already_sent``: its opening is under way.
    """
    if name not in keystore.names():
        return keystore.add_account(name, seed=generate_seed(), member=member)
    entry = keystore.entry(name)
    if entry.role is not KeyRole.ACCOUNT or entry.member != member:
        detail = f"{name} is the key of an {entry.role.value} of {entry.member}"
        raise KeystoreError("key_exists", detail, name=name)
    if entry.account is None:
        return entry
    if await _is_open(client, encode_account_id(entry.account)):
        raise KeystoreError("key_exists", f"{name} has an open account", name=name)
    for transaction in Outbox(session.home).transactions():
        if opened_account_id(transaction.txid) == entry.account:
            txid = transaction.txid.hex()
            detail = f"the opening of {name} is under way; `sunlit wallet resend {txid}`"
            raise OutboxError("already_sent", detail, txid=txid)
    return entry


async def _is_open(client: NodeClient, account: str) -> bool:
    try:
        await client.account(account, state="head")
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    return True
