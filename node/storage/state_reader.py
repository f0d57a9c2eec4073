"""The state at the head and at the last final block, read from a snapshot of the store."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial

from consensus.votes import Checkpoint
from ledger import limits
from ledger.identity import Account, AccountId, Asset, AssetCode, Member, MemberId
from ledger.state import (
    ASSET,
    BALANCE,
    MEMBER,
    Record,
    StateKey,
    account_key,
    decode_record,
    sequence_key,
    supply_key,
)
from ledger.transactions import Actor
from node.storage.commit import ChainEnd
from node.storage.key_value import Reads
from node.storage.records import stored
from node.storage.tables import Table
from node.storage.undo import before_all


class At(StrEnum):
    """Which state is asked for."""

    HEAD = "head"
    FINAL = "final"


class StateReader:
    """Reads of the state at one moment.

    Every read raises ``StoreCorrupt`` where what is stored is not what was written.
    """

    __slots__ = ("_end", "_reads")

    def __init__(self, reads: Reads, end: ChainEnd) -> None:
        self._reads = reads
        self._end = end

    @property
    def head(self) -> Checkpoint:
        """Head of the best chain."""
        return self._end.head

    @property
    def final(self) -> Checkpoint:
        """The last final block."""
        return self._end.root

    def record(self, key: StateKey) -> Record | None:
        """Return a record of the state at the head."""
        data = self._reads.get(Table.STATE, key)
        return None if data is None else _record(key, data)

    def final_record(self, key: StateKey) -> Record | None:
        """Return a record of the state at the last final block."""
        is_changed, before = before_all(self._end.undo, key)
        return before if is_changed else self.record(key)

    def record_at(self, key: StateKey, at: At) -> Record | None:
        """Return a record of the state at the head or at the last final block."""
        return self.final_record(key) if at is At.FINAL else self.record(key)

    def records_under(self, prefix: bytes, at: At) -> dict[StateKey, Record]:
        """Return all records whose keys begin with ``prefix``, by ascending key."""
        records: dict[StateKey, Record | None] = {
            StateKey(key): _record(key, data) for key, data in self._reads.scan(Table.STATE, prefix)
        }
        if at is At.FINAL:
            for undo in reversed(self._end.undo):
                records.update((key, undo.before[key]) for key in undo.keys_under(prefix))
        return {key: record for key, record in sorted(records.items()) if record is not None}

    def lasting_records(
        self, prefix: bytes, at: At, *, after: bytes | None = None
    ) -> Iterator[tuple[StateKey, Record]]:
        """Yield records under ``prefix`` behind the key ``after``, by ascending key, as read.

        For records that no transaction removes: all that the final block has, the head has too.
        """
        start = prefix if after is None else max(prefix, after + b"\x00")
        for key, data in self._reads.scan(Table.STATE, prefix, start=start):
            is_changed, before = (
                before_all(self._end.undo, StateKey(key)) if at is At.FINAL else (False, None)
            )
            record = before if is_changed else _record(key, data)
            if record is not None:
                yield StateKey(key), record

    def account(self, account: AccountId, at: At) -> Account | None:
        """Return an account's record."""
        record: Account | None = self.record_at(account_key(account), at)
        return record

    def balances(self, account: AccountId, at: At) -> dict[AssetCode, int]:
        """Return an account's posted balances in smallest units, by asset."""
        prefix = BALANCE + account
        return {
            AssetCode(key[len(prefix) :].decode()): balance
            for key, balance in self.records_under(prefix, at).items()
        }

    def next_sequences(self, account: AccountId, at: At) -> tuple[int, ...]:
        """Return the next unused sequence of each of an account's 16 lanes."""
        return tuple(
            self.record_at(sequence_key(Actor(account, lane, 0)), at) or 0
            for lane in range(limits.LANES)
        )

    def member_sequence(self, member: MemberId, at: At) -> int:
        """Return the next unused sequence of a member."""
        return self.record_at(sequence_key(Actor(member, 0, 0)), at) or 0

    def members(self, at: At) -> dict[MemberId, Member]:
        """Return all members, by id."""
        return {
            MemberId(key[len(MEMBER) :].decode()): record
            for key, record in self.records_under(MEMBER, at).items()
        }

    def assets(self, at: At) -> dict[AssetCode, Asset]:
        """Return all assets, by code."""
        return {
            AssetCode(key[len(ASSET) :].decode()): record
            for key, record in self.records_under(ASSET, at).items()
        }

    def supply(self, asset: AssetCode, at: At) -> int:
        """Return an asset's total supply in smallest units."""
        return self.record_at(supply_key(asset), at) or 0


def _record(key: bytes, data: bytes) -> Record:
    return stored(partial(decode_record, key), data, Table.STATE, key)
