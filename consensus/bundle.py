"""Evidence bundles: one JSON document that proves, offline, that a transaction is final.

It holds the signed transaction, its RFC 9162 path to a header, that header's path into the history
root of a final header, and the quorum certificate that made that one final. The trust anchor is
the genesis document, of which the verifier knows the hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.headers import validate_seal
from consensus.votes import Certificate, Verify, decode_certificate
from ledger import codec, limits
from ledger.blocks import SealedHeader, sealed_header_from_value
from ledger.errors import InvalidGenesis, InvalidHeader, InvalidProof
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.hashing import HASH_BYTES, BlockHash
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.sealers import SealerSet
from ledger.transactions import SignedTransaction, decode_transaction
from ledger.transition import signature_items

FORMAT = "sunlit-evidence-bundle/1"
SEALED_HEADER_BYTES_MAX = limits.HEADER_BYTES_MAX + 128
PATH_HASHES_MAX = 64
_LOWER_HEX = re.compile("(?:[0-9a-f]{2})*")  # One spelling only: fromhex takes capitals and spaces.


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
    return {
        "format": FORMAT,
        "kind": "transaction",
        "chain_id": chain_id,
        "genesis_hash": genesis_hash.hex(),
        "genesis": genesis,
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
) -> VerifiedTransaction:
    """Check every step of a bundle against a trusted genesis document.

    Raises:
        InvalidProof: a part is missing, malformed, or does not lead to the next.
        DecodeError: bytes that are not a transaction, header or certificate.
    """
    if document.get("format") != FORMAT or document.get("kind") != "transaction":
        raise InvalidProof("unknown_format", f"not a transaction bundle of format {FORMAT}")
    genesis_hash, sealers = genesis.header().hash, genesis.sealers()
    _verify_anchor(document, genesis, genesis_hash)
    transaction = decode_transaction(_hex(document, "transaction"))
    sealed, finalized = _header(document, "header"), _header(document, "finalized_header")
    index = _index(document)
    if document.get("txid") != transaction.txid.hex():
        raise InvalidProof("wrong_txid", "the bundle names another transaction than it holds")
    _verify_signatures(transaction, genesis_hash, verify)
    for header in (sealed, finalized):
        _verify_seal(header, sealers, verify)
    _verify_inclusion(document, transaction, index, sealed)
    _verify_history(document, sealed, finalized)
    certificate = decode_certificate(_hex(document, "certificate"))
    _verify_finality(certificate, finalized)
    certificate.validate(sealers, genesis_hash, verify)
    _verify_genesis(document, genesis)
    return VerifiedTransaction(
        transaction=transaction,
        index=index,
        sealed=sealed,
        finalized=finalized,
        voters=tuple(member for member, _ in certificate.signatures),
    )


def _verify_anchor(document: Mapping[str, Any], genesis: Genesis, genesis_hash: BlockHash) -> None:
    if document.get("chain_id") != genesis.chain_id:
        raise InvalidProof("wrong_chain", "the bundle is of another chain")
    if document.get("genesis_hash") != genesis_hash.hex():
        raise InvalidProof("wrong_genesis", "the bundle starts from another genesis hash")


def _verify_genesis(document: Mapping[str, Any], genesis: Genesis) -> None:
    """Check the genesis document that people read in the bundle; last, because it takes longest."""
    try:
        claimed = parse_genesis(json.dumps(document.get("genesis")))
    except InvalidGenesis as error:
        raise InvalidProof("wrong_genesis", error.detail, **error.fields) from None
    if claimed.encode() != genesis.encode():
        raise InvalidProof("wrong_genesis", "the bundle holds another genesis document")


def _verify_seal(sealed: SealedHeader, sealers: SealerSet, verify: Verify) -> None:
    try:
        validate_seal(sealed, sealers, verify)
    except InvalidHeader as error:
        raise InvalidProof(error.code, error.detail, **error.fields) from None


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
        path=_path(document, "path"),
        root=sealed.header.tx_root,
    ):
        raise InvalidProof("not_included", "the path does not lead to the header's tx_root")


def _verify_history(
    document: Mapping[str, Any], sealed: SealedHeader, finalized: SealedHeader
) -> None:
    path = _path(document, "history_path")
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


def _verify_finality(certificate: Certificate, finalized: SealedHeader) -> None:
    link = certificate.vote
    if link.source.hash != finalized.hash or link.source.height != finalized.header.height:
        raise InvalidProof("wrong_certificate", "the certificate is about another header")
    if not link.is_consecutive:
        raise InvalidProof("not_finalizing", "the certificate's link skips heights")


def _header(document: Mapping[str, Any], name: str) -> SealedHeader:
    value = codec.decode(_hex(document, name), bytes_max=SEALED_HEADER_BYTES_MAX)
    return sealed_header_from_value(value)


def _index(document: Mapping[str, Any]) -> int:
    index = document.get("index")
    if type(index) is not int or index < 0:
        raise InvalidProof("malformed_bundle", "index is a whole number")
    return index


def _hex(document: Mapping[str, Any], name: str) -> bytes:
    text = document.get(name)
    if not isinstance(text, str) or not _LOWER_HEX.fullmatch(text):
        raise InvalidProof("malformed_bundle", f"{name} is a string of lower-case hexadecimal")
    return bytes.fromhex(text)


def _path(document: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    nodes = document.get(name)
    if not isinstance(nodes, list) or len(nodes) > PATH_HASHES_MAX:
        raise InvalidProof("malformed_bundle", f"{name} is a list of at most 64 hashes")
    path = tuple(_hex({name: node}, name) for node in nodes)
    if any(len(node) != HASH_BYTES for node in path):
        raise InvalidProof("malformed_bundle", f"{name} holds something that is no hash")
    return path
