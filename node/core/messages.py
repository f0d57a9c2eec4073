"""Messages between peers: canonical arrays whose first element is the message's number.

Every field is bounded when it is decoded; ``docs/protocol.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from consensus.votes import SignedVote, signed_vote_from_value
from ledger import codec
from ledger.blocks import SealedHeader, sealed_header_from_value
from ledger.errors import DecodeError
from ledger.hashing import HASH_BYTES, BlockHash, TxId
from ledger.identity import MemberId, member_id
from ledger.limits import (
    BLOCK_OVERHEAD_BYTES,
    CERTIFICATE_ENCODED_BYTES_MAX,
    TRANSACTION_BYTES_MAX,
)
from node.core import limits

_H = TypeVar("_H", bound=bytes)

REASON_BYTES_MAX = 200
CHAIN_VERSION_MAX = 2**32 - 1


class MessageType(IntEnum):
    """The number on the wire."""

    HELLO = 1
    REFUSE = 2
    INVENTORY = 3
    GET_TRANSACTIONS = 4
    TRANSACTIONS = 5
    TIP = 6
    GET_HEADERS = 7
    HEADERS = 8
    GET_BLOCKS = 9
    BLOCK = 10
    NOT_FOUND = 11
    VOTES = 12
    GET_MEMBER_VOTES = 13
    MEMBER_VOTES = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First message of both sides: who, which chain, how far."""

    version: int
    genesis_hash: BlockHash
    member: MemberId
    tip: Tip


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Last message to a peer that is turned away, naming the reason."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Transactions that the sender has."""

    txids: tuple[TxId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTransactions:
    """Asks for transactions."""

    txids: tuple[TxId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """Signed transactions."""

    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The sender's head, and the certificates of its highest justified and final checkpoints."""

    head: SealedHeader
    justified: bytes
    """Encoded certificate, empty while that is genesis or unknown."""
    final: bytes
    """Encoded certificate, empty while that is genesis or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetHeaders:
    """Asks for headers after the first of these hashes that the receiver's best chain holds."""

    locator: tuple[BlockHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Sealed headers, ascending."""

    headers: tuple[SealedHeader, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBlocks:
    """Asks for blocks, each answered by a ``BlockMessage`` or named in a ``NotFound``."""

    hashes: tuple[BlockHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockMessage:
    """One block's bytes."""

    block: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """Blocks that were asked for and are not here."""

    hashes: tuple[BlockHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """Finality votes."""

    votes: tuple[SignedVote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMemberVotes:
    """Asks for the latest votes of a member that the receiver heard."""

    member: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberVotes:
    """The latest votes of a member that the sender heard."""

    member: MemberId
    votes: tuple[SignedVote, ...]


Message = (
    Hello
    | Refuse
    | Inventory
    | GetTransactions
    | Transactions
    | Tip
    | GetHeaders
    | Headers
    | GetBlocks
    | BlockMessage
    | NotFound
    | Votes
    | GetMemberVotes
    | MemberVotes
)


def frame_bytes_max(block_bytes_max: int) -> int:
    """Return the size of the largest frame, bytes: a block or a transaction, and its wrapping.

    A network of small blocks has large transactions, headers and inventories all the same.
    """
    return max(block_bytes_max, TRANSACTION_BYTES_MAX) + BLOCK_OVERHEAD_BYTES


def encode_message(message: Message) -> bytes:
    """Return the frame of a message."""
    kind = _TYPE_OF[type(message)]
    return codec.encode((int(kind), *_fields_of(message)))


def decode_message(frame: bytes, *, bytes_max: int, block_bytes_max: int) -> Message:
    """Return the message of a frame.

    Raises:
        DecodeError: not canonical, unknown, or a field over its limit.
    """
    value = codec.decode(frame, bytes_max=bytes_max)
    if type(value) is not tuple or not value or type(value[0]) is not int:
        raise DecodeError("bad_message", "a message is an array that begins with its number")
    decoder = _DECODERS.get(value[0])
    if decoder is None:
        raise DecodeError("unknown_message", f"no message has the number {value[0]}")
    if value[0] == MessageType.BLOCK:
        (raw,) = codec.fields(value[1:], 1, "block message")
        return BlockMessage(block=codec.limited_bytes(raw, block_bytes_max, "block"))
    return decoder(value[1:])


def _fields_of(message: Message) -> codec.Value:  # noqa: C901, PLR0911 - one case a message
    match message:
        case Hello():
            return (message.version, message.genesis_hash, message.member, _tip_value(message.tip))
        case Refuse():
            return (message.code, message.detail)
        case Inventory() | GetTransactions():
            return (message.txids,)
        case Transactions():
            return (message.transactions,)
        case Tip():
            return _tip_value(message)
        case GetHeaders():
            return (message.locator,)
        case Headers():
            return (tuple(sealed.to_value() for sealed in message.headers),)
        case GetBlocks() | NotFound():
            return (message.hashes,)
        case BlockMessage():
            return (message.block,)
        case Votes():
            return (tuple(vote.to_value() for vote in message.votes),)
        case GetMemberVotes():
            return (message.member,)
        case MemberVotes():
            return (message.member, tuple(vote.to_value() for vote in message.votes))


def _tip_value(tip: Tip) -> codec.Value:
    return (tip.head.to_value(), tip.justified, tip.final)


def _hello(value: codec.Value) -> Hello:
    version = codec.uint(value[0] if value else None, "version", maximum=CHAIN_VERSION_MAX)
    if version != limits.PROTOCOL_VERSION:
        # The rest may be laid out differently: nothing else of it is read.
        raise UnknownVersion(version)
    _, genesis, member, tip = codec.fields(value, 4, "hello")
    return Hello(
        version=version,
        genesis_hash=BlockHash(codec.fixed_bytes(genesis, HASH_BYTES, "genesis hash")),
        member=member_id(member),
        tip=_tip(tip),
    )


class UnknownVersion(DecodeError):
    """A hello of another protocol version: refused cleanly, naming both (threat 15)."""

    def __init__(self, version: int) -> None:
        super().__init__(
            "unknown_protocol_version",
            f"peer speaks version {version}, this node version {limits.PROTOCOL_VERSION}",
            theirs=version,
            ours=limits.PROTOCOL_VERSION,
        )


def _refuse(value: codec.Value) -> Refuse:
    code, detail = codec.fields(value, 2, "refusal")
    return Refuse(
        code=codec.text(code, REASON_BYTES_MAX, "code"),
        detail=codec.text(detail, REASON_BYTES_MAX, "detail"),
    )


def _tip(value: codec.Value) -> Tip:
    head, justified, final = codec.fields(value, 3, "tip")
    return Tip(
        head=sealed_header_from_value(head),
        justified=codec.limited_bytes(justified, CERTIFICATE_ENCODED_BYTES_MAX, "certificate"),
        final=codec.limited_bytes(final, CERTIFICATE_ENCODED_BYTES_MAX, "certificate"),
    )


def _hashes(value: codec.Value, kind: Callable[[bytes], _H], count_max: int) -> tuple[_H, ...]:
    (items,) = codec.fields(value, 1, "list of hashes")
    hashes = codec.array(items, "hashes", count_min=1, count_max=count_max)
    return tuple(kind(codec.fixed_bytes(item, HASH_BYTES, "hash")) for item in hashes)


def _transactions(value: codec.Value) -> Transactions:
    (items,) = codec.fields(value, 1, "transactions")
    raws = codec.array(
        items, "transactions", count_min=1, count_max=limits.TRANSACTIONS_PER_MESSAGE_MAX
    )
    return Transactions(
        transactions=tuple(
            codec.limited_bytes(raw, TRANSACTION_BYTES_MAX, "transaction") for raw in raws
        )
    )


def _headers(value: codec.Value) -> Headers:
    (items,) = codec.fields(value, 1, "headers")
    headers = codec.array(items, "headers", count_max=limits.HEADERS_PER_MESSAGE_MAX)
    return Headers(headers=tuple(sealed_header_from_value(item) for item in headers))


def _votes(value: codec.Value) -> tuple[SignedVote, ...]:
    items = codec.array(value, "votes", count_max=limits.VOTES_PER_MESSAGE_MAX)
    return tuple(signed_vote_from_value(item) for item in items)


def _member_votes(value: codec.Value) -> MemberVotes:
    member, votes = codec.fields(value, 2, "member votes")
    return MemberVotes(member=member_id(member), votes=_votes(votes))


_DECODERS: Mapping[int, Callable[[codec.Value], Message]] = {
    MessageType.HELLO: _hello,
    MessageType.REFUSE: _refuse,
    MessageType.INVENTORY: lambda v: Inventory(txids=_hashes(v, TxId, limits.INVENTORY_MAX)),
    MessageType.GET_TRANSACTIONS: lambda v: GetTransactions(
        txids=_hashes(v, TxId, limits.INVENTORY_MAX)
    ),
    MessageType.TRANSACTIONS: _transactions,
    MessageType.TIP: _tip,
    MessageType.GET_HEADERS: lambda v: GetHeaders(
        locator=_hashes(v, BlockHash, limits.LOCATOR_MAX)
    ),
    MessageType.HEADERS: _headers,
    MessageType.GET_BLOCKS: lambda v: GetBlocks(
        hashes=_hashes(v, BlockHash, limits.BLOCKS_PER_REQUEST_MAX)
    ),
    MessageType.BLOCK: lambda v: BlockMessage(block=codec.fields(v, 1, "block message")[0]),
    MessageType.NOT_FOUND: lambda v: NotFound(
        hashes=_hashes(v, BlockHash, limits.BLOCKS_PER_REQUEST_MAX)
    ),
    MessageType.VOTES: lambda v: Votes(votes=_votes(codec.fields(v, 1, "votes")[0])),
    MessageType.GET_MEMBER_VOTES: lambda v: GetMemberVotes(
        member=member_id(codec.fields(v, 1, "member")[0])
    ),
    MessageType.MEMBER_VOTES: _member_votes,
}
_TYPE_OF: Mapping[type, MessageType] = {
    Hello: MessageType.HELLO,
    Refuse: MessageType.REFUSE,
    Inventory: MessageType.INVENTORY,
    GetTransactions: MessageType.GET_TRANSACTIONS,
    Transactions: MessageType.TRANSACTIONS,
    Tip: MessageType.TIP,
    GetHeaders: MessageType.GET_HEADERS,
    Headers: MessageType.HEADERS,
    GetBlocks: MessageType.GET_BLOCKS,
    BlockMessage: MessageType.BLOCK,
    NotFound: MessageType.NOT_FOUND,
    Votes: MessageType.VOTES,
    GetMemberVotes: MessageType.GET_MEMBER_VOTES,
    MemberVotes: MessageType.MEMBER_VOTES,
}
