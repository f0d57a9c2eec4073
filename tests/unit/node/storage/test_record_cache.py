"""The record cache keeps what is used and never more than its limit."""

from __future__ import annotations

import pytest

from ledger.state import StateKey
from node.storage.record_cache import RecordCache


def _key(number: int) -> StateKey:
    return StateKey(number.to_bytes(4))


def test_what_is_read_stays() -> None:
    """A record that is read now and then outlives many that are not."""
    cache = RecordCache(10)
    cache.put(_key(0), "kept")
    for number in range(1, 100):
        cache.put(_key(number), number)
        assert cache.get(_key(0)) == "kept"
        assert len(cache) <= 10
    assert _key(1) not in cache
    assert _key(99) in cache


def test_absence_is_a_record_too() -> None:
    """Known absence is told from not knowing."""
    cache = RecordCache(10)
    cache.put(_key(1), None)
    assert cache.get(_key(1)) is None
    with pytest.raises(KeyError):
        cache.get(_key(2))


def test_the_newest_record_wins() -> None:
    """A record written again is the one that is read, whatever generation held the old one."""
    cache = RecordCache(4)
    for value in range(50):
        cache.put_all({_key(value % 3): value})
        assert cache.get(_key(value % 3)) == value
