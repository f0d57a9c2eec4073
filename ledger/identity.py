"""Who is on the chain: members (institutions), accounts and assets, and their canonical records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NewType, TypeVar

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.keys import PUBLIC_KEY_BYTES

AccountId = NewType("AccountId", bytes)
MemberId = NewType("MemberId", str)
AssetCode = NewType("AssetCode", str)

ACCOUNT_ID_BYTES = 20

_E = TypeVar("_E", bound=StrEnum)

_MEMBER_ID = re.compile(rf"[a-z][a-z0-9-]{{0,{limits.MEMBER_ID_BYTES_MAX - 1}}}", re.ASCII)
_ASSET_CODE = re.compile(rf"[A-Z][A-Z0-9]{{0,{limits.ASSET_CODE_BYTES_MAX - 1}}}", re.ASCII)
_LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)


class Role(StrEnum):
    """What a member may do."""

    SEALER = "sealer"
    ISSUER = "issuer"
    GOVERNOR = "governor"
    REGULATOR = "regulator"


class AccountKind(StrEnum):
    """Whom an account is for."""

    INSTITUTION = "institution"
    INNOVATOR = "innovator"
    USER = "user"
    TREASURY = "treasury"


class AccountStatus(StrEnum):
    """Whether an account may be debited and credited."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Keys of which ``threshold`` must sign."""

    keys: tuple[bytes, ...]
    """Public keys with their scheme byte, 33 bytes each, ascending, distinct."""
    threshold: int
    """How many of the keys must sign, 1 to len(keys)."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the key set."""
        return (self.threshold, self.keys)

    @classmethod
    def from_value(cls, value: codec.Value) -> KeySet:
        """Return the key set of a decoded array.

        Raises:
            DecodeError: keys unsorted or repeated, or a threshold that they cannot meet.
        """
        threshold, keys = codec.fields(value, 2, "key set")
        keys = codec.array(keys, "keys", count_min=1, count_max=limits.KEYS_MAX)
        for key in keys:
            codec.fixed_bytes(key, PUBLIC_KEY_BYTES, "public key")
        if any(a >= b for a, b in pairwise(keys)):
            raise DecodeError("keys_unsorted", "keys are ascending and distinct")
        if not 1 <= codec.uint(threshold, "threshold") <= len(keys):
            raise DecodeError("bad_threshold", f"threshold {threshold} of {len(keys)} keys")
        return cls(keys=keys, threshold=threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the state holds it; balances and sequences are entries of their own."""

    member: MemberId
    """Institution that opened it and answers for it."""
    kind: AccountKind
    """Whom it is for."""
    status: AccountStatus
    """Active, frozen or closed."""
    keys: KeySet
    """Who signs its debits."""
    opened_height: int
    """Height of the block that opened it; 0 in genesis."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the account."""
        return (
            self.member,
            self.kind.value,
            self.status.value,
            self.keys.to_value(),
            self.opened_height,
        )

    @classmethod
    def from_value(cls, value: codec.Value) -> Account:
        """Return the account of a decoded array."""
        member, kind, status, keys, height = codec.fields(value, 5, "account")
        return cls(
            member=member_id(member),
            kind=enum_value(AccountKind, kind, "account kind"),
            status=enum_value(AccountStatus, status, "account status"),
            keys=KeySet.from_value(keys),
            opened_height=codec.uint(height, "opened height"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An institution on the chain."""

    legal_name: str
    """Registered name, at most 200 bytes of UTF-8."""
    lei: str
    """Legal Entity Identifier, ISO 17442, 20 characters with check digits."""
    roles: tuple[Role, ...]
    """What it may do, ascending, distinct."""
    sealing_key: bytes
    """Public key of its blocks and votes, 33 bytes."""
    certificate: bytes
    """Its TLS certificate, DER."""
    officers: KeySet
    """Who signs for it: tokens (any one), its transactions (threshold)."""

    def has_role(self, role: Role) -> bool:
        """Tell whether the member may act as ``role``."""
        return role in self.roles

    def to_value(self) -> codec.Value:
        """Return the array that encodes the member."""
        return (
            self.legal_name,
            self.lei,
            tuple(role.value for role in self.roles),
            self.sealing_key,
            self.certificate,
            self.officers.to_value(),
        )

    @classmethod
    def from_value(cls, value: codec.Value) -> Member:
        """Return the member of a decoded array.

        Raises:
            DecodeError: a wrong LEI, roles unsorted or unknown, or a field over its limit.
        """
        name, lei, roles, sealing_key, certificate, officers = codec.fields(value, 6, "member")
        if type(lei) is not str or not is_lei(lei):
            raise DecodeError("bad_lei", "not an ISO 17442 identifier with correct check digits")
        role_values = codec.array(roles, "roles", count_max=len(Role))
        ordered = tuple(enum_value(Role, role, "role") for role in role_values)
        if any(a >= b for a, b in pairwise(ordered)):
            raise DecodeError("roles_unsorted", "roles are ascending and distinct")
        return cls(
            legal_name=codec.text(name, limits.LEGAL_NAME_BYTES_MAX, "legal name"),
            lei=lei,
            roles=ordered,
            sealing_key=codec.fixed_bytes(sealing_key, PUBLIC_KEY_BYTES, "sealing key"),
            certificate=codec.limited_bytes(
                certificate, limits.CERTIFICATE_BYTES_MAX, "certificate"
            ),
            officers=KeySet.from_value(officers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A money or security on the chain; its supply is an entry of its own."""

    name: str
    """Name for people, at most 200 bytes of UTF-8."""
    decimals: int
    """Decimal places of the smallest unit, 0 to 18."""
    issuer: MemberId
    """Member that may issue and redeem it."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the asset."""
        return (self.name, self.decimals, self.issuer)

    @classmethod
    def from_value(cls, value: codec.Value) -> Asset:
        """Return the asset of a decoded array."""
        name, decimals, issuer = codec.fields(value, 3, "asset")
        return cls(
            name=codec.text(name, limits.LEGAL_NAME_BYTES_MAX, "asset name"),
            decimals=codec.uint(decimals, "decimals", maximum=limits.ASSET_DECIMALS_MAX),
            issuer=member_id(issuer),
        )


def member_id(value: codec.Value) -> MemberId:
    """Return ``value`` if it is a member id: a lower-case letter, then letters, digits, hyphens."""
    if type(value) is not str or not _MEMBER_ID.fullmatch(value):
        raise DecodeError("bad_member_id", "a member id is [a-z][a-z0-9-]{0,31}")
    return MemberId(value)


@lru_cache(maxsize=limits.ASSETS_MAX)  # each leg names one, and there are few
def is_asset_code(value: codec.Value) -> bool:
    """Tell whether ``value`` is an asset code: an upper-case letter, then letters and digits."""
    return type(value) is str and _ASSET_CODE.fullmatch(value) is not None


def asset_code(value: codec.Value) -> AssetCode:
    """Return ``value`` if it is an asset code."""
    if not is_asset_code(value):
        raise DecodeError("bad_asset_code", "an asset code is [A-Z][A-Z0-9]{0,11}")
    return AssetCode(value)


def account_id(value: codec.Value) -> AccountId:
    """Return ``value`` if it is an account id of 20 bytes."""
    return AccountId(codec.fixed_bytes(value, ACCOUNT_ID_BYTES, "account id"))


def is_lei(value: str) -> bool:
    """Tell whether ``value`` is a well-formed LEI (ISO 17442; check digits by ISO 7064 MOD 97-10)."""
    if not _LEI.fullmatch(value):
        return False
    return int("".join(str(int(character, 36)) for character in value)) % 97 == 1


def enum_value(kind: type[_E], value: codec.Value, what: str) -> _E:
    """Return the member of ``kind`` that ``value`` names."""
    try:
        return kind(value)
    except ValueError:
        raise DecodeError("bad_choice", f"{what} is one of {', '.join(kind)}") from None
