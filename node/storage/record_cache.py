"""Decoded records of the state, near at hand: two generations of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.state import Record, StateKey


class RecordCache:
    """The records, and known absences, that were used last, up to a number of entries.

    A full young generation becomes the old one and the old one goes. What is read from the old one
    moves to the young, so what is used stays; a hit costs one look-up, which is what an engine
    that reads every account of every transaction needs.
    """

    __slots__ = ("_generation_max", "_old", "_young")

    def __init__(self, entries_max: int) -> None:
        self._generation_max = max(1, entries_max // 2)
        self._young: dict[StateKey, Record | None] = {}
        self._old: dict[StateKey, Record | None] = {}

    def __contains__(self, key: StateKey) -> bool:
        return key in self._young or key in self._old

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: StateKey) -> Record | None:
        """Return the cached record, or its cached absence.

        Raises:
            KeyError: the cache does not know.
        """
        try:
            return self._young[key]
        except KeyError:
            record = self._old.pop(key)
            self.put(key, record)
            return record

    def put(self, key: StateKey, record: Record | None) -> None:
        """Take in a record, or its absence; an older one in the old generation is never read."""
        self._young[key] = record
        if len(self._young) >= self._generation_max:
            self._young, self._old = {}, self._young

    def put_all(self, records: Mapping[StateKey, Record | None]) -> None:
        """Take in what a batch wrote."""
        for key, record in records.items():
            self.put(key, record)
