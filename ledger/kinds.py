"""What transactions do: one class a kind, with its encoding.

A later kind adds its number, its class and its decoder here and its rule in ``ledger.transition``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from ledger import codec, limits
from ledger.attestations import Attest, attest_value, decode_attest
from ledger.errors import DecodeError
from ledger.identity import (
    ACCOUNT_ID_BYTES,
    AccountId,
    AccountKind,
    AssetCode,
    KeySet,
    account_id,
    asset_code,
    enum_value,
)
from ledger.measures import Govern, decode_govern, govern_value


class Kind(IntEnum):
    """What a transaction does; the number is on the wire."""

    TRANSFER = 1
    ISSUE = 2
    REDEEM = 3
    OPEN_ACCOUNT = 4
    GOVERN = 5
    ATTEST = 6


class Leg(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One movement of a transfer; its encoding is the array of its fields."""

    debit: Annotated[AccountId, Meta(min_length=ACCOUNT_ID_BYTES, max_length=ACCOUNT_ID_BYTES)]
    credit: Annotated[AccountId, Meta(min_length=ACCOUNT_ID_BYTES, max_length=ACCOUNT_ID_BYTES)]
    asset: AssetCode
    amount: Annotated[int, Meta(ge=1, le=limits.AMOUNT_MAX)]
    reference: Annotated[str, Meta(max_length=limits.REFERENCE_BYTES_MAX)] = ""


class Entry(NamedTuple):
    """One account and amount of an issue or a redemption."""

    account: AccountId
    amount: int


class Transfer(Struct, frozen=True, kw_only=True, gc=False):
    """Moves assets between accounts, leg by leg, all or nothing."""

    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Creates supply of an asset in accounts; signed by the issuer's officers."""

    asset: AssetCode
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeem:
    """Destroys supply held by accounts; signed by the issuer's officers and by the accounts."""

    asset: AssetCode
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """Opens an account of the acting member; its id follows from the txid."""

    account_kind: AccountKind
    keys: KeySet


Effect = Transfer | Issue | Redeem | OpenAccount | Govern | Attest


def leg_count(effect: Effect) -> int:
    """Return the movements that an effect counts for against the block's limit."""
    if isinstance(effect, Transfer):
        return len(effect.legs)
    if isinstance(effect, Govern):
        return len(effect.measures)
    return 1 if isinstance(effect, OpenAccount | Attest) else len(effect.entries)


def effect_value(effect: Effect) -> codec.Value:
    """Return the array that encodes an effect."""
    if isinstance(effect, Transfer):
        return effect.legs
    if isinstance(effect, OpenAccount):
        return (effect.account_kind.value, effect.keys.to_value())
    if isinstance(effect, Govern):
        return govern_value(effect)
    if isinstance(effect, Attest):
        return attest_value(effect)
    return (effect.asset, effect.entries)


def _decode_transfer(value: codec.Value) -> Transfer:
    values = codec.array(value, "legs", count_min=1, count_max=limits.TRANSACTION_LEGS_MAX)
    # The hottest loop of decoding: types are tested inline, the readers give the error.
    amount_max, id_bytes = limits.AMOUNT_MAX, ACCOUNT_ID_BYTES
    known_assets: set[str] = set()
    legs = []
    for item in values:
        if type(item) is not tuple or len(item) != 5:
            codec.fields(item, 5, "leg")
        debit, credit, asset, amount, reference = item
        if type(debit) is not bytes or len(debit) != id_bytes:
            account_id(debit)
        if type(credit) is not bytes or len(credit) != id_bytes:
            account_id(credit)
        if type(amount) is not int or not 1 <= amount <= amount_max:
            _amount(amount)
        if type(asset) is not str or asset not in known_assets:
            known_assets.add(asset_code(asset))
        if reference != "":
            codec.text(reference, limits.REFERENCE_BYTES_MAX, "leg reference")
        legs.append(Leg(*item))
    return Transfer(legs=tuple(legs))


def _amount(value: codec.Value) -> int:
    if type(value) is not int or not 1 <= value <= limits.AMOUNT_MAX:
        raise DecodeError("bad_amount", f"an amount is an integer from 1 to {limits.AMOUNT_MAX}")
    return value


def _entries(value: codec.Value) -> tuple[Entry, ...]:
    values = codec.array(value, "entries", count_min=1, count_max=limits.TRANSACTION_LEGS_MAX)
    entries = []
    for item in values:
        account, amount = codec.fields(item, 2, "entry")
        entries.append(Entry(account_id(account), _amount(amount)))
    return tuple(entries)


def _decode_issue(value: codec.Value) -> Issue:
    asset, entries = codec.fields(value, 2, "issue")
    return Issue(asset=asset_code(asset), entries=_entries(entries))


def _decode_redeem(value: codec.Value) -> Redeem:
    asset, entries = codec.fields(value, 2, "redemption")
    return Redeem(asset=asset_code(asset), entries=_entries(entries))


def _decode_open_account(value: codec.Value) -> OpenAccount:
    kind, keys = codec.fields(value, 2, "account opening")
    return OpenAccount(
        account_kind=enum_value(AccountKind, kind, "account kind"), keys=KeySet.from_value(keys)
    )


KIND_OF: Mapping[type[Effect], Kind] = {
    Transfer: Kind.TRANSFER,
    Issue: Kind.ISSUE,
    Redeem: Kind.REDEEM,
    OpenAccount: Kind.OPEN_ACCOUNT,
    Govern: Kind.GOVERN,
    Attest: Kind.ATTEST,
}
EFFECT_DECODERS: Mapping[int, Callable[[codec.Value], Effect]] = {
    Kind.TRANSFER: _decode_transfer,
    Kind.ISSUE: _decode_issue,
    Kind.REDEEM: _decode_redeem,
    Kind.OPEN_ACCOUNT: _decode_open_account,
    Kind.GOVERN: decode_govern,
    Kind.ATTEST: decode_attest,
}
