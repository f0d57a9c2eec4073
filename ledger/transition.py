"""The state transition: what a transaction needs, and what it changes.

``apply_transaction`` checks everything before it writes anything, so an invalid transaction leaves
the overlay as it was. Signatures themselves are verified elsewhere, in bulk and off the event
loop; here it is decided *whose* signatures a transaction must carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ledger import limits
from ledger.amounts import format_amount
from ledger.attestations import Attest
from ledger.attesting import apply_attestation
from ledger.errors import InvalidBlock, InvalidKey, InvalidTransaction
from ledger.governance import apply_measures, deciding_keys
from ledger.hashing import BlockHash
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
from ledger.keys import check_registrable
from ledger.kinds import Entry, Issue, OpenAccount, Redeem, Transfer
from ledger.measures import Govern
from ledger.parameters import Parameters
from ledger.payments import plain_payment
from ledger.state import (
    Overlay,
    Record,
    StateKey,
    StateView,
    account_key,
    account_of,
    asset_of,
    balance_key,
    member_of,
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
    sequences = validate_sequences(state, transaction)
    state.put_all(validate_effect(state, transaction, height=height) | sequences)


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
        return plain_payment(view, transaction, effect) or _transfer(view, transaction, effect)
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
    _require_actors(transaction, debited)
    debtors = {account: _known_account(view, account) for account in debited}
    _require_signers(transaction, [debtor.keys for debtor in debtors.values()])
    _require_debitable(debtors)
    # The hottest loop of validation: balances are moved as `_move` does it, without the calls.
    creditable: set[AccountId] = set(debited)
    assets: set[AssetCode] = set()
    balances: Writes = {}
    get = view.get
    for leg in effect.legs:
        debit, credit, asset, amount = leg.debit, leg.credit, leg.asset, leg.amount
        if asset not in assets:
            _known_asset(view, asset)
            assets.add(asset)
        if credit not in creditable:
            _creditable(view, credit)
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
    decimals = _known_asset(view, asset).decimals
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
    _require_signers(transaction, [_issuer(view, transaction, effect.asset).officers])
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
        _creditable(view, entry.account)
        _move(view, balances, entry.account, effect.asset, entry.amount)
    return {**balances, supply_key(effect.asset): supply}


def _redeem(view: StateView, transaction: SignedTransaction, effect: Redeem) -> Writes:
    issuer = _issuer(view, transaction, effect.asset, accounts=effect.entries)
    payers = {entry.account: _known_account(view, entry.account) for entry in effect.entries}
    _require_signers(transaction, [issuer.officers, *(p.keys for p in payers.values())])
    _require_debitable(payers)
    balances: Writes = {}
    for entry in effect.entries:
        _move(view, balances, entry.account, effect.asset, -entry.amount)
    supply = supply_of(view, effect.asset) - sum(entry.amount for entry in effect.entries)
    return {**balances, supply_key(effect.asset): supply}


def _open_account(
    view: StateView, transaction: SignedTransaction, effect: OpenAccount, height: int
) -> Writes:
    member_id, member = _acting_member(view, transaction)
    _require_signers(transaction, [member.officers])
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
    member_id, member = _acting_member(view, transaction)
    _require_signers(transaction, [deciding_keys(member_id, member)])
    return {**apply_measures(view, effect)}


def _attest(view: StateView, transaction: SignedTransaction, effect: Attest, height: int) -> Writes:
    member_id, member = _acting_member(view, transaction)
    _require_signers(transaction, [member.officers])
    return {**apply_attestation(view, member_id, effect, txid=transaction.txid, height=height)}


def _acting_member(
    view: StateView, transaction: SignedTransaction, accounts: Iterable[Entry] = ()
) -> tuple[MemberId, Member]:
    """Return the one member that acts, beside exactly the given accounts."""
    members = [actor.id for actor in transaction.body.actors if isinstance(actor.id, str)]
    if len(members) != 1:
        raise InvalidTransaction("wrong_actors", "exactly one member acts in this kind")
    _require_actors(transaction, {members[0], *(entry.account for entry in accounts)})
    member = member_of(view, members[0])
    if member is None:
        raise InvalidTransaction("unknown_member", "no such member", member=members[0])
    return members[0], member


def _issuer(
    view: StateView,
    transaction: SignedTransaction,
    asset: AssetCode,
    accounts: Iterable[Entry] = (),
) -> Member:
    member_id, member = _acting_member(view, transaction, accounts)
    record = _known_asset(view, asset)
    if record.issuer != member_id or not member.has_role(Role.ISSUER):
        raise InvalidTransaction(
            "not_issuer", f"{member_id} does not issue {asset}", member=member_id, asset=asset
        )
    return member


def _known_asset(view: StateView, asset: AssetCode) -> Asset:
    record = asset_of(view, asset)
    if record is None:
        raise InvalidTransaction("unknown_asset", f"no asset {asset} on this chain", asset=asset)
    return record


def _require_debitable(debtors: Mapping[AccountId, Account]) -> None:
    """Refuse debits of frozen and closed accounts; after the signers, who may know the status."""
    for account, record in debtors.items():
        if record.status is not AccountStatus.ACTIVE:
            raise InvalidTransaction(
                f"account_{record.status.value}", "the account may not be debited", account=account
            )


def _creditable(view: StateView, account: AccountId) -> None:
    """A frozen account still receives: freezing keeps money in, it does not turn it away."""
    if _known_account(view, account).status is AccountStatus.CLOSED:
        raise InvalidTransaction(
            "account_closed", "the account may not be credited", account=account
        )


def _known_account(view: StateView, account: AccountId) -> Account:
    record: Account | None = view.get(account_key(account))
    if record is None:
        raise InvalidTransaction("unknown_account", "no such account", account=account)
    return record


def _require_actors(transaction: SignedTransaction, required: AbstractSet[object]) -> None:
    """Every required account and member acts once, and nobody else does."""
    actors = transaction.body.actors
    if len(actors) == 1 == len(required) and actors[0].id in required:
        return
    if len(actors) != len(required) or {actor.id for actor in actors} != required:
        raise InvalidTransaction("wrong_actors", "the actors are not those that this kind needs")


def _require_signers(transaction: SignedTransaction, key_sets: list[KeySet]) -> None:
    """Exactly the required signatures: every key set met, and no signature to spare.

    A signature is to spare when every key set that holds its key would still be met without it.
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


def signature_items(transaction: SignedTransaction) -> list[tuple[bytes, bytes, bytes]]:
    """Return (public key, signature, message) of each signature, for ``ledger.keys.verify``."""
    message = transaction.signing_message
    return [(s.public_key, s.signature, message) for s in transaction.signatures]
