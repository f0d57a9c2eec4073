"""Bytes of what the chain store keeps beside blocks and state: the root, undo, retirements.

root       = [sealed header, chainwork bytes, [size, [peak, …]], [sealer, …],
              [[proved justified height, …], proved final height]]
undo       = [[state key, …], [record before, …]]      integers as such, else bytes; empty: absent
retirement = [retirement number, status, code]
evidence   = [height, offence, signed vote, signed vote]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from consensus.certificates import PROVED_JUSTIFIED_MAX, Proved
from consensus.evidence import Evidence, Offence
from consensus.tree import BlockNode
from consensus.votes import signed_vote_from_value
from ledger import codec, limits
from ledger.blocks import Block, SealedHeader, decode_block, sealed_header_from_value
from ledger.errors import DecodeError
from ledger.hashing import HASH_BYTES, TxId
from ledger.identity import enum_value, member_id
from ledger.merkle import Frontier
from ledger.state import Record, StateKey, decode_record, encode_record
from node.core.effects import Retirement, TransactionStatus
from node.errors import StoreCorrupt
from node.storage.tables import Table, evidence_prefix

_T = TypeVar("_T")

SEALED_HEADER_BYTES_MAX = limits.HEADER_BYTES_MAX + 128
ROOT_BYTES_MAX = 256 * 1024
UNDO_BYTES_MAX = 2**31
"""An undo follows from a block that the chain's parameters already bound."""
CHAINWORK_BYTES = 64
PEAKS_MAX = 64
RETIREMENT_BYTES_MAX = 1_024
EVIDENCE_BYTES_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEvidence:
    """Evidence as it is kept."""

    evidence: Evidence
    """The two votes."""
    height: int
    """Head height when it was found."""


def stored(decode: Callable[[bytes], _T], data: bytes, table: Table, key: bytes) -> _T:
    """Return what a stored value decodes to.

    Raises:
        StoreCorrupt: it decodes to nothing, so it is not what was written.
    """
    try:
        return decode(data)
    except (DecodeError, ValueError) as error:
        raise StoreCorrupt(
            "record_corrupt",
            f"table {table.value} holds bytes that are no such record ({error}); move the "
            "directory away and start the node again: it fetches the chain from its peers",
            table=table.value,
            key=key.hex(),
        ) from error


def encode_sealed_header(sealed: SealedHeader) -> bytes:
    """Return the canonical bytes of a sealed header."""
    return codec.encode(sealed.to_value())


def decode_sealed_header(data: bytes) -> SealedHeader:
    """Return the sealed header that ``data`` encodes."""
    return sealed_header_from_value(codec.decode(data, bytes_max=SEALED_HEADER_BYTES_MAX))


def decode_stored_block(data: bytes) -> Block:
    """Return the block that ``data`` encodes; its size was limited before it was stored."""
    return decode_block(data, bytes_max=len(data))


def stored_transactions(data: bytes) -> tuple[bytes, ...]:
    """Return the signed transactions' bytes of a stored block, without decoding each."""
    _, raws, _ = codec.fields(codec.decode(data, bytes_max=len(data)), 3, "block")
    return codec.array(raws, "transactions", count_max=len(data))


def encode_root(root: BlockNode) -> bytes:
    """Return the bytes of the last final block with what the block tree needs to go on from it."""
    return codec.encode(
        (
            root.sealed.to_value(),
            root.chainwork.to_bytes(CHAINWORK_BYTES),
            (root.history.size, root.history.peaks),
            root.recent_sealers,
            (root.proved.justified, root.proved.final),
        )
    )


def decode_root(data: bytes) -> BlockNode:
    """Return the node of the last final block, without parent and children."""
    sealed, chainwork, history, sealers, proved = codec.fields(
        codec.decode(data, bytes_max=ROOT_BYTES_MAX), 5, "root"
    )
    size, peaks = codec.fields(history, 2, "history")
    justified, final = codec.fields(proved, 2, "proved")
    return BlockNode(
        sealed=sealed_header_from_value(sealed),
        parent=None,
        chainwork=int.from_bytes(codec.fixed_bytes(chainwork, CHAINWORK_BYTES, "chainwork")),
        history=Frontier(
            size=codec.uint(size, "history size"),
            peaks=codec.array(peaks, "peaks", count_max=PEAKS_MAX),
        ),
        recent_sealers=tuple(
            member_id(sealer)
            for sealer in codec.array(sealers, "sealers", count_max=limits.MEMBERS_MAX)
        ),
        proved=Proved(
            justified=tuple(
                codec.uint(height, "justified height")
                for height in codec.array(justified, "justified", count_max=PROVED_JUSTIFIED_MAX)
            ),
            final=codec.uint(final, "final height"),
        ),
        has_body=True,
        is_valid=True,
    )


def encode_undo(before: Mapping[StateKey, Record | None]) -> bytes:
    """Return the bytes of what the entries that a block changed were before it."""
    # Nearly all are integers, which need no bytes of their own to be told from the others.
    records = [
        record if type(record) is int else _encode_optional(record) for record in before.values()
    ]
    return codec.encode((list(before), records))


def decode_undo(data: bytes) -> dict[StateKey, Record | None]:
    """Return what the entries that a block changed were before it."""
    keys, records = codec.fields(codec.decode(data, bytes_max=UNDO_BYTES_MAX), 2, "undo")
    count = len(codec.array(keys, "undone keys", count_max=UNDO_BYTES_MAX))
    codec.array(records, "undone records", count_min=count, count_max=count)
    return {
        key: old if type(old) is int else _decode_optional(key, old)
        for key, old in zip(keys, records, strict=True)
    }


def _encode_optional(record: Record | None) -> bytes:
    return b"" if record is None else encode_record(record)


def _decode_optional(key: bytes, data: bytes) -> Record | None:
    return decode_record(key, data) if data else None


def encode_retirement(number: int, retirement: Retirement) -> bytes:
    """Return the bytes of a retirement under its number."""
    return codec.encode((number, retirement.status.value, retirement.code))


def decode_retirement(txid: TxId, data: bytes) -> tuple[int, Retirement]:
    """Return a retirement and its number."""
    number, status, code = codec.fields(
        codec.decode(data, bytes_max=RETIREMENT_BYTES_MAX), 3, "retirement"
    )
    retirement = Retirement(
        txid=txid, status=enum_value(TransactionStatus, status, "status"), code=code
    )
    return codec.uint(number, "retirement number"), retirement


def evidence_key(evidence: Evidence) -> bytes:
    """Return the key of a pair of votes, the same however often the pair is found."""
    pair = evidence.first.encode() + evidence.second.encode()
    return evidence_prefix(evidence) + sha256(pair).digest()


def encode_evidence(found: FoundEvidence) -> bytes:
    """Return the bytes of a pair of votes and the height at which it was found."""
    evidence = found.evidence
    return codec.encode(
        (
            found.height,
            evidence.offence.value,
            evidence.first.to_value(),
            evidence.second.to_value(),
        )
    )


def decode_evidence(data: bytes) -> FoundEvidence:
    """Return the pair of votes that ``data`` encodes."""
    height, offence, first, second = codec.fields(
        codec.decode(data, bytes_max=EVIDENCE_BYTES_MAX), 4, "evidence"
    )
    return FoundEvidence(
        evidence=Evidence(
            offence=enum_value(Offence, offence, "offence"),
            first=signed_vote_from_value(first),
            second=signed_vote_from_value(second),
        ),
        height=codec.uint(height, "height"),
    )


def split_txids(data: bytes) -> tuple[TxId, ...]:
    """Return the txids of a block, in its order."""
    return tuple(TxId(data[at : at + HASH_BYTES]) for at in range(0, len(data), HASH_BYTES))
