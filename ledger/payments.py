"""The plain payment, which is most of what a ledger does: judged at once where nothing is odd.

A payment of one leg by one key needs no sets and loops to gather actors, debtors and signers. What
is said here is only yes: everything else, refusals above all, `ledger.transition` judges by the
rules of all transfers, of which this is a special case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.identity import Account, AccountStatus
from ledger.kinds import Transfer
from ledger.state import ACCOUNT, ASSET, BALANCE, Record, StateKey, StateView
from ledger.transactions import SignedTransaction


def plain_payment(
    view: StateView, transaction: SignedTransaction, effect: Transfer
) -> dict[StateKey, Record] | None:
    """Return what a payment by one signer between two active accounts would write.

    None is no verdict: the rules of all transfers have to judge.
    """
    legs, actors, signatures = effect.legs, transaction.body.actors, transaction.signatures
    if not len(legs) == len(actors) == len(signatures) == 1:
        return None
    get: Callable[[Any], Any] = view.get  # the keys are made here, without a call each
    leg = legs[0]
    debit, credit, amount = leg.debit, leg.credit, leg.amount
    debtor: Account | None = get(ACCOUNT + debit)
    creditor: Account | None = get(ACCOUNT + credit)
    if debtor is None or creditor is None or debit == credit or actors[0].id != debit:
        return None
    active = AccountStatus.ACTIVE
    if debtor.status is not active or creditor.status is not active:
        return None
    keys = debtor.keys
    if keys.threshold != 1 or keys.keys != (signatures[0].public_key,):
        return None
    asset = leg.asset.encode()
    debited, credited = BALANCE + debit + asset, BALANCE + credit + asset
    balance: int = get(debited) or 0
    if balance < amount or get(ASSET + asset) is None:
        return None
    writes: dict[Any, Record] = {
        debited: balance - amount,
        credited: (get(credited) or 0) + amount,
    }
    return writes
