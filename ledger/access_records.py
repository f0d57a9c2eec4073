"""Records of who read what through the audit API, each bound to the one before by its hash.

A record is a JSON object. Its hash is the tagged hash of its canonical JSON text (keys in order, no
spaces, ASCII) without the hash itself; it holds the hash of the record before it, and the first one a
hash that names chain and member. So nobody can change, remove or insert a record in the middle without
changing every hash after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.hashing import ACCESS_RECORD, BlockHash

AccessRecord = dict[str, Any]

FIRST_SEQUENCE: Final = 1


class BrokenAccessChain(LedgerError):
    """A record that does not follow from the one before it; ``sequence`` says where it should stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTip:
    """Where a chain of records ends."""

    sequence: int
    """Number of the last record; 0 before the first."""
    hash: str
    """Its hash, hex; before the first what names chain and member."""


def access_root(genesis_hash: BlockHash, member: str) -> AccessTip:
    """Return what the first record of a member's node follows."""
    seed = ACCESS_RECORD(genesis_hash + member.encode()).hex()
    return AccessTip(sequence=FIRST_SEQUENCE - 1, hash=seed)


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a record."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def record_hash(record: Mapping[str, Any]) -> str:
    """Return a record's hash, hex."""
    unhashed = {name: value for name, value in record.items() if name != "hash"}
    return ACCESS_RECORD(canonical(unhashed)).hex()


def chained(fields: Mapping[str, Any], tip: AccessTip) -> AccessRecord:
    """Return the record that holds these fields and follows a tip."""
    record = {**fields, "sequence": tip.sequence + 1, "previous": tip.hash}
    return {**record, "hash": record_hash(record)}


def follow(record: Mapping[str, Any], tip: AccessTip) -> AccessTip:
    """Return the tip after a record.

    Raises:
        BrokenAccessChain: it is not the one that follows, or was changed.
    """
    sequence, found = record.get("sequence"), record.get("hash")
    if sequence != tip.sequence + 1:
        reason = f"record {tip.sequence + 1} is missing"
    elif record.get("previous") != tip.hash:
        reason = f"record {sequence} does not follow the one before it"
    elif not isinstance(found, str) or found != record_hash(record):
        reason = f"record {sequence} was changed"
    else:
        return AccessTip(sequence=sequence, hash=found)
    raise BrokenAccessChain("access_log_broken", reason, sequence=tip.sequence + 1)


def verify_chain(records: Iterable[Mapping[str, Any]], tip: AccessTip) -> AccessTip:
    """Return the tip after records that follow one, oldest first.

    Raises:
        BrokenAccessChain: one does not follow.
    """
    for record in records:
        tip = follow(record, tip)
    return tip
