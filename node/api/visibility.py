"""Who may see what (threat 63): a thing is for its parties, their members and regulators.

This confidentiality is the API's; every sealer's node holds all of it in clear (README, non-guarantees).
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.attestations import Attest
from ledger.identity import Account, AccountId
from ledger.transactions import SignedTransaction
from node.api.auth import Principal
from node.api.problems import forbidden, not_found
from node.storage.indexes import accounts_of
from node.storage.view import At, ChainView


def may_see_account(principal: Principal | None, account: AccountId, record: Account) -> bool:
    """Tell whether an account is the principal's own, its member's, or open to it as regulator."""
    if principal is None:
        return False
    if principal.is_regulator:
        return True
    if principal.account is not None:
        return principal.account == account
    return principal.member == record.member


def may_see_transaction(
    principal: Principal | None, transaction: SignedTransaction, view: ChainView
) -> bool:
    """Tell whether a principal is a party of a transaction, a party's member, or a regulator.

    An attestation is made for others to rely on: whoever the chain knows may see it (ADR 0031).
    """
    if principal is None:
        return False
    if principal.is_regulator or isinstance(transaction.body.effect, Attest):
        return True
    parties = accounts_of(transaction)
    if principal.account is not None:
        return principal.account in parties
    if any(actor.id == principal.member for actor in transaction.body.actors):
        return True
    return _has_account_among(principal, parties, view)


def visible_account(principal: Principal, account: AccountId, view: ChainView, at: At) -> Account:
    """Return an account's record for someone who may see it.

    Raises:
        Problem: 404 where there is none at that block, 403 where it is somebody else's.
    """
    record = view.account(account, At.HEAD)
    if record is None:
        raise not_found("unknown_account", "No such account on this chain.")
    if not may_see_account(principal, account, record):
        raise forbidden("not_your_account", "The account is another's.")
    record = view.account(account, at)
    if record is None:
        raise not_found("account_not_final", "The block that opens the account is not final yet.")
    return record


def _has_account_among(
    principal: Principal, accounts: Iterable[AccountId], view: ChainView
) -> bool:
    for account in accounts:
        record = view.account(account, At.HEAD)
        if record is not None and record.member == principal.member:
            return True
    return False
