"""What the rules of most kinds of transaction require: actors, signers, accounts and assets.

Each function refuses with the code of what is missing, or answers with the record that it found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ledger.errors import InvalidTransaction
from ledger.identity import (
    Account,
    AccountId,
    AccountStatus,
    Asset,
    AssetCode,
    KeySet,
    Member,
    MemberId,
    Role,
)
from ledger.kinds import Entry
from ledger.state import StateView, account_of, asset_of, member_of
from ledger.transactions import SignedTransaction


def acting_member(
    view: StateView, transaction: SignedTransaction, accounts: Iterable[Entry] = ()
) -> tuple[MemberId, Member]:
    """Return the one member that acts, beside exactly the given accounts.

    Raises:
        InvalidTransaction: ``wrong_actors`` or ``unknown_member``.
    """
    members = [actor.id for actor in transaction.body.actors if isinstance(actor.id, str)]
    if len(members) != 1:
        raise InvalidTransaction("wrong_actors", "exactly one member acts in this kind")
    require_actors(transaction, {members[0], *(entry.account for entry in accounts)})
    member = member_of(view, members[0])
    if member is None:
        raise InvalidTransaction("unknown_member", "no such member", member=members[0])
    return members[0], member


def acting_issuer(
    view: StateView,
    transaction: SignedTransaction,
    asset: AssetCode,
    accounts: Iterable[Entry] = (),
) -> Member:
    """Return the one member that acts, which issues the asset.

    Raises:
        InvalidTransaction: ``not_issuer``, ``unknown_asset``, or as `acting_member`.
    """
    member_id, member = acting_member(view, transaction, accounts)
    record = known_asset(view, asset)
    if record.issuer != member_id or not member.has_role(Role.ISSUER):
        raise InvalidTransaction(
            "not_issuer", f"{member_id} does not issue {asset}", member=member_id, asset=asset
        )
    return member


def known_asset(view: StateView, asset: AssetCode) -> Asset:
    """Return the asset's record.

    Raises:
        InvalidTransaction: ``unknown_asset``.
    """
    record = asset_of(view, asset)
    if record is None:
        raise InvalidTransaction("unknown_asset", f"no asset {asset} on this chain", asset=asset)
    return record


def require_debitable(debtors: Mapping[AccountId, Account]) -> None:
    """Refuse debits of frozen and closed accounts; after the signers, who may know the status.

    Raises:
        InvalidTransaction: ``account_frozen`` or ``account_closed``.
    """
    for account, record in debtors.items():
        if record.status is not AccountStatus.ACTIVE:
            raise InvalidTransaction(
                f"account_{record.status.value}", "the account may not be debited", account=account
            )


def require_creditable(view: StateView, account: AccountId) -> None:
    """Refuse credits of closed accounts; freezing keeps money in, it does not turn it away.

    Raises:
        InvalidTransaction: ``account_closed`` or ``unknown_account``.
    """
    if known_account(view, account).status is AccountStatus.CLOSED:
        raise InvalidTransaction(
            "account_closed", "the account may not be credited", account=account
        )


def known_account(view: StateView, account: AccountId) -> Account:
    """Return the account's record.

    Raises:
        InvalidTransaction: ``unknown_account``.
    """
    record = account_of(view, account)
    if record is None:
        raise InvalidTransaction("unknown_account", "no such account", account=account)
    return record


def require_actors(transaction: SignedTransaction, required: AbstractSet[object]) -> None:
    """Have every required account and member act once, and nobody else.

    Raises:
        InvalidTransaction: ``wrong_actors``.
    """
    actors = transaction.body.actors
    if len(actors) == 1 == len(required) and actors[0].id in required:
        return
    if len(actors) != len(required) or {actor.id for actor in actors} != required:
        raise InvalidTransaction("wrong_actors", "the actors are not those that this kind needs")


def require_signers(transaction: SignedTransaction, key_sets: list[KeySet]) -> None:
    """Have exactly the required signatures: every key set met, and no signature to spare.

    A signature is to spare when every key set that holds its key would still be met without it.

    Raises:
        InvalidTransaction: ``missing_signature`` or ``surplus_signature``.
    """
    signatures = transaction.signatures
    if len(key_sets) == 1 == len(signatures):
        only = key_sets[0]
        if only.threshold == 1 and only.keys == (signatures[0].public_key,):
            return  # as nearly always: the one key of the one actor
    signers = {signature.public_key for signature in signatures}
    needed: set[bytes] = set()
    for key_set in key_sets:
        present = signers.intersection(key_set.keys)
        if len(present) < key_set.threshold:
            raise InvalidTransaction(
                "missing_signature",
                f"{len(present)} of {key_set.threshold} required signatures",
                required=key_set.threshold,
                present=len(present),
            )
        if len(present) == key_set.threshold:
            needed |= present
    if needed != signers:
        raise InvalidTransaction("surplus_signature", "a signature that no actor needs")
