"""What a command's words stand for: names of this home's keys, account ids, assets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ledger.addresses import ACCOUNT_ID_PREFIX, decode_account_id
from ledger.identity import AccountId, AssetCode, MemberId
from wallet.errors import ApiError, InvalidRequest
from wallet.keystore import KeyEntry, KeyRole, Keystore, SigningKey
from wallet.session import Json

_ID_START = f"{ACCOUNT_ID_PREFIX}1"
_TXID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def txid_of(text: str) -> str:
    """Return the transaction id that a word is, 64 digits of lower-case hex.

    Raises:
        InvalidRequest: ``bad_txid``.
    """
    txid = text.lower()
    if not _TXID.fullmatch(txid):
        detail = f"{text[:80]!r} is no transaction id: 64 hexadecimal digits"
        raise InvalidRequest("bad_txid", detail, txid=text[:80])
    return txid


def account_of(keystore: Keystore, name_or_id: str) -> AccountId:
    """Return the account that a name of the keystore or an id stands for.

    Raises:
        DecodeError: mistyped id.
        KeystoreError: no such key.
        InvalidRequest: ``no_account``; the key stands for none.
    """
    if name_or_id.lower().startswith(_ID_START):
        return AccountId(decode_account_id(name_or_id))
    entry = keystore.entry(name_or_id)
    if entry.account is None:
        detail = f"{name_or_id} is a key without an account"
        raise InvalidRequest("no_account", detail, name=name_or_id)
    return entry.account


def holder_key(keystore: Keystore, name_or_id: str) -> SigningKey:
    """Return the key of this home that signs for an account, given by its name or its id.

    Raises:
        InvalidRequest: ``no_account`` or ``no_key``.
    """
    account = account_of(keystore, name_or_id)
    for entry in keystore.entries():
        if entry.account == account:
            return keystore.signing_key(entry.name)
    raise InvalidRequest("no_key", f"no key of this home signs for {name_or_id}", name=name_or_id)


def officer_keys(
    keystore: Keystore, names: Sequence[str], member: MemberId
) -> tuple[SigningKey, ...]:
    """Return the officers' keys of a member that were named, or its only one in this home.

    Raises:
        InvalidRequest: ``not_an_officer`` or ``officer_required``.
    """
    if not names:
        names = [entry.name for entry in keystore.entries() if is_officer_of(entry, member)]
        if len(names) != 1:
            found = f"has {len(names)} officers' keys" if names else "has no officer's key"
            detail = f"this home {found} of {member}; name one with --as"
            raise InvalidRequest("officer_required", detail, member=member)
    for name in names:
        if not is_officer_of(keystore.entry(name), member):
            detail = f"{name} is no officer of {member}"
            raise InvalidRequest("not_an_officer", detail, name=name, member=member)
    return tuple(keystore.signing_key(name) for name in names)


def is_officer_of(entry: KeyEntry, member: MemberId) -> bool:
    """Tell whether a key is an officer's of a member."""
    return entry.role is KeyRole.OFFICER and entry.member == member


def decimals_by_asset(assets: Sequence[Json]) -> dict[AssetCode, int]:
    """Return the decimal places of each asset of ``/v1/assets``.

    Raises:
        ApiError: ``bad_answer``.
    """
    try:
        return {AssetCode(entry["asset"]): int(entry["decimals"]) for entry in assets}
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "an asset without code or decimals", status=200) from None


def asset_in(assets: Sequence[Json], code: str) -> Json:
    """Return one asset of ``/v1/assets``.

    Raises:
        InvalidRequest: ``unknown_asset``.
    """
    for entry in assets:
        if entry.get("asset") == code:
            return entry
    known = ", ".join(str(entry.get("asset")) for entry in assets)
    raise InvalidRequest("unknown_asset", f"no asset {code!r}; there are {known}", asset=code)
