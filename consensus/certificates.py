"""Certificates inside blocks: what a chain proves about its own finality, to anyone who syncs it.

A block may carry certificates for links between its ancestors. They are checked like everything
else that the header commits to, and only they decide rules of the chain, since votes heard by
gossip differ from node to node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consensus.votes import Certificate, Checkpoint, Verify, decode_certificate
from ledger.errors import DecodeError, InvalidBlock, InvalidProof
from ledger.hashing import BlockHash
from ledger.sealers import SealerSet

PROVED_JUSTIFIED_MAX = 64
"""Most justified heights kept for a chain; a source further back can no longer be linked from."""

HashAt = Callable[[int], BlockHash | None]
"""Hash of the chain's block at a height; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What the certificates in a chain's bodies prove."""

    justified: tuple[int, ...]
    """Heights proved justified, ascending; the highest 64 at most."""
    final: int
    """Highest height proved final."""


GENESIS_PROVED = Proved(justified=(0,), final=0)


def extend_proved(
    proved: Proved,
    certificates: Sequence[bytes],
    *,
    hash_at: HashAt,
    sealers: SealerSet,
    genesis_hash: BlockHash,
    verify: Verify,
) -> tuple[Proved, tuple[Certificate, ...]]:
    """Return what a chain proves with a block's certificates, and the certificates decoded.

    ``hash_at`` answers for the block's ancestors only.

    Raises:
        InvalidBlock: a certificate that is malformed, unsigned, not of this chain, without a
            justified source, or not above what is proved already.
    """
    decoded = []
    for encoded in certificates:
        certificate = _decode(encoded)
        vote = certificate.vote
        if vote.source.height not in proved.justified:
            raise InvalidBlock("unproved_source", "its source is not proved justified before")
        if vote.target.height <= proved.justified[-1]:
            raise InvalidBlock("stale_certificate", "its target is not above what is proved")
        for checkpoint in (vote.source, vote.target):
            _require_ancestor(checkpoint, hash_at)
        try:
            certificate.validate(sealers, genesis_hash, verify)
        except InvalidProof as error:
            raise InvalidBlock(error.code, error.detail, **error.fields) from None
        proved = Proved(
            justified=(*proved.justified, vote.target.height)[-PROVED_JUSTIFIED_MAX:],
            final=vote.source.height if vote.is_consecutive else proved.final,
        )
        decoded.append(certificate)
    return proved, tuple(decoded)


def _decode(encoded: bytes) -> Certificate:
    try:
        return decode_certificate(encoded)
    except DecodeError as error:
        # The header commits to these bytes, so it is the block that is at fault.
        raise InvalidBlock(error.code, error.detail, **error.fields) from None


def _require_ancestor(checkpoint: Checkpoint, hash_at: HashAt) -> None:
    if hash_at(checkpoint.height) != checkpoint.hash:
        raise InvalidBlock(
            "foreign_certificate",
            "a certificate links blocks of another chain",
            height=checkpoint.height,
            hash=checkpoint.hash,
        )
