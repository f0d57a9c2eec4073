"""The encrypted keystore of a home: account keys and officer keys under names.

    <home>/keystore.json          the store's data key, wrapped by the passphrase
    <home>/keystore/<name>.json   one entry: public fields in clear, its Ed25519 seed encrypted

    keystore = Keystore(home, passphrase=lambda: text)
    keystore.add_officer("bank1-officer", seed=seed, member=MemberId("bank1"))
    keystore.signing_key("alice").sign(message)

The passphrase is asked for only when a secret is read or written, and once. The first secret
written makes the store with the passphrase given then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger import codec
from ledger.addresses import decode_account_id, encode_account_id
from ledger.errors import LedgerError
from ledger.identity import AccountId, MemberId, member_id
from ledger.keys import SCHEME_ED25519
from wallet.encryption import (
    ARGON2_LANES_MAX,
    ARGON2_MEMORY_KIB,
    ARGON2_MEMORY_KIB_MAX,
    ARGON2_PASSES,
    ARGON2_PASSES_MAX,
    DATA_KEY_BYTES,
    Derivation,
    decrypt,
    encrypt,
    unwrap_data_key,
    wrap_data_key,
)
from wallet.errors import KeystoreError
from wallet.files import make_private_directory, read_private, write_private

SEED_BYTES: Final = 32
"""Size of an Ed25519 private key (RFC 8032 section 5.1.5)."""

ENTRY_BYTES_MAX: Final = 16 * 1024
"""Largest file of the keystore, bytes."""

_STORE_FORMAT: Final = "sunlit-keystore/1"
_ENTRY_FORMAT: Final = "sunlit-key/1"
_NAME = re.compile(r"(?!sun1)[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)  # sun1… is an account id
_D = TypeVar("_D", bound="_Document")


class KeyRole(StrEnum):
    """What a key signs for."""

    ACCOUNT = "account"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """The public side of a key; the secret is bound to all of it."""

    name: str
    """Name in this keystore, also its file's name."""
    role: KeyRole
    """Whether it signs for an account or as an officer of its member."""
    member: MemberId
    """The account's member, or the officer's."""
    account: AccountId | None = None
    """The account; None for an officer and before the account is opened."""
    node: str | None = None
    """Node to speak to by default; None means the member's node in the profile."""
    public_key: bytes
    """33 bytes with the scheme byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An unlocked key. Its secret appears in no representation."""

    entry: KeyEntry
    """Its public side."""
    private_key: Ed25519PrivateKey
    """The secret, as ``cryptography`` holds it."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message``."""
        return self.private_key.sign(message)


def generate_seed() -> bytes:
    """Return a new private key of 32 bytes from the operating system's generator."""
    return os.urandom(SEED_BYTES)


def public_key_of(seed: bytes) -> bytes:
    """Return the public key of a seed, 33 bytes with the scheme byte.

    Raises:
        KeystoreError: ``bad_seed`` (not 32 bytes).
    """
    return bytes([SCHEME_ED25519]) + _private_key(seed).public_key().public_bytes_raw()


class Keystore:
    """The keys in a home. Reading public fields asks for no passphrase."""

    def __init__(self, home: Path, *, passphrase: Callable[[], str]) -> None:
        self._store_file = home / "keystore.json"
        self._directory = home / "keystore"
        self._ask_passphrase = passphrase
        self._data_key: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether the store has been made, and with it its passphrase chosen."""
        return self._store_file.exists()

    def names(self) -> list[str]:
        """Return the names of all keys, sorted."""
        return sorted(path.stem for path in self._directory.glob("[!.]*.json"))

    def entry(self, name: str) -> KeyEntry:
        """Return the public side of a key.

        Raises:
            KeystoreError: ``bad_key_name``, ``unknown_key``, ``file_exposed`` or
                ``keystore_damaged``.
        """
        return self._load(name).to_entry()

    def entries(self) -> list[KeyEntry]:
        """Return the public sides of all keys, by name."""
        return [self.entry(name) for name in self.names()]

    def add_account(
        self,
        name: str,
        *,
        seed: bytes,
        member: MemberId,
        account: AccountId | None = None,
        node: str | None = None,
    ) -> KeyEntry:
        """Store the 32-byte seed of an account's key; return its entry.

        Raises:
            KeystoreError: ``key_exists``, ``bad_key_name``, ``bad_seed``, ``wrong_passphrase`` …
        """
        entry = KeyEntry(
            name=name,
            role=KeyRole.ACCOUNT,
            member=member,
            account=account,
            node=node,
            public_key=public_key_of(seed),
        )
        self._save(entry, seed, overwrite=False)
        return entry

    def add_officer(
        self, name: str, *, seed: bytes, member: MemberId, node: str | None = None
    ) -> KeyEntry:
        """Store the 32-byte seed of an officer's key; return its entry.

        Raises:
            KeystoreError: as for `add_account`.
        """
        entry = KeyEntry(
            name=name,
            role=KeyRole.OFFICER,
            member=member,
            node=node,
            public_key=public_key_of(seed),
        )
        self._save(entry, seed, overwrite=False)
        return entry

    def set_account(self, name: str, account: AccountId) -> KeyEntry:
        """Name the account that a key signs for; return the new entry."""
        entry, seed = self._open(name)
        if entry.role is not KeyRole.ACCOUNT:
            raise KeystoreError("not_an_account", f"{name} is an officer's key", name=name)
        entry = replace(entry, account=account)
        self._save(entry, seed, overwrite=True)
        return entry

    def signing_key(self, name: str) -> SigningKey:
        """Return an unlocked key.

        Raises:
            KeystoreError: as for `entry`, and ``wrong_passphrase`` or ``keystore_damaged`` (the
                file's public fields or its ciphertext were changed).
        """
        entry, seed = self._open(name)
        return SigningKey(entry=entry, private_key=_private_key(seed))

    def unlock(self) -> None:
        """Ask for the passphrase and prove it, making the store if there is none."""
        self._unlocked()

    def change_passphrase(self, passphrase: str) -> None:
        """Wrap the data key under another passphrase; the entries' files stay as they are."""
        write_private(self._store_file, _store_bytes(self._unlocked(), passphrase), replace=True)

    def _unlocked(self) -> bytes:
        """Return the data key; make the store where there is none."""
        if self._data_key is None:
            passphrase = self._ask_passphrase()
            made = None if self.exists else self._make_store(passphrase)
            self._data_key = made or self._read_store().unwrap(passphrase)
        return self._data_key

    def _make_store(self, passphrase: str) -> bytes | None:
        """Make the store and return its data key; None if another process was first."""
        data_key = os.urandom(DATA_KEY_BYTES)
        try:
            write_private(self._store_file, _store_bytes(data_key, passphrase), replace=False)
        except FileExistsError:
            return None
        return data_key

    def _read_store(self) -> _StoreDocument:
        content = read_private(self._store_file, bytes_max=ENTRY_BYTES_MAX)
        return _parse(_StoreDocument, content, self._store_file)

    def _load(self, name: str) -> _EntryDocument:
        path = self._path(name)
        try:
            content = read_private(path, bytes_max=ENTRY_BYTES_MAX)
        except FileNotFoundError:
            detail = f"no key {name!r} in this home; `sunlit wallet list` shows what is there"
            raise KeystoreError("unknown_key", detail, name=name) from None
        document = _parse(_EntryDocument, content, path)
        if document.name != name:
            raise _damaged(path, f"it holds the key {document.name!r}")
        return document

    def _open(self, name: str) -> tuple[KeyEntry, bytes]:
        document = self._load(name)
        entry = document.to_entry()
        if not self.exists:
            raise _damaged(self._store_file, "it is missing, and without it no key can be opened")
        try:
            seed = decrypt(
                self._unlocked(), bytes.fromhex(document.secret), bound_to=_bound_bytes(entry)
            )
        except InvalidTag:
            raise _damaged(self._path(name), "its fields or its secret were changed") from None
        if public_key_of(seed) != entry.public_key:
            raise _damaged(self._path(name), "the secret is not that of the public key")
        return entry, seed

    def _save(self, entry: KeyEntry, seed: bytes, *, overwrite: bool) -> None:
        path = self._path(entry.name)
        if path.exists() and not overwrite:  # before a passphrase is asked for in vain
            raise _key_exists(entry.name)
        sealed = encrypt(self._unlocked(), seed, bound_to=_bound_bytes(entry))
        document = _EntryDocument.of(entry, sealed)
        make_private_directory(self._directory)
        try:
            write_private(path, _to_json(document), replace=overwrite)
        except FileExistsError:
            raise _key_exists(entry.name) from None

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            detail = (
                f"{name!r} is no key name: use a-z, 0-9, _ and -, at most 64 characters, not sun1…"
            )
            raise KeystoreError("bad_key_name", detail, name=name)
        return self._directory / f"{name}.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _StoreDocument(_Document):
    """``keystore.json``."""

    format: Literal["sunlit-keystore/1"]
    kdf: Literal["argon2id"]
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    memory_kib: int = Field(ge=ARGON2_MEMORY_KIB, le=ARGON2_MEMORY_KIB_MAX)
    passes: int = Field(ge=ARGON2_PASSES, le=ARGON2_PASSES_MAX)
    lanes: int = Field(ge=1, le=ARGON2_LANES_MAX)
    wrapped_key: str = Field(pattern=r"^[0-9a-f]{120}$")
    """Nonce, data key encrypted, tag: 60 bytes."""

    def unwrap(self, passphrase: str) -> bytes:
        derivation = Derivation(
            salt=bytes.fromhex(self.salt),
            memory_kib=self.memory_kib,
            passes=self.passes,
            lanes=self.lanes,
        )
        return unwrap_data_key(bytes.fromhex(self.wrapped_key), passphrase, derivation)


class _EntryDocument(_Document):
    """``keystore/<name>.json``."""

    format: Literal["sunlit-key/1"]
    name: str
    role: Literal["account", "officer"]
    member: str
    account: str | None
    node: str | None
    public_key: str = Field(pattern=r"^[0-9a-f]{66}$")
    secret: str = Field(pattern=r"^[0-9a-f]{120}$")
    """Nonce, seed encrypted, tag: 60 bytes."""

    def to_entry(self) -> KeyEntry:
        try:
            account = None if self.account is None else decode_account_id(self.account)
            member = member_id(self.member)
        except LedgerError as error:
            raise KeystoreError("keystore_damaged", f"key {self.name}: {error.detail}") from None
        return KeyEntry(
            name=self.name,
            role=KeyRole(self.role),
            member=member,
            account=None if account is None else AccountId(account),
            node=self.node,
            public_key=bytes.fromhex(self.public_key),
        )

    @classmethod
    def of(cls, entry: KeyEntry, sealed: bytes) -> _EntryDocument:
        return cls(
            format=_ENTRY_FORMAT,
            name=entry.name,
            role=entry.role.value,
            member=entry.member,
            account=None if entry.account is None else encode_account_id(entry.account),
            node=entry.node,
            public_key=entry.public_key.hex(),
            secret=sealed.hex(),
        )


def _store_bytes(data_key: bytes, passphrase: str) -> bytes:
    derivation = Derivation.fresh()
    document = _StoreDocument(
        format=_STORE_FORMAT,
        kdf="argon2id",
        salt=derivation.salt.hex(),
        memory_kib=derivation.memory_kib,
        passes=derivation.passes,
        lanes=derivation.lanes,
        wrapped_key=wrap_data_key(data_key, passphrase, derivation).hex(),
    )
    return _to_json(document)


def _bound_bytes(entry: KeyEntry) -> bytes:
    """Return the public fields as the bytes that the secret's encryption is bound to."""
    return codec.encode(
        (
            _ENTRY_FORMAT,
            entry.name,
            entry.role.value,
            entry.member,
            entry.account or b"",
            entry.node or "",
            entry.public_key,
        )
    )


def _private_key(seed: bytes) -> Ed25519PrivateKey:
    if len(seed) != SEED_BYTES:
        raise KeystoreError("bad_seed", f"a private key has {SEED_BYTES} bytes, not {len(seed)}")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _parse(kind: type[_D], content: bytes, path: Path) -> _D:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise _damaged(path, f"{where}: {first['msg']}") from None


def _to_json(document: _Document) -> bytes:
    return document.model_dump_json(indent=2).encode() + b"\n"


def _damaged(path: Path, why: str) -> KeystoreError:
    return KeystoreError("keystore_damaged", f"{path}: {why}", path=str(path))


def _key_exists(name: str) -> KeystoreError:
    return KeystoreError("key_exists", f"a key {name!r} is in this home already", name=name)
