"""The genesis document as the JSON file that operators exchange and read.

The text is a view: the chain commits to the canonical bytes of ``ledger.genesis``, so spacing and
key order of the JSON do not matter. Every value has one spelling.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.addresses import decode_account_id, encode_account_id
from ledger.errors import InvalidGenesis, LedgerError
from ledger.genesis import Genesis
from ledger.identity import (
    Account,
    AccountId,
    AccountKind,
    AccountStatus,
    Asset,
    KeySet,
    Member,
    Role,
    asset_code,
    is_lei,
    member_id,
)
from ledger.parameters import Parameters

_AMOUNT = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
"""Smallest units as text: 2^63 - 1 has 19 digits."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class KeySetDocument(_Document):
    """Keys in hex with their scheme byte, and how many must sign."""

    keys: list[str] = Field(min_length=1)
    threshold: int = 1

    def to_key_set(self) -> KeySet:
        """Return the validated key set."""
        keys = tuple(sorted(_hex(key) for key in self.keys))
        return KeySet.from_value((self.threshold, keys))


class MemberDocument(_Document):
    """A member's public entry, as ``sunlit network keygen`` writes it."""

    id: str
    legal_name: str
    lei: str
    roles: list[str]
    sealing_key: str
    certificate: str
    """DER, base64."""
    officers: KeySetDocument

    def to_member(self) -> Member:
        """Return the validated member record."""
        member_id(self.id)
        if not is_lei(self.lei):
            raise InvalidGenesis("bad_lei", f"member {self.id}: the LEI's check digits are wrong")
        record = Member(
            legal_name=self.legal_name,
            lei=self.lei,
            roles=tuple(sorted(Role(role) for role in set(self.roles))),
            sealing_key=_hex(self.sealing_key),
            certificate=_base64(self.certificate),
            officers=self.officers.to_key_set(),
        )
        return Member.from_value(record.to_value())

    @classmethod
    def of(cls, name: str, member: Member) -> MemberDocument:
        """Return the entry of a member record."""
        return cls(
            id=name,
            legal_name=member.legal_name,
            lei=member.lei,
            roles=[role.value for role in member.roles],
            sealing_key=member.sealing_key.hex(),
            certificate=base64.b64encode(member.certificate).decode(),
            officers=_key_set_document(member.officers),
        )


class AssetDocument(_Document):
    """An asset of the first block."""

    code: str
    name: str
    decimals: int
    issuer: str


class AccountDocument(_Document):
    """An account that is open from the first block."""

    id: str
    member: str
    kind: str
    keys: KeySetDocument
    balances: dict[str, str] = Field(default_factory=dict)
    """Smallest units as strings, by asset code."""


class GenesisDocument(_Document):
    """The whole file."""

    chain_id: str
    time_ms: int
    parameters: dict[str, int]
    members: list[MemberDocument]
    assets: list[AssetDocument]
    accounts: list[AccountDocument]


def parse_genesis(text: str | bytes) -> Genesis:
    """Return the genesis that a JSON document describes, validated.

    Raises:
        InvalidGenesis: not JSON, a field missing, unknown or wrong; the detail names it.
    """
    try:
        document = GenesisDocument.model_validate_json(text)
        json.loads(text, object_pairs_hook=_refuse_repeated_key)
        genesis = _genesis(document)
        genesis.validate()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidGenesis("bad_document", f"{where or 'document'}: {first['msg']}") from None
    except InvalidGenesis:
        raise
    except LedgerError as error:
        raise InvalidGenesis(error.code, error.detail, **error.fields) from None
    except (TypeError, ValueError) as error:
        raise InvalidGenesis("bad_document", str(error)) from None
    return genesis


def format_genesis(genesis: Genesis) -> str:
    """Return the JSON document of a genesis, indented, ending with a newline."""
    document = GenesisDocument(
        chain_id=genesis.chain_id,
        time_ms=genesis.time_ms,
        parameters=asdict(genesis.parameters),
        members=[MemberDocument.of(name, m) for name, m in sorted(genesis.members.items())],
        assets=[
            AssetDocument(code=code, name=a.name, decimals=a.decimals, issuer=a.issuer)
            for code, a in sorted(genesis.assets.items())
        ],
        accounts=[
            AccountDocument(
                id=encode_account_id(account),
                member=record.member,
                kind=record.kind.value,
                keys=_key_set_document(record.keys),
                balances={a: str(n) for a, n in genesis.balances.get(account, {}).items()},
            )
            for account, record in sorted(genesis.accounts.items())
        ],
    )
    return document.model_dump_json(indent=2) + "\n"


def _genesis(document: GenesisDocument) -> Genesis:
    for what, names in (
        ("member", [entry.id for entry in document.members]),
        ("asset", [entry.code for entry in document.assets]),
        ("account", [entry.id for entry in document.accounts]),
    ):
        if len(set(names)) != len(names):
            raise InvalidGenesis("repeated_entry", f"the document names a {what} twice")
    accounts = {_account_id(entry.id): entry for entry in document.accounts}
    return Genesis(
        chain_id=document.chain_id,
        time_ms=document.time_ms,
        parameters=Parameters(**document.parameters),
        members={member_id(entry.id): entry.to_member() for entry in document.members},
        assets={
            asset_code(entry.code): Asset.from_value((entry.name, entry.decimals, entry.issuer))
            for entry in document.assets
        },
        accounts={
            account: Account(
                member=member_id(entry.member),
                kind=AccountKind(entry.kind),
                status=AccountStatus.ACTIVE,
                keys=entry.keys.to_key_set(),
                opened_height=0,
            )
            for account, entry in accounts.items()
        },
        balances={
            account: {asset_code(code): _amount(n) for code, n in entry.balances.items()}
            for account, entry in accounts.items()
            if entry.balances
        },
    )


def _key_set_document(keys: KeySet) -> KeySetDocument:
    return KeySetDocument(keys=[key.hex() for key in keys.keys], threshold=keys.threshold)


def _refuse_repeated_key(pairs: list[tuple[str, object]]) -> None:
    """Refuse an object that names a key twice; JSON readers would keep either value."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidGenesis("repeated_key", f"an object names {name} twice", name=name)
        seen.add(name)


def _amount(text: str) -> int:
    """Return the amount that a string writes in its one spelling; ``int`` alone takes many."""
    if not _AMOUNT.fullmatch(text):
        raise InvalidGenesis("bad_amount", "a balance is written in digits, smallest units")
    return int(text)


def _account_id(text: str) -> AccountId:
    account = decode_account_id(text)
    if encode_account_id(account) != text:  # bech32m in capitals
        raise InvalidGenesis("bad_document", "an account id is written in small letters", id=text)
    return AccountId(account)


def _hex(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if not value or value.hex() != text:  # fromhex takes capitals and spaces
        raise InvalidGenesis("bad_hex", "a key is written in lower-case hexadecimal")
    return value


def _base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        value = b""
    if base64.b64encode(value).decode() != text:  # the last character may have bits to spare
        raise InvalidGenesis("bad_base64", "a certificate is DER in base64")
    return value
