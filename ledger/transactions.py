"""Transactions: one envelope, one kind, one atomic effect; their bytes, ids and signatures.

    signed transaction = [body bytes, [[public key, signature], …]]        keys ascending
    body               = [version, genesis hash, kind, valid from, valid until, nonce,
                          actors, reference, payload, effect]

The txid hashes the body alone, so that no signature can change it. Signatures cover the body,
which names the chain by its genesis hash. ``docs/protocol.md`` has the byte tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.hashing import (
    ACCOUNT_ID,
    HASH_BYTES,
    TRANSACTION_ID,
    TRANSACTION_SIGNATURE,
    BlockHash,
    TxId,
)
from ledger.identity import (
    ACCOUNT_ID_BYTES,
    AccountId,
    MemberId,
    account_id,
    member_id,
)
from ledger.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from ledger.kinds import EFFECT_DECODERS, KIND_OF, Effect, Kind, effect_value, leg_count

VERSION = 1
NONCE_BYTES = 16
SEQUENCE_MAX = 2**63 - 1
HEIGHT_MAX = 2**53 - 1
"""Largest height, so that it survives JSON readers that hold numbers as doubles."""


class Actor(NamedTuple):
    """Who acts, and which of its sequence numbers the transaction consumes."""

    id: AccountId | MemberId
    """A debited account (bytes) or the acting member (text)."""
    lane: int
    """Sequence lane, 0 to 15; a member has only lane 0."""
    sequence: int
    """The lane's next unused number."""


class Signature(NamedTuple):
    """A public key with its signature of the transaction."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is signed."""

    genesis_hash: BlockHash
    """Chain that it is for, 32 bytes."""
    valid_from: int
    """First height of a block that may hold it."""
    valid_until: int
    """Last height of a block that may hold it."""
    nonce: bytes
    """16 random bytes, so that the txid cannot be guessed from its content."""
    actors: tuple[Actor, ...]
    """Whose sequences it consumes, accounts before members, ascending."""
    reference: str
    """Text for people, at most 140 bytes of UTF-8."""
    payload: bytes
    """Opaque ciphertext for the counterparties and the regulator, may be empty."""
    effect: Effect
    """What it does."""

    @property
    def kind(self) -> Kind:
        """What the transaction does."""
        return KIND_OF[type(self.effect)]

    def encode(self) -> bytes:
        """Return the canonical bytes of the body."""
        return codec.encode(
            (
                VERSION,
                self.genesis_hash,
                int(self.kind),
                self.valid_from,
                self.valid_until,
                self.nonce,
                self.actors,
                self.reference,
                self.payload,
                effect_value(self.effect),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A transaction as it travels: its body, its signatures and its exact bytes."""

    body: Body
    """The decoded body."""
    body_bytes: bytes
    """The body's bytes, which the txid and the signatures cover."""
    signatures: tuple[Signature, ...]
    """Signatures in ascending order of their keys."""
    raw: bytes
    """The whole canonical encoding; commitments in blocks cover it."""
    txid: TxId = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "txid", TRANSACTION_ID(self.body_bytes))

    @property
    def signing_message(self) -> bytes:
        """The 32 bytes that each key signs."""
        return TRANSACTION_SIGNATURE(self.body_bytes)

    @property
    def leg_count(self) -> int:
        """Movements that it counts for against the block's limit."""
        return leg_count(self.body.effect)


# As their _make, for arrays that were counted already.
_as_actor = partial(tuple.__new__, Actor)
_as_signature = partial(tuple.__new__, Signature)


def signing_message(body_bytes: bytes) -> bytes:
    """Return the 32 bytes that a signer of the body signs."""
    return TRANSACTION_SIGNATURE(body_bytes)


def assemble(body: Body, signatures: tuple[Signature, ...]) -> SignedTransaction:
    """Return the signed transaction of a body and its signatures, sorted by key."""
    body_bytes = body.encode()
    ordered = tuple(sorted(signatures))
    return SignedTransaction(
        body=body,
        body_bytes=body_bytes,
        signatures=ordered,
        raw=codec.encode((body_bytes, ordered)),
    )


def opened_account_id(txid: TxId) -> AccountId:
    """Return the id of the account that an ``open_account`` transaction opens."""
    return AccountId(ACCOUNT_ID(txid)[:ACCOUNT_ID_BYTES])


def decode_transaction(raw: bytes) -> SignedTransaction:
    """Return the transaction that ``raw`` encodes.

    Raises:
        DecodeError: not canonical, over a limit, or a field of the wrong type or range.
    """
    body_bytes, signature_values = codec.fields(
        codec.decode(raw, bytes_max=limits.TRANSACTION_BYTES_MAX), 2, "signed transaction"
    )
    if type(body_bytes) is not bytes:
        raise DecodeError("bad_shape", "the body is a byte string")
    signature_values = codec.array(
        signature_values,
        "signatures",
        count_min=1,
        count_max=limits.TRANSACTION_SIGNATURES_MAX,
    )
    signatures = tuple([_signature(value) for value in signature_values])
    if len(signatures) > 1 and any(a.public_key >= b.public_key for a, b in pairwise(signatures)):
        raise DecodeError("signatures_unsorted", "signatures are in ascending order of their keys")
    return SignedTransaction(
        body=decode_body(body_bytes), body_bytes=body_bytes, signatures=signatures, raw=raw
    )


def decode_body(body_bytes: bytes) -> Body:
    """Return the body that ``body_bytes`` encodes.

    Raises:
        DecodeError: not canonical, over a limit, or a field of the wrong type or range.
    """
    value = codec.decode(body_bytes, bytes_max=limits.TRANSACTION_BYTES_MAX)
    version, genesis, kind, start, end, nonce, actors, reference, payload, effect = codec.fields(
        value, 10, "body"
    )
    if version != VERSION or type(version) is not int:
        raise DecodeError("unknown_version", f"transaction version is {VERSION}", version=version)
    decode_effect = EFFECT_DECODERS.get(kind) if type(kind) is int else None
    if decode_effect is None:
        raise DecodeError("unknown_kind", "no such kind of transaction")
    # Every transaction passes here: types are tested inline, the readers give the error.
    if not (
        type(genesis) is bytes
        and len(genesis) == HASH_BYTES
        and type(start) is int
        and 0 <= start <= HEIGHT_MAX
        and type(end) is int
        and 0 <= end <= HEIGHT_MAX
        and type(nonce) is bytes
        and len(nonce) == NONCE_BYTES
        and type(payload) is bytes
        and len(payload) <= limits.PAYLOAD_BYTES_MAX
    ):
        _refuse_field(genesis, start, end, nonce, payload)
    if reference != "":
        codec.text(reference, limits.REFERENCE_BYTES_MAX, "reference")
    return Body(
        genesis_hash=genesis,
        valid_from=start,
        valid_until=end,
        nonce=nonce,
        actors=_actors(actors),
        reference=reference,
        payload=payload,
        effect=decode_effect(effect),
    )


def _refuse_field(
    genesis: codec.Value,
    start: codec.Value,
    end: codec.Value,
    nonce: codec.Value,
    payload: codec.Value,
) -> None:
    """Raise the DecodeError of the first field that its reader refuses."""
    codec.fixed_bytes(genesis, HASH_BYTES, "genesis hash")
    codec.uint(start, "valid from", maximum=HEIGHT_MAX)
    codec.uint(end, "valid until", maximum=HEIGHT_MAX)
    codec.fixed_bytes(nonce, NONCE_BYTES, "nonce")
    codec.limited_bytes(payload, limits.PAYLOAD_BYTES_MAX, "payload")


def _signature(value: codec.Value) -> Signature:
    public_key, signature = codec.fields(value, 2, "signature")
    if type(public_key) is not bytes or len(public_key) != PUBLIC_KEY_BYTES:
        codec.fixed_bytes(public_key, PUBLIC_KEY_BYTES, "public key")
    if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        codec.fixed_bytes(signature, SIGNATURE_BYTES, "signature")
    return _as_signature(value)


def actor_order(actor: Actor) -> tuple[bool, bytes]:
    """Return the key by which actors are sorted: accounts before members, then by id."""
    is_member = isinstance(actor.id, str)
    return (is_member, actor.id.encode() if isinstance(actor.id, str) else actor.id)


def _actors(value: codec.Value) -> tuple[Actor, ...]:
    values = codec.array(value, "actors", count_min=1, count_max=limits.TRANSACTION_LEGS_MAX + 1)
    actors = tuple([_actor(item) for item in values])
    if len(actors) > 1:
        order = [actor_order(actor) for actor in actors]
        if any(a >= b for a, b in pairwise(order)):
            raise DecodeError("actors_unsorted", "actors are distinct and ascending")
    return actors


def _actor(value: codec.Value) -> Actor:
    identity, lane, sequence = codec.fields(value, 3, "actor")
    lane_max = limits.LANES - 1
    if type(identity) is str:
        member_id(identity)
        lane_max = 0
    elif type(identity) is not bytes or len(identity) != ACCOUNT_ID_BYTES:
        account_id(identity)
    if type(lane) is not int or not 0 <= lane <= lane_max:
        codec.uint(lane, "lane", maximum=lane_max)
    if type(sequence) is not int or not 0 <= sequence <= SEQUENCE_MAX:
        codec.uint(sequence, "sequence", maximum=SEQUENCE_MAX)
    return _as_actor(value)
