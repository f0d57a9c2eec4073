"""Finality votes and quorum certificates (Casper FFG): their bytes and their checks.

    vote        = [set id, source height, source hash, target height, target hash]
    signed vote = [member, vote, signature]
    certificate = [vote, [[member, signature], …]]            members ascending

A vote's signature covers a tag, the chain's genesis hash and the vote, so that it counts on no
other chain and cannot be taken for another kind of message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ledger import codec, limits
from ledger.errors import DecodeError, InvalidProof
from ledger.hashing import HASH_BYTES, VOTE_SIGNATURE, BlockHash
from ledger.identity import MemberId, member_id
from ledger.keys import SIGNATURE_BYTES
from ledger.sealers import SealerSet
from ledger.transactions import HEIGHT_MAX

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether the signature holds, by ``ledger.keys.verify``."""

SIGNED_VOTE_BYTES_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Checkpoint:
    """A block as finality sees it; every block is one."""

    height: int
    """Its height."""
    hash: BlockHash
    """Its hash, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A link from a justified source to a target above it."""

    set_id: int
    """Sealer set that the voter belongs to."""
    source: Checkpoint
    """Checkpoint that the voter holds justified."""
    target: Checkpoint
    """Checkpoint that it votes to justify."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the vote."""
        source, target = self.source, self.target
        return (self.set_id, source.height, source.hash, target.height, target.hash)

    def message(self, genesis_hash: BlockHash) -> bytes:
        """Return the 32 bytes that the voter signs."""
        return VOTE_SIGNATURE(codec.encode((genesis_hash, self.to_value())))

    @property
    def is_consecutive(self) -> bool:
        """Whether the target is one above the source, so that the link can finalize."""
        return self.target.height == self.source.height + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVote:
    """A vote with its voter's signature."""

    member: MemberId
    """Who votes."""
    vote: Vote
    """The link."""
    signature: bytes
    """By the member's sealing key, 64 bytes."""

    def to_value(self) -> codec.Value:
        """Return the array that encodes the signed vote."""
        return (self.member, self.vote.to_value(), self.signature)

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return codec.encode(self.to_value())


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A quorum of votes for one link."""

    vote: Vote
    """The link."""
    signatures: tuple[tuple[MemberId, bytes], ...]
    """Voters and their signatures, ascending by member."""

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return codec.encode((self.vote.to_value(), self.signatures))

    def votes(self) -> tuple[SignedVote, ...]:
        """Return the votes that it is made of."""
        return tuple(
            SignedVote(member=member, vote=self.vote, signature=signature)
            for member, signature in self.signatures
        )

    def validate(self, sealers: SealerSet, genesis_hash: BlockHash, verify: Verify) -> None:
        """Check that a quorum of the set signed the link.

        Raises:
            InvalidProof: another set, a voter outside it, too few voters or a bad signature.
        """
        if self.vote.set_id != sealers.set_id:
            raise InvalidProof(
                "wrong_sealer_set", "the certificate is of another set", set_id=self.vote.set_id
            )
        voters = len({member for member, _ in self.signatures})
        if voters < sealers.quorum:
            raise InvalidProof(
                "no_quorum",
                f"{voters} voters where {sealers.quorum} are needed",
                votes=voters,
            )
        message = self.vote.message(genesis_hash)
        for member, signature in self.signatures:
            key = sealers.keys.get(member)
            if key is None:
                raise InvalidProof("not_sealer", f"{member} is not in the set", member=member)
            if not verify(key, signature, message):
                raise InvalidProof("bad_vote_signature", f"{member} did not sign", member=member)


def vote_from_value(value: codec.Value) -> Vote:
    """Return the vote of a decoded array.

    Raises:
        DecodeError: malformed, or a target that is not above its source.
    """
    set_id, source_height, source, target_height, target = codec.fields(value, 5, "vote")
    vote = Vote(
        set_id=codec.uint(set_id, "set id"),
        source=_checkpoint(source_height, source, "source"),
        target=_checkpoint(target_height, target, "target"),
    )
    if vote.target.height <= vote.source.height:
        raise DecodeError("bad_vote", "a vote's target is above its source")
    return vote


def signed_vote_from_value(value: codec.Value) -> SignedVote:
    """Return the signed vote of a decoded array."""
    member, vote, signature = codec.fields(value, 3, "signed vote")
    return SignedVote(
        member=member_id(member),
        vote=vote_from_value(vote),
        signature=codec.fixed_bytes(signature, SIGNATURE_BYTES, "vote signature"),
    )


def decode_signed_vote(data: bytes) -> SignedVote:
    """Return the signed vote that ``data`` encodes."""
    return signed_vote_from_value(codec.decode(data, bytes_max=SIGNED_VOTE_BYTES_MAX))


def decode_certificate(data: bytes) -> Certificate:
    """Return the certificate that ``data`` encodes; ``validate`` says whether it holds.

    Raises:
        DecodeError: malformed, or voters unsorted or repeated.
    """
    value = codec.decode(data, bytes_max=limits.CERTIFICATE_ENCODED_BYTES_MAX)
    vote, signatures = codec.fields(value, 2, "certificate")
    pairs = codec.array(signatures, "votes", count_min=1, count_max=limits.MEMBERS_MAX)
    voters = []
    for pair in pairs:
        member, signature = codec.fields(pair, 2, "vote")
        codec.fixed_bytes(signature, SIGNATURE_BYTES, "vote signature")
        voters.append(member_id(member))
    if any(a >= b for a, b in pairwise(voters)):
        raise DecodeError("voters_unsorted", "voters are ascending and distinct")
    return Certificate(vote=vote_from_value(vote), signatures=pairs)


def _checkpoint(height: codec.Value, block_hash: codec.Value, what: str) -> Checkpoint:
    return Checkpoint(
        height=codec.uint(height, f"{what} height", maximum=HEIGHT_MAX),
        hash=BlockHash(codec.fixed_bytes(block_hash, HASH_BYTES, f"{what} hash")),
    )
