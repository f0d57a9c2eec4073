"""The tables of the chain store and the layout of their keys.

table             key                                    value
blocks            block hash                             block
headers           block hash                             sealed header
txids             block hash                             txids in the block's order, 32 bytes each
undo              block hash                             what a connected block above the root changed
unfinal           height ‖ block hash                    nothing: stored blocks above the root
heights           height                                 hash of the best chain's block
transactions      txid                                   height ‖ index on the best chain
account_history   account id ‖ height ‖ index            txid
state             state key                              record at the head
certificates      source height                          certificate that made the source final
justified         target height ‖ target hash            certificate of a block at or above the root
history           level ‖ index                          perfect subtree over the final block hashes
mempool           arrival number                         signed transaction
arrivals          txid                                   arrival number
retirements       txid                                   retirement number, status and code
retirement_order  retirement number                      txid
votes             member ‖ 0 ‖ target height mod 256     target height ‖ vote heard of the member
evidence          member ‖ 0 ‖ SHA-256 of the pair       two conflicting votes
meta              name                                   schema, genesis, head, root

Numbers in keys are big-endian and of fixed width, so that the order of bytes is their order. The
*root* is the last final block.
"""

from __future__ import annotations

from enum import StrEnum

from consensus.evidence import Evidence
from consensus.votes import SignedVote
from ledger.hashing import HASH_BYTES, BlockHash
from ledger.identity import AccountId

SCHEMA_VERSION = 3
"""Raised whenever bytes on disk change their meaning; another version is refused."""

NUMBER_BYTES = 8
INDEX_BYTES = 4
VOTE_PLACE_BYTES = 2
VOTES_PER_MEMBER = 256
"""Votes kept of a member, by target height: enough for evidence after a start, and its newest is
always among them. The places are reused, so nothing needs to be cleaned up."""


class Table(StrEnum):
    """A table; in RocksDB a column family of the same name."""

    BLOCKS = "blocks"
    HEADERS = "headers"
    TXIDS = "txids"
    UNDO = "undo"
    UNFINAL = "unfinal"
    HEIGHTS = "heights"
    TRANSACTIONS = "transactions"
    ACCOUNT_HISTORY = "account_history"
    STATE = "state"
    CERTIFICATES = "certificates"
    JUSTIFIED = "justified"
    HISTORY = "history"
    MEMPOOL = "mempool"
    ARRIVALS = "arrivals"
    RETIREMENTS = "retirements"
    RETIREMENT_ORDER = "retirement_order"
    VOTES = "votes"
    EVIDENCE = "evidence"
    META = "meta"

    # Tables are looked up at every read; Enum's own hash is a call into Python.
    __hash__ = str.__hash__


SCHEMA_KEY, GENESIS_KEY, HEAD_KEY, ROOT_KEY = b"schema", b"genesis", b"head", b"root"


def number_key(number: int) -> bytes:
    """Return the key of a height, an arrival or a retirement, 8 bytes."""
    return number.to_bytes(NUMBER_BYTES)


def number_of(key: bytes) -> int:
    """Return the number that a key begins with."""
    return int.from_bytes(key[:NUMBER_BYTES])


def position_of(data: bytes) -> tuple[int, int]:
    """Return the (height, index) that 12 bytes hold."""
    return number_of(data), int.from_bytes(data[NUMBER_BYTES:])


def checkpoint_key(height: int, block_hash: BlockHash) -> bytes:
    """Return the key of a block under its height, 40 bytes."""
    return height.to_bytes(NUMBER_BYTES) + block_hash


def checkpoint_hash(key: bytes) -> BlockHash:
    """Return the block hash of such a key."""
    return BlockHash(key[-HASH_BYTES:])


def account_history_key(account: AccountId, height: int, index: int) -> bytes:
    """Return the key of a transaction in an account's history, 32 bytes."""
    return account + height.to_bytes(NUMBER_BYTES) + index.to_bytes(INDEX_BYTES)


def subtree_key(level: int, index: int) -> bytes:
    """Return the key of a perfect subtree, 9 bytes."""
    return bytes([level]) + index.to_bytes(NUMBER_BYTES)


def vote_key(vote: SignedVote) -> bytes:
    """Return the key of a vote that was heard; a later one of its member takes the same place."""
    place = vote.vote.target.height % VOTES_PER_MEMBER
    return vote.member.encode() + b"\x00" + place.to_bytes(VOTE_PLACE_BYTES)


def evidence_prefix(evidence: Evidence) -> bytes:
    """Return what the keys of all evidence against the same member begin with."""
    return evidence.first.member.encode() + b"\x00"
