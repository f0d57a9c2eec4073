"""An account's evidence bundle: what it held at a final block, or that it was not there.

It holds the account's record and balances as the state commits to them, each with its state proof
against the state root of a final header, and the certificate that made that header final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.bundle_parts import (
    common_fields,
    lower_hex,
    sealed_header,
    verify_anchor,
    verify_final,
    verify_genesis,
    verify_seal,
)
from consensus.votes import Verify
from ledger import codec
from ledger.addresses import decode_account_id, encode_account_id
from ledger.blocks import SealedHeader
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.identity import Account, AccountId, AssetCode
from ledger.state import Record, account_key, balance_key, decode_record
from ledger.state_tree import FANOUT, LEVELS, StateProof

ACCOUNT = "account"
ENTRIES_MAX = 2_048
"""Most entries of a bundle: the record and a balance of every asset there may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedEntry:
    """One entry of the state with its proof."""

    key: bytes
    """State key."""
    value: bytes | None
    """Canonical bytes of the record; None proves absence."""
    proof: StateProof
    """Way to the state root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProof:
    """The parts of an account's bundle, as a node gathers them."""

    account: AccountId
    """Whose entries they are."""
    entries: Sequence[ProvedEntry]
    """The record first, then a balance an asset."""
    finalized: SealedHeader
    """The final header whose state root they lead to."""
    certificate: bytes
    """Encoded certificate of the link from that header to its child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAccount:
    """What an account's bundle proved."""

    account: AccountId
    """Whose entries they are."""
    record: Account | None
    """The account; None: it was not open."""
    balances: Mapping[AssetCode, int]
    """Posted balances, smallest units, of the assets that the bundle shows."""
    finalized: SealedHeader
    """Final header of the state."""
    voters: tuple[str, ...]
    """Members whose votes made it final."""


def account_bundle_document(
    proof: AccountProof, *, chain_id: str, genesis_hash: bytes, genesis: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the JSON document of a proof; ``genesis`` is the genesis document's JSON."""
    return common_fields(ACCOUNT, chain_id=chain_id, genesis_hash=genesis_hash, genesis=genesis) | {
        "account": encode_account_id(proof.account),
        "height": proof.finalized.header.height,
        "entries": [
            {
                "key": entry.key.hex(),
                "value": None if entry.value is None else entry.value.hex(),
                "bucket": entry.proof.bucket.hex(),
                "siblings": [row.hex() for row in entry.proof.siblings],
            }
            for entry in proof.entries
        ],
        "finalized_header": codec.encode(proof.finalized.to_value()).hex(),
        "certificate": proof.certificate.hex(),
    }


def verify_account_bundle(
    document: Mapping[str, Any], *, genesis: Genesis, verify: Verify
) -> VerifiedAccount:
    """Check every step of an account's bundle against a trusted genesis document.

    Raises:
        InvalidProof: a part is missing, malformed, or does not lead to the next.
        DecodeError: bytes that are not a header, certificate or record.
    """
    genesis_hash, sealers = genesis.header().hash, genesis.sealers()
    verify_anchor(document, genesis, genesis_hash)
    name = document.get("account")
    if not isinstance(name, str):
        raise InvalidProof("malformed_bundle", "account is an account id")
    account = AccountId(decode_account_id(name))
    if encode_account_id(account) != name:
        raise InvalidProof("malformed_bundle", "account is written in small letters")
    finalized = sealed_header(document, "finalized_header")
    height = document.get("height")
    if type(height) is not int or height != finalized.header.height:  # 1.0 would equal 1
        raise InvalidProof("wrong_height", "the bundle names another height than its header")
    verify_seal(finalized, sealers, verify)
    voters = verify_final(
        document, finalized, sealers=sealers, genesis_hash=genesis_hash, verify=verify
    )
    records = _verify_entries(document, account, finalized.header.state_root, genesis)
    verify_genesis(document, genesis)
    key = account_key(account)
    return VerifiedAccount(
        account=account,
        record=records[key],
        balances={
            asset: records[balance_key(account, asset)] or 0
            for asset in genesis.assets
            if balance_key(account, asset) in records
        },
        finalized=finalized,
        voters=voters,
    )


def _verify_entries(
    document: Mapping[str, Any], account: AccountId, state_root: bytes, genesis: Genesis
) -> dict[bytes, Record | None]:
    """Return the proved records by key: the account's own and its balances, nothing else."""
    entries = document.get("entries")
    if not isinstance(entries, list) or not 1 <= len(entries) <= ENTRIES_MAX:
        raise InvalidProof("malformed_bundle", f"entries is a list of 1 to {ENTRIES_MAX}")
    allowed = {account_key(account), *(balance_key(account, asset) for asset in genesis.assets)}
    records: dict[bytes, Record | None] = {}
    for entry in entries:
        if not isinstance(entry, dict) or "value" not in entry:
            raise InvalidProof("malformed_bundle", "an entry is an object with a value or null")
        key = lower_hex(entry, "key")
        if key not in allowed or key in records:
            raise InvalidProof("foreign_entry", "an entry of another account, or one twice")
        value = None if entry["value"] is None else lower_hex(entry, "value")
        _state_proof(entry).verify(root=state_root, key=key, value=value)
        records[key] = None if value is None else decode_record(key, value)
    if account_key(account) not in records:
        raise InvalidProof("record_missing", "the bundle does not show the account's record")
    return records


def _state_proof(entry: Mapping[str, Any]) -> StateProof:
    rows = entry.get("siblings")
    if not isinstance(rows, list) or len(rows) != LEVELS:
        raise InvalidProof(
            "malformed_bundle", f"siblings is a list of {LEVELS} rows of {FANOUT - 1}"
        )
    return StateProof(
        bucket=lower_hex(entry, "bucket"),
        siblings=tuple(lower_hex({"siblings": row}, "siblings") for row in rows),
    )
