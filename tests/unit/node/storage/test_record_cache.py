"""The record cache keeps what is used, reads the rest, and never holds more than its limit."""

from __future__ import annotations

from ledger.state import Record, StateKey
from node.storage.record_cache import RecordCache


def _key(number: int) -> StateKey:
    return StateKey(number.to_bytes(4))


class _State:
    """A state that counts how often it is read."""

    def __init__(self, records: dict[StateKey, Record]) -> None:
        self.records = records
        self.reads: list[StateKey] = []

    def get(self, key: StateKey) -> Record | None:
        self.reads.append(key)
        return self.records.get(key)


def test_what_is_used_stays() -> None:
    """A record that is read now and then outlives many that are read once."""
    state = _State({_key(number): number for number in range(100)})
    cache = RecordCache(state.get, 10)
    for number in range(1, 100):
        assert cache[_key(number)] == number
        assert cache[_key(0)] == 0
    assert state.reads.count(_key(0)) == 1
    assert cache[_key(1)] == 1
    assert state.reads.count(_key(1)) == 2
    assert cache[_key(99)] == 99
    assert state.reads.count(_key(99)) == 1


def test_absence_is_a_record_too() -> None:
    """What is known to be absent is not asked for again."""
    state = _State({})
    cache = RecordCache(state.get, 10)
    assert cache[_key(1)] is None
    assert cache[_key(1)] is None
    assert state.reads == [_key(1)]


def test_the_newest_record_wins() -> None:
    """A record written again is the one that is read, whatever generation held the old one."""
    state = _State({})
    cache = RecordCache(state.get, 4)
    for value in range(50):
        cache.put_all({_key(value % 3): value})
        state.records[_key(value % 3)] = value
        for number in range(3):
            assert cache[_key(number)] == state.records.get(_key(number))


def test_a_batch_larger_than_the_cache_is_read_rightly_and_leaves_with_the_next() -> None:
    """The limit is of what stays: a batch comes in whole, and what follows pushes it out."""
    state = _State({})
    cache = RecordCache(state.get, 4)
    cache.put_all({_key(number): number for number in range(100)})
    assert cache[_key(50)] == 50
    cache.put_all({_key(number): number for number in range(100, 102)})
    assert cache[_key(50)] == 50
    assert cache[_key(51)] is None
    assert state.reads == [_key(51)]
