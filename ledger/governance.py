"""The rules of governance: who must sign for a policy, and what each measure changes (ADR 0020).

Policies are rules over the register, not records of their own: a member's roles and officers say
who decides, so a new officer decides from the block that registers the key.
"""

from __future__ import annotations

from dataclasses import replace

from ledger import limits
from ledger.errors import InvalidTransaction
from ledger.identity import Account, AccountStatus, KeySet, Member, MemberId, Role
from ledger.measures import Freeze, Govern, Measure, Unfreeze
from ledger.state import StateKey, StateView, account_key, account_of


def deciding_keys(member_id: MemberId, member: Member) -> KeySet:
    """Return whose signatures the policy ``regulator`` needs when a member acts by it.

    At least two officers sign, one who makes and one who checks, even where one alone may sign
    the member's other transactions.

    Raises:
        InvalidTransaction: ``not_regulator``.
    """
    if not member.has_role(Role.REGULATOR):
        raise InvalidTransaction("not_regulator", f"{member_id} is no regulator", member=member_id)
    officers = member.officers
    return replace(officers, threshold=max(officers.threshold, limits.DECISION_SIGNATURES_MIN))


def apply_measures(view: StateView, effect: Govern) -> dict[StateKey, Account]:
    """Return what the measures would write; each is on an account of its own.

    Raises:
        InvalidTransaction: ``unknown_account``, ``account_closed``, ``already_frozen`` or
            ``not_frozen``, for the first measure that has nothing to change.
    """
    return {
        account_key(measure.account): account_after(account_of(view, measure.account), measure)
        for measure in effect.measures
    }


def account_after(record: Account | None, measure: Measure) -> Account:
    """Return an account's record after a measure.

    Raises:
        InvalidTransaction: as `apply_measures`.
    """
    account = measure.account
    if record is None:
        raise InvalidTransaction("unknown_account", "no such account", account=account)
    status, target = record.status, _STATUS_AFTER[type(measure)]
    if status is AccountStatus.CLOSED:
        raise InvalidTransaction("account_closed", "the account is closed", account=account)
    if status is target:
        code = "already_frozen" if isinstance(measure, Freeze) else "not_frozen"
        raise InvalidTransaction(code, f"the account is {status.value}", account=account)
    return replace(record, status=target)


_STATUS_AFTER: dict[type[Measure], AccountStatus] = {
    Freeze: AccountStatus.FROZEN,
    Unfreeze: AccountStatus.ACTIVE,
}
