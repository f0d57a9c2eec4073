"""Decoded records of the state, near at hand: two generations of a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ledger.state import Record, StateKey


class RecordCache(dict[StateKey, Record | None]):
    """The records, and absences, that were used last; ``cache[key]`` reads what it does not know.

    The dictionary itself is the young generation. A full one becomes the old one and the old one
    goes. What is read from the old one moves to the young, so what is used stays; a hit costs one
    look-up and no call, which is what an engine that reads every account of every transaction
    needs.
    """

    __slots__ = ("_generation_max", "_load", "_old")

    def __init__(self, load: Callable[[StateKey], Record | None], entries_max: int) -> None:
        """Keep up to ``entries_max`` records, and what one batch adds; ``load`` reads another."""
        super().__init__()
        self._load = load
        self._generation_max = max(1, entries_max // 2)
        self._old: dict[StateKey, Record | None] = {}

    def __missing__(self, key: StateKey) -> Record | None:
        record = self._old.pop(key) if key in self._old else self._load(key)
        self.put_all({key: record})
        return record

    def put_all(self, records: Mapping[StateKey, Record | None]) -> None:
        """Take in what a batch wrote; older records in the old generation are never read."""
        self.update(records)
        if len(self) >= self._generation_max:
            self._old = self.copy()
            self.clear()
