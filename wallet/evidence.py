"""Evidence bundles as files: reading them, choosing the trust anchor, checking every step.

A bundle brings its genesis document along. That proves nothing by itself: what the proof rests on
is a genesis hash that the reader has from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from consensus.account_bundle import VerifiedAccount
from consensus.bundle import VerifiedTransaction, verify_bundle
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.hashing import BlockHash
from ledger.keys import verify

BUNDLE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest bundle, bytes: a transaction of 2 MiB in hex and a genesis document of 16 MiB."""


def load_bundle(path: Path) -> dict[str, Any]:
    """Return the JSON document in a file, read strictly: UTF-8, no repeated names, no NaN.

    Raises:
        InvalidProof: ``malformed_bundle``.
    """
    with path.open("rb") as file:
        content = file.read(BUNDLE_BYTES_MAX + 1)
    if len(content) > BUNDLE_BYTES_MAX:
        raise InvalidProof("malformed_bundle", f"{path} is larger than {BUNDLE_BYTES_MAX} bytes")
    try:
        text = content.decode()  # bytes would be taken for UTF-16 where they look like it
        document = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidProof("malformed_bundle", f"{path} is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidProof("malformed_bundle", f"{path} is no JSON object")
    return document


def genesis_of(document: Mapping[str, Any]) -> Genesis:
    """Return the genesis that a bundle brings along; it is not to be trusted as such.

    Raises:
        InvalidProof: ``malformed_bundle`` (it brings none).
        InvalidGenesis: it is wrong in itself.
    """
    genesis = document.get("genesis")
    if not isinstance(genesis, dict):
        raise InvalidProof("malformed_bundle", "the bundle brings no genesis document")
    return parse_genesis(json.dumps(genesis))


def check_bundle(
    document: Mapping[str, Any], *, genesis: Genesis, anchor: BlockHash
) -> VerifiedTransaction | VerifiedAccount:
    """Check a bundle, and that its chain is the one that the reader trusts.

    Args:
        document: the bundle.
        genesis: genesis of the chain, from the bundle or from elsewhere.
        anchor: hash of the genesis header that the reader trusts.

    Raises:
        InvalidProof: ``wrong_genesis``, or a step of the proof that does not hold.
        DecodeError: bytes in the bundle that are no transaction, header or certificate.
    """
    found = genesis.header().hash
    if found != anchor:
        detail = f"the bundle is of chain {found.hex()}, not of the trusted {anchor.hex()}"
        raise InvalidProof("wrong_genesis", detail, genesis_hash=found, anchor=anchor)
    return verify_bundle(document, genesis=genesis, verify=verify)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
