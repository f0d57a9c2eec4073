"""Proposals: governance on its way to the chain, collecting the signatures of those who decide.

    drafted (no signature) -> signed by its maker -> signed by checkers -> complete: a transaction

``ledger.proposal_document`` writes a proposal as the file that goes from hand to hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from ledger.errors import InvalidProposal
from ledger.governance import deciding_keys
from ledger.hashing import BlockHash, TxId
from ledger.identity import KeySet, Member, MemberId
from ledger.keys import verify
from ledger.limits import GOVERN_VALIDITY_BLOCKS_MAX
from ledger.measures import Govern, Measure, Policy
from ledger.transactions import (
    Actor,
    Body,
    Signature,
    SignedTransaction,
    assemble,
    decode_body,
    signing_message,
)

PROPOSAL_VALIDITY_BLOCKS: Final = 604_800
"""Life of a proposal unless told otherwise, blocks from the head: a week of blocks of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A body of the kind ``govern`` with the signatures that it has so far."""

    chain_id: str
    """Name of the chain that it is for; the body's genesis hash is what binds it."""
    body: Body
    """What is signed; its effect is a `Govern`, its only actor the member that acts."""
    deciders: KeySet
    """Whose signatures it needs, as the chain said when it was made."""
    signatures: tuple[Signature, ...] = ()
    """Signatures that hold, in ascending order of their keys."""

    @property
    def effect(self) -> Govern:
        """The policy and its measures.

        Raises:
            InvalidProposal: ``bad_proposal``; the body is of another kind.
        """
        if not isinstance(self.body.effect, Govern):
            raise InvalidProposal("bad_proposal", "the body is no governance")
        return self.body.effect

    @property
    def actor(self) -> Actor:
        """The member that acts, with its sequence."""
        return self.body.actors[0]

    @property
    def member(self) -> MemberId:
        """The member that acts."""
        return MemberId(str(self.actor.id))

    @property
    def txid(self) -> TxId:
        """Id of the transaction that it becomes."""
        return assemble(self.body, ()).txid

    @property
    def message(self) -> bytes:
        """The 32 bytes that each signer signs."""
        return signing_message(self.body.encode())

    @property
    def is_complete(self) -> bool:
        """Whether as many have signed as must."""
        return len(self.signatures) >= self.deciders.threshold


def draft_proposal(
    measures: Sequence[Measure],
    *,
    chain_id: str,
    genesis_hash: BlockHash,
    actor: Actor,
    member: Member,
    head_height: int,
    nonce: bytes,
    valid_blocks: int = PROPOSAL_VALIDITY_BLOCKS,
) -> Proposal:
    """Return an unsigned proposal of a regulator, valid from the head.

    Args:
        measures: what it decides, each on an account of its own.
        chain_id: name of the chain.
        genesis_hash: the chain that it is for, 32 bytes.
        actor: the regulator that acts, with its next unused sequence.
        member: its record at the head.
        head_height: height of the chain's head.
        nonce: 16 random bytes.
        valid_blocks: how long it may collect signatures, 0 to 1,000,000 blocks.

    Raises:
        InvalidTransaction: ``not_regulator``.
        InvalidProposal: ``too_few_officers`` or ``bad_validity``.
        DecodeError: a field breaks a limit of the ledger.
    """
    member_id = MemberId(str(actor.id))
    deciders = deciding_keys(member_id, member)
    if deciders.threshold > len(deciders.keys):
        raise InvalidProposal(
            "too_few_officers",
            f"{member_id} has {len(deciders.keys)} officers, and {deciders.threshold} must sign",
            member=member_id,
        )
    if not 0 <= valid_blocks <= GOVERN_VALIDITY_BLOCKS_MAX:
        detail = f"a proposal is valid for 0 to {GOVERN_VALIDITY_BLOCKS_MAX} blocks"
        raise InvalidProposal("bad_validity", detail, valid_blocks=valid_blocks)
    body = Body(
        genesis_hash=genesis_hash,
        valid_from=head_height,
        valid_until=head_height + valid_blocks,
        nonce=nonce,
        actors=(actor,),
        reference="",
        payload=b"",
        effect=Govern(policy=Policy.REGULATOR, measures=tuple(measures)),
    )
    # Decoded again, so that what the ledger would refuse is refused here in its own words.
    return Proposal(chain_id=chain_id, body=decode_body(body.encode()), deciders=deciders)


def renew(proposal: Proposal, *, sequence: int, head_height: int) -> Proposal:
    """Return an unsigned proposal with the sequence that is next and, if it is over, a new window.

    It stays as it is, txid included, where its sequence is still next and its window open.

    Raises:
        InvalidProposal: ``already_signed``; a signature covers the sequence.
    """
    body = proposal.body
    if proposal.signatures:
        raise InvalidProposal("already_signed", "what somebody signed is not changed any more")
    if head_height >= body.valid_until:
        span = body.valid_until - body.valid_from
        body = structs.replace(body, valid_from=head_height, valid_until=head_height + span)
    if sequence != proposal.actor.sequence:
        actor = structs.replace(proposal.actor, sequence=sequence)
        body = structs.replace(body, actors=(actor,))
    return replace(proposal, body=body)


def add_signature(proposal: Proposal, signature: Signature) -> Proposal:
    """Return the proposal with one more signature.

    Raises:
        InvalidProposal: ``not_a_decider``, ``already_signed``, ``already_complete`` or
            ``bad_signature``.
    """
    if signature.public_key not in proposal.deciders.keys:
        raise InvalidProposal(
            "not_a_decider", f"the key is none of the officers of {proposal.member}"
        )
    if any(signature.public_key == other.public_key for other in proposal.signatures):
        raise InvalidProposal("already_signed", "this key has signed; another officer must")
    if proposal.is_complete:
        # The ledger refuses a signature to spare.
        raise InvalidProposal("already_complete", "it has every signature that it needs; submit it")
    if not verify(signature.public_key, signature.signature, proposal.message):
        raise InvalidProposal("bad_signature", "a signature does not hold for this body")
    return replace(proposal, signatures=tuple(sorted((*proposal.signatures, signature))))


def complete(proposal: Proposal) -> SignedTransaction:
    """Return the transaction of a proposal that everyone signed who must.

    Raises:
        InvalidProposal: ``signatures_missing``.
    """
    present, required = len(proposal.signatures), proposal.deciders.threshold
    if not proposal.is_complete:
        raise InvalidProposal(
            "signatures_missing",
            f"{present} of {required} required signatures; `sunlit govern cosign` adds one",
            present=present,
            required=required,
        )
    return assemble(proposal.body, proposal.signatures)
