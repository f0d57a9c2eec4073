"""Evidence bundles: one JSON document that proves, offline, what is final on a chain.

A transaction's bundle holds the signed transaction, its RFC 9162 path to a header, that header's
path into the history root of a final header, and the quorum certificate that made that one final.
An account's (``consensus.account_bundle``) holds its entries with their state proofs instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.account_bundle import ACCOUNT, VerifiedAccount, verify_account_bundle
from consensus.bundle_parts import (
    FORMAT,
    common_fields,
    hash_path,
    lower_hex,
    sealed_header,
    verify_anchor,
    verify_final,
    verify_genesis,
    verify_seal,
    whole_number,
)
from consensus.votes import Verify
from ledger import codec
from ledger.blocks import SealedHeader
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.hashing import BlockHash
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.transactions import SignedTransaction, decode_transaction
from ledger.transition import signature_items

TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTransaction:
    """What a bundle proved."""

    transaction: SignedTransaction
    """The transaction, with signatures that hold."""
    index: int
    """Its place in the block."""
    sealed: SealedHeader
    """Header of its block."""
    finalized: SealedHeader
    """The final header that the certificate names, at or above the block's height."""
    voters: tuple[str, ...]
    """Members whose votes made it final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionProof:
    """The parts of a bundle, as a node gathers them."""

    transaction: SignedTransaction
    """The transaction."""
    index: int
    """Its place in the block."""
    path: tuple[bytes, ...]
    """RFC 9162 inclusion path to the header's tx_root."""
    sealed: SealedHeader
    """Header of its block."""
    history_path: tuple[bytes, ...]
    """RFC 9162 inclusion path of the block hash to the final header's history_root; empty if it is
    that header itself."""
    finalized: SealedHeader
    """Final header at or above the block."""
    certificate: bytes
    """Encoded certificate of the link from the final header to its child."""


def bundle_document(
    proof: TransactionProof, *, chain_id: str, genesis_hash: bytes, genesis: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the JSON document of a proof; ``genesis`` is the genesis document's JSON."""
    return common_fields(
        TRANSACTION, chain_id=chain_id, genesis_hash=genesis_hash, genesis=genesis
    ) | {
        "txid": proof.transaction.txid.hex(),
        "transaction": proof.transaction.raw.hex(),
        "index": proof.index,
        "path": [node.hex() for node in proof.path],
        "header": codec.encode(proof.sealed.to_value()).hex(),
        "history_path": [node.hex() for node in proof.history_path],
        "finalized_header": codec.encode(proof.finalized.to_value()).hex(),
        "certificate": proof.certificate.hex(),
    }


def verify_bundle(
    document: Mapping[str, Any], *, genesis: Genesis, verify: Verify
) -> VerifiedTransaction | VerifiedAccount:
    """Check every step of a bundle against a trusted genesis document.

    Raises:
        InvalidProof: a part is missing, malformed, or does not lead to the next.
        DecodeError: bytes that are not a transaction, header, certificate or record.
    """
    kind = document.get("kind")
    if document.get("format") == FORMAT and kind == TRANSACTION:
        return _verify_transaction_bundle(document, genesis, verify)
    if document.get("format") == FORMAT and kind == ACCOUNT:
        return verify_account_bundle(document, genesis=genesis, verify=verify)
    raise InvalidProof("unknown_format", f"not a bundle of format {FORMAT}")


def _verify_transaction_bundle(
    document: Mapping[str, Any], genesis: Genesis, verify: Verify
) -> VerifiedTransaction:
    genesis_hash, sealers = genesis.header().hash, genesis.sealers()
    verify_anchor(document, genesis, genesis_hash)
    transaction = decode_transaction(lower_hex(document, "transaction"))
    sealed = sealed_header(document, "header")
    finalized = sealed_header(document, "finalized_header")
    index = whole_number(document, "index")
    if document.get("txid") != transaction.txid.hex():
        raise InvalidProof("wrong_txid", "the bundle names another transaction than it holds")
    _verify_signatures(transaction, genesis_hash, verify)
    for header in (sealed, finalized):
        verify_seal(header, sealers, verify)
    _verify_inclusion(document, transaction, index, sealed)
    _verify_history(document, sealed, finalized)
    voters = verify_final(
        document, finalized, sealers=sealers, genesis_hash=genesis_hash, verify=verify
    )
    verify_genesis(document, genesis)
    return VerifiedTransaction(
        transaction=transaction, index=index, sealed=sealed, finalized=finalized, voters=voters
    )


def _verify_signatures(
    transaction: SignedTransaction, genesis_hash: BlockHash, verify: Verify
) -> None:
    if transaction.body.genesis_hash != genesis_hash:
        raise InvalidProof("wrong_chain", "the transaction is signed for another chain")
    if not all(verify(*item) for item in signature_items(transaction)):
        raise InvalidProof("bad_signature", "a signature of the transaction does not hold")


def _verify_inclusion(
    document: Mapping[str, Any], transaction: SignedTransaction, index: int, sealed: SealedHeader
) -> None:
    if not verify_inclusion(
        leaf_hash=leaf_hash(transaction.raw),
        index=index,
        size=sealed.header.transaction_count,
        path=hash_path(document, "path"),
        root=sealed.header.tx_root,
    ):
        raise InvalidProof("not_included", "the path does not lead to the header's tx_root")


def _verify_history(
    document: Mapping[str, Any], sealed: SealedHeader, finalized: SealedHeader
) -> None:
    path = hash_path(document, "history_path")
    if sealed.hash == finalized.hash:
        if path:
            raise InvalidProof("surplus_path", "a header needs no path to itself")
        return
    if not verify_inclusion(
        leaf_hash=leaf_hash(sealed.hash),
        index=sealed.header.height,
        size=finalized.header.height,
        path=path,
        root=finalized.header.history_root,
    ):
        raise InvalidProof("not_in_history", "the block is not in the final header's history")
