"""What every evidence bundle shares: its fields, its trust anchor, its proof of finality.

The trust anchor is the genesis document, of which the verifier knows the hash. A header is final
when the quorum certificate of a consecutive link names it as the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from consensus.headers import validate_seal
from consensus.votes import Verify, decode_certificate
from ledger import codec, limits
from ledger.blocks import SealedHeader, sealed_header_from_value
from ledger.errors import InvalidGenesis, InvalidHeader, InvalidProof
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.hashing import HASH_BYTES, BlockHash
from ledger.sealers import SealerSet

FORMAT = "sunlit-evidence-bundle/1"
SEALED_HEADER_BYTES_MAX = limits.HEADER_BYTES_MAX + 128
PATH_HASHES_MAX = 64
_LOWER_HEX = re.compile("(?:[0-9a-f]{2})*")  # One spelling only: fromhex takes capitals and spaces.

Document = Mapping[str, Any]
"""A bundle as parsed JSON."""


def common_fields(
    kind: str, *, chain_id: str, genesis_hash: bytes, genesis: Document
) -> dict[str, Any]:
    """Return the fields that begin every bundle; ``genesis`` is the genesis document's JSON."""
    return {
        "format": FORMAT,
        "kind": kind,
        "chain_id": chain_id,
        "genesis_hash": genesis_hash.hex(),
        "genesis": genesis,
    }


def verify_anchor(document: Document, genesis: Genesis, genesis_hash: BlockHash) -> None:
    """Check that the bundle names the trusted chain.

    Raises:
        InvalidProof: another chain or another genesis hash.
    """
    if document.get("chain_id") != genesis.chain_id:
        raise InvalidProof("wrong_chain", "the bundle is of another chain")
    if document.get("genesis_hash") != genesis_hash.hex():
        raise InvalidProof("wrong_genesis", "the bundle starts from another genesis hash")


def verify_genesis(document: Document, genesis: Genesis) -> None:
    """Check the genesis document that people read in a bundle: last, because it takes longest.

    Raises:
        InvalidProof: it is another than the trusted one.
    """
    try:
        claimed = parse_genesis(json.dumps(document.get("genesis")))
    except InvalidGenesis as error:
        raise InvalidProof("wrong_genesis", error.detail, **error.fields) from None
    if claimed.encode() != genesis.encode():
        raise InvalidProof("wrong_genesis", "the bundle holds another genesis document")


def verify_final(
    document: Document,
    finalized: SealedHeader,
    *,
    sealers: SealerSet,
    genesis_hash: BlockHash,
    verify: Verify,
) -> tuple[str, ...]:
    """Check that the bundle's certificate makes a header final; return who voted.

    Raises:
        InvalidProof: the certificate is about another header, skips heights, or does not hold.
    """
    certificate = decode_certificate(lower_hex(document, "certificate"))
    link = certificate.vote
    if link.source.hash != finalized.hash or link.source.height != finalized.header.height:
        raise InvalidProof("wrong_certificate", "the certificate is about another header")
    if not link.is_consecutive:
        raise InvalidProof("not_finalizing", "the certificate's link skips heights")
    certificate.validate(sealers, genesis_hash, verify)
    return tuple(member for member, _ in certificate.signatures)


def verify_seal(sealed: SealedHeader, sealers: SealerSet, verify: Verify) -> None:
    """Check a header's seal.

    Raises:
        InvalidProof: its sealer did not sign it.
    """
    try:
        validate_seal(sealed, sealers, verify)
    except InvalidHeader as error:
        raise InvalidProof(error.code, error.detail, **error.fields) from None


def sealed_header(document: Document, name: str) -> SealedHeader:
    """Return the sealed header under a name."""
    value = codec.decode(lower_hex(document, name), bytes_max=SEALED_HEADER_BYTES_MAX)
    return sealed_header_from_value(value)


def whole_number(document: Document, name: str) -> int:
    """Return the whole number under a name."""
    number = document.get(name)
    if type(number) is not int or number < 0:
        raise InvalidProof("malformed_bundle", f"{name} is a whole number")
    return number


def lower_hex(document: Document, name: str) -> bytes:
    """Return the bytes under a name."""
    text = document.get(name)
    if not isinstance(text, str) or not _LOWER_HEX.fullmatch(text):
        raise InvalidProof("malformed_bundle", f"{name} is a string of lower-case hexadecimal")
    return bytes.fromhex(text)


def hash_path(document: Document, name: str) -> tuple[bytes, ...]:
    """Return the hashes of a Merkle path under a name."""
    nodes = document.get(name)
    if not isinstance(nodes, list) or len(nodes) > PATH_HASHES_MAX:
        raise InvalidProof("malformed_bundle", f"{name} is a list of at most 64 hashes")
    path = tuple(lower_hex({name: node}, name) for node in nodes)
    if any(len(node) != HASH_BYTES for node in path):
        raise InvalidProof("malformed_bundle", f"{name} holds something that is no hash")
    return path
