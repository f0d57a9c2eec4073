"""Genesis: the members, assets, accounts and parameters that a chain starts from.

The hash of the canonical document is the parent of the genesis header, so the genesis hash, which
every signature covers, commits to all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from ledger import codec, limits
from ledger.blocks import TIME_MS_MAX, Header, SealedHeader
from ledger.errors import InvalidGenesis, InvalidKey
from ledger.hashing import GENESIS_DOCUMENT, BlockHash
from ledger.identity import (
    Account,
    AccountId,
    Asset,
    AssetCode,
    Member,
    MemberId,
    account_id,
    asset_code,
    member_id,
)
from ledger.keys import SIGNATURE_BYTES, check_registrable
from ledger.merkle import EMPTY_ROOT
from ledger.parameters import Parameters
from ledger.sealers import SealerSet, sealer_set
from ledger.state import (
    PARAMETERS_KEY,
    Record,
    StateKey,
    account_key,
    asset_key,
    balance_key,
    encode_record,
    member_key,
    supply_key,
)
from ledger.state_tree import StateTree, tree_of

_K = TypeVar("_K", bound=str | bytes)

CHAIN_ID_BYTES_MAX = 64
SEALERS_MIN = 1
GENESIS_NONCE = bytes(8)
NO_SEAL = bytes(SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """Where a chain starts."""

    chain_id: str
    """Name of the network, at most 64 bytes."""
    time_ms: int
    """Time of block 0, milliseconds since 1970-01-01 UTC."""
    parameters: Parameters
    """Consensus parameters."""
    members: Mapping[MemberId, Member]
    """Institutions, by id."""
    assets: Mapping[AssetCode, Asset]
    """Assets, by code."""
    accounts: Mapping[AccountId, Account]
    """Accounts that are open from the start, by id."""
    balances: Mapping[AccountId, Mapping[AssetCode, int]]
    """What they hold at the start, smallest units; it is the initial supply."""

    def encode(self) -> bytes:
        """Return the canonical bytes of the document; every mapping sorted by key."""
        return codec.encode(
            (
                self.chain_id,
                self.time_ms,
                codec.decode(self.parameters.encode(), bytes_max=limits.GENESIS_BYTES_MAX),
                _pairs({m: record.to_value() for m, record in self.members.items()}),
                _pairs({a: record.to_value() for a, record in self.assets.items()}),
                _pairs({a: record.to_value() for a, record in self.accounts.items()}),
                _pairs({a: _pairs(held) for a, held in self.balances.items()}),
            )
        )

    def sealers(self) -> SealerSet:
        """Return sealer set 0."""
        return sealer_set(0, self.members)

    def state(self) -> dict[StateKey, Record]:
        """Return every entry of the state of block 0."""
        entries: dict[StateKey, Record] = {PARAMETERS_KEY: self.parameters}
        entries |= {member_key(m): record for m, record in self.members.items()}
        entries |= {asset_key(a): record for a, record in self.assets.items()}
        entries |= {account_key(a): record for a, record in self.accounts.items()}
        for account, held in self.balances.items():
            for asset, amount in held.items():
                entries[balance_key(account, asset)] = amount
                key = supply_key(asset)
                entries[key] = entries.get(key, 0) + amount
        return entries

    def state_tree(self) -> StateTree:
        """Return the state tree of block 0."""
        return tree_of({k: encode_record(record) for k, record in self.state().items()})

    def header(self) -> SealedHeader:
        """Return the sealed header of block 0, whose hash is the genesis hash."""
        sealers = self.sealers()
        header = Header(
            height=0,
            parent=BlockHash(GENESIS_DOCUMENT(self.encode())),
            time_ms=self.time_ms,
            clock_ms=0,
            bits=self.parameters.genesis_bits,
            sealer=next(iter(sealers.keys)),
            transaction_count=0,
            tx_root=EMPTY_ROOT,
            certificates_root=EMPTY_ROOT,
            state_root=self.state_tree().root,
            history_root=EMPTY_ROOT,
            set_id=sealers.set_id,
            set_hash=sealers.hash,
            next_set_id=sealers.set_id,
            next_set_hash=sealers.hash,
            nonce=GENESIS_NONCE,
        )
        return SealedHeader(header=header, header_bytes=header.encode(), seal=NO_SEAL)

    def validate(self) -> None:
        """Check the document for contradictions.

        Raises:
            InvalidGenesis: naming the part that is wrong.
        """
        self.parameters.validate()
        _check(
            0 < len(self.chain_id.encode()) <= CHAIN_ID_BYTES_MAX, "bad_chain_id", "1 to 64 bytes"
        )
        _check(0 <= self.time_ms <= TIME_MS_MAX, "bad_time", "the time is out of range")
        _check(len(self.members) <= limits.MEMBERS_MAX, "too_many_members", "over the limit")
        _check(len(self.assets) <= limits.ASSETS_MAX, "too_many_assets", "over the limit")
        self._validate_members()
        self._validate_assets()
        self._validate_accounts()

    def _validate_members(self) -> None:
        for name, member in self.members.items():
            member_id(name)
            for key in (member.sealing_key, *member.officers.keys):
                _check_key(key, f"member {name}")
        sealers = self.sealers()
        _check(sealers.size >= SEALERS_MIN, "no_sealer", "at least one member seals")
        distinct = {member.sealing_key for member in self.members.values()}
        _check(len(distinct) == len(self.members), "shared_key", "sealing keys are distinct")

    def _validate_assets(self) -> None:
        for code, asset in self.assets.items():
            asset_code(code)
            _check(asset.issuer in self.members, "unknown_issuer", f"{code} has no such issuer")

    def _validate_accounts(self) -> None:
        for account, record in self.accounts.items():
            account_id(account)
            _check(
                record.member in self.members, "unknown_member", "an account's member is unknown"
            )
            for key in record.keys.keys:
                _check_key(key, "an account")
        supplies: dict[AssetCode, int] = {}
        for account, held in self.balances.items():
            _check(account in self.accounts, "unknown_account", "a balance without its account")
            for asset, amount in held.items():
                _check(asset in self.assets, "unknown_asset", f"a balance of unknown {asset}")
                _check(0 < amount <= limits.AMOUNT_MAX, "bad_amount", "a balance is out of range")
                supplies[asset] = supplies.get(asset, 0) + amount
        for asset, supply in supplies.items():
            _check(supply <= limits.AMOUNT_MAX, "supply_overflow", f"too much {asset}")


def decode_genesis(data: bytes) -> Genesis:
    """Return the genesis document that ``data`` encodes, validated.

    Raises:
        DecodeError: not canonical.
        InvalidGenesis: contradictory.
    """
    chain_id, time_ms, parameters, members, assets, accounts, balances = codec.fields(
        codec.decode(data, bytes_max=limits.GENESIS_BYTES_MAX), 7, "genesis"
    )
    genesis = Genesis(
        chain_id=codec.text(chain_id, CHAIN_ID_BYTES_MAX, "chain id"),
        time_ms=codec.uint(time_ms, "time", maximum=TIME_MS_MAX),
        parameters=Parameters.decode(parameters),
        members={member_id(k): Member.from_value(v) for k, v in _items(members)},
        assets={asset_code(k): Asset.from_value(v) for k, v in _items(assets)},
        accounts={account_id(k): Account.from_value(v) for k, v in _items(accounts)},
        balances={
            account_id(k): {
                asset_code(a): codec.uint(n, "balance", maximum=limits.AMOUNT_MAX)
                for a, n in _items(held)
            }
            for k, held in _items(balances)
        },
    )
    if genesis.encode() != data:
        raise InvalidGenesis("not_canonical", "its mappings are not sorted by key, or repeat one")
    genesis.validate()
    return genesis


def _pairs(mapping: Mapping[_K, codec.Value]) -> codec.Value:
    return tuple(sorted(mapping.items()))


def _items(value: codec.Value) -> list[tuple[codec.Value, codec.Value]]:
    pairs = codec.array(value, "mapping", count_max=limits.GENESIS_BYTES_MAX)
    return [(key, item) for key, item in (codec.fields(pair, 2, "pair") for pair in pairs)]


def _check(holds: bool, code: str, detail: str) -> None:
    if not holds:
        raise InvalidGenesis(code, detail)


def _check_key(key: bytes, owner: str) -> None:
    try:
        check_registrable(key)
    except InvalidKey as error:
        raise InvalidGenesis("invalid_key", f"{owner}: {error.detail}", key=key) from None
