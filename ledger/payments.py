"""The plain payment, which is most of what a ledger does: judged at once where nothing is odd.

A payment of one leg by one key needs no sets and loops to gather actors, debtors and signers. What
is said here is only yes: everything else, refusals above all, `ledger.transition` judges by the
rules of all transfers, of which this is a special case. `ledger.transition` checks the chain and
the validity window before.

A block has thousands of these, so the overlay's dictionaries are read without a call each.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.identity import Account, AccountStatus
from ledger.kinds import Transfer
from ledger.state import ACCOUNT, ACCOUNT_SEQUENCE, ASSET, BALANCE, LANE_BYTES, Overlay, Record
from ledger.transactions import SignedTransaction

_ACTIVE: Final = AccountStatus.ACTIVE

_Writes = dict[Any, Record]


def plain_payment(state: Overlay, transaction: SignedTransaction) -> _Writes | None:
    """Return what a payment by one signer between two active accounts would write.

    That is both balances and the payer's sequence. None is no verdict: the rules of all kinds have
    to judge.
    """
    effect = transaction.body.effect
    if type(effect) is not Transfer:
        return None
    writes = plain_balances(state, transaction, effect)
    if writes is None:
        return None
    actor = transaction.body.actors[0]
    sequence = actor.sequence
    written: _Writes = state.written
    key: Any = ACCOUNT_SEQUENCE + effect.legs[0].debit + LANE_BYTES[actor.lane]
    if key in written:
        expected = written[key]
    else:
        expected = state.read[key] = state.below(key)
    if sequence != (expected or 0):
        return None
    writes[key] = sequence + 1
    return writes


def plain_balances(
    state: Overlay, transaction: SignedTransaction, effect: Transfer
) -> _Writes | None:
    """Return the balances that a plain payment would write, or None, which is no verdict."""
    legs, actors, signatures = effect.legs, transaction.body.actors, transaction.signatures
    if not len(legs) == len(actors) == len(signatures) == 1:
        return None
    leg = legs[0]
    debit, credit, amount = leg.debit, leg.credit, leg.amount
    if debit == credit or actors[0].id != debit:
        return None
    written: _Writes = state.written
    below: Any = state.below
    # Of what is not written here, the overlay need not know that it was read.
    key = ACCOUNT + debit
    debtor: Account | None = written[key] if key in written else below(key)
    key = ACCOUNT + credit
    creditor: Account | None = written[key] if key in written else below(key)
    if debtor is None or creditor is None:
        return None
    if debtor.status is not _ACTIVE or creditor.status is not _ACTIVE:
        return None
    keys = debtor.keys
    if keys.threshold != 1 or keys.keys != (signatures[0].public_key,):
        return None
    asset = leg.asset.encode()
    key = ASSET + asset
    if (written[key] if key in written else below(key)) is None:
        return None
    read: _Writes = state.read
    debited, credited = BALANCE + debit + asset, BALANCE + credit + asset
    if debited in written:
        balance = written[debited]
    else:
        balance = read[debited] = below(debited)
    if not balance or balance < amount:  # an amount is at least 1
        return None
    if credited in written:
        credit_balance = written[credited]
    else:
        credit_balance = read[credited] = below(credited)
    return {debited: balance - amount, credited: (credit_balance or 0) + amount}
