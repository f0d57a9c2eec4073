"""Checking evidence offline, and saying on what the proof rests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consensus.account_bundle import VerifiedAccount
from consensus.bundle import VerifiedTransaction
from ledger.addresses import encode_account_id
from ledger.attestations import Attest
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.hashing import HASH_BYTES, BlockHash
from ledger.kinds import leg_count
from ledger.limits import GENESIS_BYTES_MAX
from ledger.transactions import SignedTransaction
from wallet.console import Session
from wallet.documents import file_hash
from wallet.errors import InvalidRequest
from wallet.evidence import check_bundle, genesis_of, load_bundle
from wallet.profile import load_profile, profile_path


def verify_file(
    session: Session,
    *,
    file: Path,
    genesis_file: Path | None,
    genesis_hash: str | None,
    trust_bundle_genesis: bool,
    document: Path | None = None,
) -> None:
    """Check a bundle and show what it proves; with ``document``, that it attests that file.

    Raises:
        InvalidProof, DecodeError, InvalidGenesis: it proves nothing.
        InvalidProof: ``no_attestation`` or ``document_differs``: it proves nothing of the document.
        InvalidRequest: ``no_trust_anchor``, ``bad_genesis_hash``, ``anchors_differ`` or
            ``document_unreadable``.
    """
    bundle = load_bundle(file)
    trusted = None if genesis_file is None else _read_genesis(genesis_file)
    genesis = trusted or genesis_of(bundle)
    if trust_bundle_genesis:
        anchor, source = genesis.header().hash, "the bundle itself, which proves no chain"
    else:
        anchor, source = trust_anchor(session.home, trusted, genesis_hash)
    proved = check_bundle(bundle, genesis=genesis, anchor=anchor)
    if document is not None:
        _require_attested(proved, document)
    result = _document(proved, genesis, source)
    session.show(result, _lines(result))


def trust_anchor(
    home: Path, trusted: Genesis | None, genesis_hash: str | None
) -> tuple[BlockHash, str]:
    """Return the genesis hash to rest on, and where it is from.

    Raises:
        InvalidRequest: ``no_trust_anchor``, ``bad_genesis_hash`` or ``anchors_differ``.
    """
    if genesis_hash is not None:
        anchor = _hash(genesis_hash)
        if trusted is not None and trusted.header().hash != anchor:
            detail = "--genesis and --genesis-hash name two chains"
            raise InvalidRequest("anchors_differ", detail, genesis_hash=genesis_hash)
        return anchor, "--genesis-hash"
    if trusted is not None:
        return trusted.header().hash, "--genesis"
    if profile_path(home).exists():
        return load_profile(home).genesis_hash, "this home's profile"
    detail = "nothing to rest on: give --genesis-hash or --genesis, or use a home with a profile"
    raise InvalidRequest("no_trust_anchor", detail)


def _read_genesis(path: Path) -> Genesis:
    with path.open("rb") as file:
        text = file.read(GENESIS_BYTES_MAX + 1)
    if len(text) > GENESIS_BYTES_MAX:
        raise InvalidProof("genesis_too_large", f"{path} is larger than {GENESIS_BYTES_MAX} bytes")
    return parse_genesis(text)


def _hash(text: str) -> BlockHash:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        detail = f"a genesis hash is {HASH_BYTES * 2} hexadecimal digits"
        raise InvalidRequest("bad_genesis_hash", detail, text=text[:80])
    return BlockHash(value)


def _require_attested(proved: VerifiedTransaction | VerifiedAccount, document: Path) -> None:
    """Refuse a bundle that does not attest a document.

    Raises:
        InvalidProof: ``no_attestation`` or ``document_differs``.
    """
    effect = proved.transaction.body.effect if isinstance(proved, VerifiedTransaction) else None
    if not isinstance(effect, Attest):
        raise InvalidProof("no_attestation", "the bundle is not of an attestation")
    digest = file_hash(document)
    if digest != effect.sha256.hex():
        detail = f"{document} has SHA-256 {digest}, and {effect.sha256.hex()} is attested"
        raise InvalidProof("document_differs", detail, sha256=digest)


def _document(
    proved: VerifiedTransaction | VerifiedAccount, genesis: Genesis, source: str
) -> dict[str, Any]:
    """Return what was proved, and on what it rests."""
    about = (
        _transaction_fields(proved)
        if isinstance(proved, VerifiedTransaction)
        else _account_fields(proved)
    )
    return {
        "verified": True,
        **about,
        "finalized_height": proved.finalized.header.height,
        "finalized_hash": proved.finalized.hash.hex(),
        "voters": list(proved.voters),
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.header().hash.hex(),
        "trust_anchor": source,
    }


def _transaction_fields(proved: VerifiedTransaction) -> dict[str, Any]:
    body = proved.transaction.body
    return {
        "txid": proved.transaction.txid.hex(),
        "kind": body.kind.name.lower(),
        "legs": leg_count(body.effect),
        "reference": body.reference,
        "height": proved.sealed.header.height,
        "index": proved.index,
        "block_hash": proved.sealed.hash.hex(),
        **_attested_fields(proved.transaction),
    }


def _attested_fields(transaction: SignedTransaction) -> dict[str, Any]:
    """Return what a transaction attests; nothing for other kinds."""
    effect = transaction.body.effect
    if not isinstance(effect, Attest):
        return {}
    attested = {
        "member": transaction.body.actors[0].id,
        "kind": effect.kind.value,
        "subject": effect.subject,
        "revision": effect.revision,
        "sha256": effect.sha256.hex(),
    }
    return {"attested": attested}


def _account_fields(proved: VerifiedAccount) -> dict[str, Any]:
    record = proved.record
    return {
        "account": encode_account_id(proved.account),
        "status": "absent" if record is None else record.status.value,
        "member": None if record is None else record.member,
        "balances": {asset: str(amount) for asset, amount in proved.balances.items()},
        "height": proved.finalized.header.height,
    }


def _lines(result: Mapping[str, Any]) -> list[str]:
    if "txid" in result:
        about = [
            f"transaction {result['txid']} ({result['kind']}) is in the chain and final",
            f"  in block {result['height']} ({result['block_hash']}), place {result['index']}",
        ]
        if "attested" in result:
            about.append(_attested_line(result["attested"], result["height"]))
    else:
        held = ", ".join(f"{amount} {asset}" for asset, amount in result["balances"].items())
        about = [
            f"account {result['account']} is {result['status']} at block {result['height']}",
            f"  holding, in smallest units, {held or 'nothing'}",
        ]
    final = f"{result['finalized_height']} ({result['finalized_hash']})"
    return [
        *about,
        f"  final by the votes of {', '.join(result['voters'])} for block {final}",
        f"  on chain {result['chain_id']}, genesis {result['genesis_hash']}",
        f"  which is trusted from {result['trust_anchor']}",
    ]


def _attested_line(attested: Mapping[str, Any], height: int) -> str:
    """Return who attested what."""
    what = f"{attested['kind']} {attested['subject']!r}, revision {attested['revision']}"
    return f"  {attested['member']} attested {attested['sha256']} for {what}, at height {height}"
