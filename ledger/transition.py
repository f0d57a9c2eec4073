"""The state transition: what a transaction needs, and what it changes.

``apply_transaction`` checks everything before it writes anything, so an invalid transaction leaves
the overlay as it was. Signatures themselves are verified elsewhere, in bulk and off the event
loop; here it is decided *whose* signatures a transaction must carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger import limits
from ledger.amounts import format_amount
from ledger.attestations import Attest
from ledger.attesting import apply_attestation
from ledger.errors import InvalidBlock, InvalidKey, InvalidTransaction
from ledger.governance import apply_measures, deciding_keys
from ledger.hashing import TRANSACTION_SIGNATURE, BlockHash
from ledger.identity import Account, AccountId, AccountStatus, AssetCode
from ledger.keys import check_registrable
from ledger.kinds import Issue, OpenAccount, Redeem, Transfer
from ledger.measures import Govern
from ledger.parameters import Parameters
from ledger.payments import plain_balances, plain_payment
from ledger.requirements import (
    acting_issuer,
    acting_member,
    known_account,
    known_asset,
    require_actors,
    require_creditable,
    require_debitable,
    require_signers,
)
from ledger.state import (
    Overlay,
    Record,
    StateKey,
    StateView,
    account_key,
    account_of,
    balance_key,
    sequence_key,
    supply_key,
    supply_of,
)
from ledger.transactions import SignedTransaction, opened_account_id

Writes = dict[StateKey, Record]


def apply_block(
    state: Overlay,
    transactions: Iterable[SignedTransaction],
    *,
    height: int,
    genesis_hash: BlockHash,
    parameters: Parameters,
) -> None:
    """Apply a block's transactions in order.

    Raises:
        InvalidBlock: over the block's limits.
        InvalidTransaction: one of them is not allowed; the overlay is then useless.
    """
    legs = signatures = 0
    for transaction in transactions:
        legs += transaction.leg_count
        signatures += len(transaction.signatures)
        if legs > parameters.block_legs_max or signatures > parameters.block_signatures_max:
            raise InvalidBlock("block_too_large", "more legs or signatures than a block may hold")
        apply_transaction(state, transaction, height=height, genesis_hash=genesis_hash)


def apply_transaction(
    state: Overlay, transaction: SignedTransaction, *, height: int, genesis_hash: BlockHash
) -> None:
    """Apply one transaction in a block of ``height``, or leave the overlay untouched.

    Raises:
        InvalidTransaction: with the code of what is wrong.
    """
    validate_window(transaction, height=height, genesis_hash=genesis_hash)
    writes = plain_payment(state, transaction)
    if writes is None:
        sequences = validate_sequences(state, transaction)
        writes = validate_effect(state, transaction, height=height) | sequences
    state.put_all(writes)


def validate_window(
    transaction: SignedTransaction, *, height: int, genesis_hash: BlockHash
) -> None:
    """Check the chain and the validity window, which need no state.

    Raises:
        InvalidTransaction: ``wrong_chain``, ``bad_validity``, ``not_yet_valid`` or ``expired``.
    """
    body = transaction.body
    if body.genesis_hash != genesis_hash:
        raise InvalidTransaction("wrong_chain", "signed for another chain")
    if (
        body.valid_from
        <= height
        <= body.valid_until
        <= body.valid_from + limits.VALIDITY_BLOCKS_MAX
    ):
        return  # as nearly always
    if not 0 <= body.valid_until - body.valid_from <= limits.VALIDITY_BLOCKS_MAX:
        _check_long_window(transaction)
    if height < body.valid_from:
        raise InvalidTransaction(
            "not_yet_valid", "its validity begins later", valid_from=body.valid_from, height=height
        )
    if height > body.valid_until:
        raise InvalidTransaction(
            "expired", "its validity is over", valid_until=body.valid_until, height=height
        )


def _check_long_window(transaction: SignedTransaction) -> None:
    """Refuse a window that only governance may have, whose signatures can take days."""
    body = transaction.body
    is_govern = isinstance(body.effect, Govern)
    blocks_max = limits.GOVERN_VALIDITY_BLOCKS_MAX if is_govern else limits.VALIDITY_BLOCKS_MAX
    if not 0 <= body.valid_until - body.valid_from <= blocks_max:
        raise InvalidTransaction(
            "bad_validity",
            f"a validity window spans 0 to {blocks_max} blocks",
            valid_from=body.valid_from,
            valid_until=body.valid_until,
        )


def validate_sequences(view: StateView, transaction: SignedTransaction) -> Writes:
    """Check that every actor's sequence is its lane's next; return what using them would write.

    Raises:
        InvalidTransaction: ``sequence_conflict`` (used already) or ``sequence_gap`` (ahead).
    """
    writes: Writes = {}
    for actor in transaction.body.actors:
        key, sequence = sequence_key(actor), actor.sequence
        expected: int = view.get(key) or 0
        if sequence != expected:
            code = "sequence_conflict" if sequence < expected else "sequence_gap"
            raise InvalidTransaction(
                code,
                f"sequence {sequence} where {expected} is next",
                sequence=sequence,
                expected=expected,
                lane=actor.lane,
            )
        writes[key] = sequence + 1
    return writes


def validate_effect(view: StateView, transaction: SignedTransaction, *, height: int) -> Writes:
    """Check actors, signers and effect against the state; return what the effect would write.

    Raises:
        InvalidTransaction: with the code of what is wrong.
    """
    effect = transaction.body.effect
    if isinstance(effect, Transfer):
        state = view if isinstance(view, Overlay) else Overlay(view)
        return plain_balances(state, transaction, effect) or _transfer(state, transaction, effect)
    if isinstance(effect, Issue):
        return _issue(view, transaction, effect)
    if isinstance(effect, Redeem):
        return _redeem(view, transaction, effect)
    if isinstance(effect, Govern):
        return _govern(view, transaction, effect)
    if isinstance(effect, Attest):
        return _attest(view, transaction, effect, height)
    return _open_account(view, transaction, effect, height)


def _transfer(view: StateView, transaction: SignedTransaction, effect: Transfer) -> Writes:
    debited = {leg.debit for leg in effect.legs}
    require_actors(transaction, debited)
    debtors = {account: known_account(view, account) for account in debited}
    require_signers(transaction, [debtor.keys for debtor in debtors.values()])
    require_debitable(debtors)
    # The hottest loop of validation: balances are moved as `_move` does it, without the calls.
    creditable: set[AccountId] = set(debited)
    assets: set[AssetCode] = set()
    balances: Writes = {}
    get = view.get
    for leg in effect.legs:
        debit, credit, asset, amount = leg.debit, leg.credit, leg.asset, leg.amount
        if asset not in assets:
            known_asset(view, asset)
            assets.add(asset)
        if credit not in creditable:
            require_creditable(view, credit)
            creditable.add(credit)
        key = balance_key(debit, asset)
        balance: int = balances[key] if key in balances else get(key) or 0
        if balance < amount:
            raise _insufficient_funds(view, debit, asset, amount, balance)
        balances[key] = balance - amount
        key = balance_key(credit, asset)
        balance = balances[key] if key in balances else get(key) or 0
        balances[key] = balance + amount
    return balances


def _move(
    view: StateView,
    balances: Writes,
    account: AccountId,
    asset: AssetCode,
    change: int,
) -> None:
    """Add ``change`` to a balance in ``balances``, read from the state when first met.

    No credit can pass AMOUNT_MAX: it is bounded by the supply, which ``_issue`` bounds.
    """
    key = balance_key(account, asset)
    balance: int | None = balances.get(key)
    if balance is None:
        balance = view.get(key) or 0
    after = balance + change
    if after < 0:
        raise _insufficient_funds(view, account, asset, -change, balance)
    balances[key] = after


def _insufficient_funds(
    view: StateView, account: AccountId, asset: AssetCode, needed: int, available: int
) -> InvalidTransaction:
    decimals = known_asset(view, asset).decimals
    debit = format_amount(needed, decimals=decimals)
    balance = format_amount(available, decimals=decimals)
    return InvalidTransaction(
        "insufficient_funds",
        f"a debit of {debit} {asset} exceeds the balance of {balance}",
        account=account,
        asset=asset,
        needed=needed,
        available=available,
    )


def _issue(view: StateView, transaction: SignedTransaction, effect: Issue) -> Writes:
    require_signers(transaction, [acting_issuer(view, transaction, effect.asset).officers])
    supply = supply_of(view, effect.asset) + sum(entry.amount for entry in effect.entries)
    if supply > limits.AMOUNT_MAX:
        raise InvalidTransaction(
            "supply_overflow",
            f"total supply would exceed {limits.AMOUNT_MAX}",
            asset=effect.asset,
            supply=supply,
        )
    balances: Writes = {}
    for entry in effect.entries:
        require_creditable(view, entry.account)
        _move(view, balances, entry.account, effect.asset, entry.amount)
    return {**balances, supply_key(effect.asset): supply}


def _redeem(view: StateView, transaction: SignedTransaction, effect: Redeem) -> Writes:
    issuer = acting_issuer(view, transaction, effect.asset, accounts=effect.entries)
    payers = {entry.account: known_account(view, entry.account) for entry in effect.entries}
    require_signers(transaction, [issuer.officers, *(p.keys for p in payers.values())])
    require_debitable(payers)
    balances: Writes = {}
    for entry in effect.entries:
        _move(view, balances, entry.account, effect.asset, -entry.amount)
    supply = supply_of(view, effect.asset) - sum(entry.amount for entry in effect.entries)
    return {**balances, supply_key(effect.asset): supply}


def _open_account(
    view: StateView, transaction: SignedTransaction, effect: OpenAccount, height: int
) -> Writes:
    member_id, member = acting_member(view, transaction)
    require_signers(transaction, [member.officers])
    for key in effect.keys.keys:
        try:
            check_registrable(key)
        except InvalidKey as error:
            raise InvalidTransaction(
                "invalid_key", error.detail, key=key, reason=error.code
            ) from None
    account = opened_account_id(transaction.txid)
    if account_of(view, account) is not None:
        raise InvalidTransaction("account_exists", "the account is open already", account=account)
    record = Account(
        member=member_id,
        kind=effect.account_kind,
        status=AccountStatus.ACTIVE,
        keys=effect.keys,
        opened_height=height,
    )
    return {account_key(account): record}


def _govern(view: StateView, transaction: SignedTransaction, effect: Govern) -> Writes:
    """Signers come before the accounts' status, which is for those who may see the accounts."""
    member_id, member = acting_member(view, transaction)
    require_signers(transaction, [deciding_keys(member_id, member)])
    return {**apply_measures(view, effect)}


def _attest(view: StateView, transaction: SignedTransaction, effect: Attest, height: int) -> Writes:
    member_id, member = acting_member(view, transaction)
    require_signers(transaction, [member.officers])
    return {**apply_attestation(view, member_id, effect, txid=transaction.txid, height=height)}


def signature_items(transaction: SignedTransaction) -> list[tuple[bytes, bytes, bytes]]:
    """Return (public key, signature, message) of each signature, for ``ledger.keys.verify``."""
    return signature_items_of_all((transaction,))


def signature_items_of_all(
    transactions: Sequence[SignedTransaction],
) -> list[tuple[bytes, bytes, bytes]]:
    """Return `signature_items` of transactions one after the other."""
    messages = TRANSACTION_SIGNATURE.each(one.body_bytes for one in transactions)
    return [
        (signature.public_key, signature.signature, message)
        for transaction, message in zip(transactions, messages, strict=True)
        for signature in transaction.signatures
    ]
