"""Building and signing transactions: sequences, validity windows, signatures.

Pure but for the nonce, which the caller draws. What is built is decoded again before it leaves,
so a field that the ledger would refuse is refused here with the ledger's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ledger.hashing import BlockHash
from ledger.identity import AccountId, MemberId
from ledger.kinds import Effect
from ledger.limits import LANES
from ledger.transactions import (
    Actor,
    Body,
    Signature,
    SignedTransaction,
    actor_order,
    assemble,
    decode_transaction,
    signing_message,
)
from wallet.keystore import SigningKey

VALIDITY_BLOCKS: Final = 1_000
"""Life of a transaction, blocks from the head: long enough for a retry, short enough to forget."""


def next_actor(
    identity: AccountId | MemberId,
    next_sequences: Mapping[int, int],
    pending: Iterable[Actor],
) -> Actor:
    """Return the actor with the lane and sequence that a new transaction takes.

    The lane is the one with the fewest pending transactions, so that they wait for one another as
    little as can be; the sequence is its first free one at or after the chain's next. A member
    has only lane 0.

    Args:
        identity: who acts.
        next_sequences: the chain's next sequence by lane; a lane that is missing is at 0.
        pending: actors of the transactions that are kept but may not be on the chain yet.
    """
    lanes = range(LANES if isinstance(identity, bytes) else 1)
    taken: dict[int, set[int]] = {lane: set() for lane in lanes}
    for actor in pending:
        if actor.id == identity and actor.sequence >= next_sequences.get(actor.lane, 0):
            taken[actor.lane].add(actor.sequence)
    lane = min(lanes, key=lambda candidate: len(taken[candidate]))
    sequence = next_sequences.get(lane, 0)
    while sequence in taken[lane]:
        sequence += 1
    return Actor(identity, lane, sequence)


def sign_transaction(
    effect: Effect,
    *,
    actors: Sequence[Actor],
    signers: Sequence[SigningKey],
    genesis_hash: BlockHash,
    head_height: int,
    nonce: bytes,
    reference: str = "",
) -> SignedTransaction:
    """Return a signed transaction that is valid from the head for `VALIDITY_BLOCKS`.

    Args:
        effect: what it does.
        actors: whose sequences it consumes, in any order.
        signers: the keys that sign; one given twice signs once.
        genesis_hash: the chain that it is for, 32 bytes.
        head_height: height of the chain's head.
        nonce: 16 random bytes.
        reference: text for people, at most 140 bytes of UTF-8.

    Raises:
        DecodeError: a field breaks a limit of the ledger.
    """
    body = Body(
        genesis_hash=genesis_hash,
        valid_from=head_height,
        valid_until=head_height + VALIDITY_BLOCKS,
        nonce=nonce,
        actors=tuple(sorted(actors, key=actor_order)),
        reference=reference,
        payload=b"",
        effect=effect,
    )
    message = signing_message(body.encode())
    keys = {signer.entry.public_key: signer for signer in signers}
    signatures = tuple(Signature(public, key.sign(message)) for public, key in keys.items())
    return decode_transaction(assemble(body, signatures).raw)
