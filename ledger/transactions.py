"""Transactions: one envelope, one kind, one atomic effect; their bytes, ids and signatures.

    signed transaction = [body bytes, [[public key, signature], …]]        keys ascending
    body               = [version, genesis hash, kind, valid from, valid until, nonce,
                          actors, reference, payload, effect]

The txid hashes the body alone, so that no signature can change it. Signatures cover the body,
which names the chain by its genesis hash. ``docs/protocol.md`` has the byte tables.

These values are structs of msgspec and not dataclasses: C makes and reads them, and since none can
be part of a cycle, the garbage collector never looks at those that blocks hold (ADR 0014).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, cast

from msgspec import Meta, Struct

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
    is_asset_code,
    member_id,
)
from ledger.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from ledger.kinds import (
    EFFECT_DECODERS,
    KIND_OF,
    Effect,
    Kind,
    Leg,
    Transfer,
    effect_value,
    leg_count,
)

VERSION = 1
NONCE_BYTES = 16
SEQUENCE_MAX = 2**63 - 1
HEIGHT_MAX = 2**53 - 1
"""Largest height, so that it survives JSON readers that hold numbers as doubles."""


if TYPE_CHECKING:
    ActorId = AccountId | MemberId
else:  # What `_read_transfer` reads at once: the actors of a transfer are accounts.
    ActorId = Annotated[bytes, Meta(min_length=ACCOUNT_ID_BYTES, max_length=ACCOUNT_ID_BYTES)]


class Actor(Struct, frozen=True, order=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Who acts, and which of its sequence numbers the transaction consumes."""

    id: ActorId
    """A debited account (bytes) or the acting member (text)."""
    lane: Annotated[int, Meta(ge=0, lt=limits.LANES)]
    """Sequence lane, 0 to 15; a member has only lane 0."""
    sequence: Annotated[int, Meta(ge=0, le=SEQUENCE_MAX)]
    """The lane's next unused number."""


class Signature(
    Struct, frozen=True, order=True, array_like=True, forbid_unknown_fields=True, gc=False
):
    """A public key with its signature of the transaction; ordered by the key."""

    public_key: Annotated[bytes, Meta(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
    signature: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Body(Struct, frozen=True, kw_only=True, gc=False):
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


class SignedTransaction(Struct, frozen=True, kw_only=True, gc=False):
    """A transaction as it travels: its body, its signatures and its exact bytes."""

    body: Body
    """The decoded body."""
    body_bytes: bytes
    """The body's bytes, which the txid and the signatures cover."""
    signatures: tuple[Signature, ...]
    """Signatures in ascending order of their keys."""
    raw: bytes
    """The whole canonical encoding; commitments in blocks cover it."""
    txid: TxId
    """Tagged hash of the body's bytes."""

    @property
    def signing_message(self) -> bytes:
        """The 32 bytes that each key signs."""
        return TRANSACTION_SIGNATURE(self.body_bytes)

    @property
    def leg_count(self) -> int:
        """Movements that it counts for against the block's limit."""
        return leg_count(self.body.effect)


_txid = cast("Callable[[bytes], TxId]", TRANSACTION_ID.__call__)


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
        txid=_txid(body_bytes),
    )


def opened_account_id(txid: TxId) -> AccountId:
    """Return the id of the account that an ``open_account`` transaction opens."""
    return AccountId(ACCOUNT_ID(txid)[:ACCOUNT_ID_BYTES])


def decode_transaction(raw: bytes) -> SignedTransaction:
    """Return the transaction that ``raw`` encodes.

    Raises:
        DecodeError: not canonical, over a limit, or a field of the wrong type or range.
    """
    body_bytes, signatures = _read_envelope(raw) or _envelope(raw)
    if len(signatures) > 1 and any(a.public_key >= b.public_key for a, b in pairwise(signatures)):
        raise DecodeError("signatures_unsorted", "signatures are in ascending order of their keys")
    return SignedTransaction(
        body=_transfer_body(body_bytes) or _body(body_bytes),
        body_bytes=body_bytes,
        signatures=signatures,
        raw=raw,
        txid=_txid(body_bytes),
    )


def decode_body(body_bytes: bytes) -> Body:
    """Return the body that ``body_bytes`` encodes.

    Raises:
        DecodeError: not canonical, over a limit, or a field of the wrong type or range.
    """
    return _transfer_body(body_bytes) or _body(body_bytes)


_read_envelope = codec.reader(
    tuple[
        bytes,
        Annotated[
            tuple[Signature, ...],
            Meta(min_length=1, max_length=limits.TRANSACTION_SIGNATURES_MAX),
        ],
    ],
    bytes_max=limits.TRANSACTION_BYTES_MAX,
)
"""Reads nearly every signed transaction at once."""

_Height = Annotated[int, Meta(ge=0, le=HEIGHT_MAX)]
_read_transfer = codec.reader(
    tuple[
        Annotated[int, Meta(ge=VERSION, le=VERSION)],
        Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)],
        Annotated[int, Meta(ge=Kind.TRANSFER.value, le=Kind.TRANSFER.value)],
        _Height,
        _Height,
        Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)],
        Annotated[
            tuple[Actor, ...], Meta(min_length=1, max_length=limits.TRANSACTION_LEGS_MAX + 1)
        ],
        Annotated[str, Meta(max_length=limits.REFERENCE_BYTES_MAX)],
        Annotated[bytes, Meta(max_length=limits.PAYLOAD_BYTES_MAX)],
        Annotated[tuple[Leg, ...], Meta(min_length=1, max_length=limits.TRANSACTION_LEGS_MAX)],
    ],
    bytes_max=limits.TRANSACTION_BYTES_MAX,
)
"""Reads the body of nearly every transfer at once."""


def _transfer_body(body_bytes: bytes) -> Body | None:
    """Return the body of a valid transfer; None for any other, which `_body` decodes or refuses."""
    fields = _read_transfer(body_bytes)
    if fields is None:
        return None
    _, genesis, _, start, end, nonce, actors, reference, payload, legs = fields
    if len(actors) > 1 and any(a.id >= b.id for a, b in pairwise(actors)):
        return None
    if not reference.isascii() and len(reference.encode()) > limits.REFERENCE_BYTES_MAX:
        return None
    assets: set[str] = set()
    for leg in legs:
        if leg.asset not in assets:
            if not is_asset_code(leg.asset):
                return None
            assets.add(leg.asset)
        text = leg.reference
        if not text.isascii() and len(text.encode()) > limits.REFERENCE_BYTES_MAX:
            return None
    return Body(
        genesis_hash=genesis,
        valid_from=start,
        valid_until=end,
        nonce=nonce,
        actors=actors,
        reference=reference,
        payload=payload,
        effect=Transfer(legs=legs),
    )


def _envelope(raw: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    body_bytes, values = codec.fields(
        codec.decode(raw, bytes_max=limits.TRANSACTION_BYTES_MAX), 2, "signed transaction"
    )
    if type(body_bytes) is not bytes:
        raise DecodeError("bad_shape", "the body is a byte string")
    values = codec.array(
        values, "signatures", count_min=1, count_max=limits.TRANSACTION_SIGNATURES_MAX
    )
    return body_bytes, tuple([_signature(value) for value in values])


def _body(body_bytes: bytes) -> Body:
    """Return the body that ``body_bytes`` encodes, read field by field."""
    value = codec.decode(body_bytes, bytes_max=limits.TRANSACTION_BYTES_MAX)
    version, genesis, kind, start, end, nonce, actors, reference, payload, effect = codec.fields(
        value, 10, "body"
    )
    if version != VERSION or type(version) is not int:
        raise DecodeError("unknown_version", f"transaction version is {VERSION}", version=version)
    decode_effect = EFFECT_DECODERS.get(kind) if type(kind) is int else None
    if decode_effect is None:
        raise DecodeError("unknown_kind", "no such kind of transaction")
    return Body(
        genesis_hash=BlockHash(codec.fixed_bytes(genesis, HASH_BYTES, "genesis hash")),
        valid_from=codec.uint(start, "valid from", maximum=HEIGHT_MAX),
        valid_until=codec.uint(end, "valid until", maximum=HEIGHT_MAX),
        nonce=codec.fixed_bytes(nonce, NONCE_BYTES, "nonce"),
        payload=codec.limited_bytes(payload, limits.PAYLOAD_BYTES_MAX, "payload"),
        reference=codec.text(reference, limits.REFERENCE_BYTES_MAX, "reference"),
        actors=_actors(actors),
        effect=decode_effect(effect),
    )


def _signature(value: codec.Value) -> Signature:
    public_key, signature = codec.fields(value, 2, "signature")
    return Signature(
        codec.fixed_bytes(public_key, PUBLIC_KEY_BYTES, "public key"),
        codec.fixed_bytes(signature, SIGNATURE_BYTES, "signature"),
    )


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
    is_member = type(identity) is str
    return Actor(
        member_id(identity) if is_member else account_id(identity),
        codec.uint(lane, "lane", maximum=0 if is_member else limits.LANES - 1),
        codec.uint(sequence, "sequence", maximum=SEQUENCE_MAX),
    )
