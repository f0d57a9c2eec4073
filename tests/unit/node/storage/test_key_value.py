"""Both kinds of tables give the same answers to the same questions."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from node.errors import StoreCorrupt, StoreFailed
from node.storage import rocks
from node.storage.key_value import KeyValue, Reads, WriteBatch
from node.storage.memory import MemoryKeyValue
from node.storage.rocks import RocksKeyValue
from node.storage.tables import Table

KEYS = (b"", b"a", b"aa", b"ab", b"b", b"b\xff", b"b\xff\xff", b"c", b"\xff", b"\xff\xff\x01")


@pytest.fixture(params=["memory", "rocks"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> KeyValue:
    """Return empty tables of each kind."""
    if request.param == "memory":
        return MemoryKeyValue()
    return RocksKeyValue(tmp_path / "tables", cache_mib=1)


def _answers(reads: Reads) -> list[object]:
    scans = [
        list(reads.scan(Table.STATE, prefix, start=start, is_descending=is_descending))
        for prefix in (b"", b"a", b"b", b"b\xff", b"\xff", b"x")
        for start in (b"", prefix + b"\x80", *(key for key in KEYS if key.startswith(prefix)))
        for is_descending in (False, True)
    ]
    return [*scans, [reads.get(Table.STATE, key) for key in (*KEYS, b"x")]]


def test_scans_are_ordered_ranges(tables: KeyValue) -> None:
    """Prefix, start and direction mean the same on disk, in memory and in a snapshot."""
    written = {key: b"value " + key for key in KEYS[1:]}
    tables.write({Table.STATE: written, Table.META: {b"other": b""}}, is_synced=True)
    expected = MemoryKeyValue()
    expected.write({Table.STATE: written}, is_synced=True)
    assert _answers(tables) == _answers(expected)
    assert _answers(tables.snapshot()) == _answers(expected)
    assert [key for key, _ in tables.scan(Table.STATE, b"b")] == [b"b", b"b\xff", b"b\xff\xff"]
    assert [key for key, _ in tables.scan(Table.STATE, b"b", is_descending=True)] == [
        b"b\xff\xff",
        b"b\xff",
        b"b",
    ]
    tables.close()


def test_a_snapshot_stays(tables: KeyValue) -> None:
    """Later writes, removals and new keys are not in it; a later snapshot has them."""
    tables.write({Table.STATE: {b"a": b"1", b"b": b"2"}}, is_synced=True)
    early = tables.snapshot()
    tables.write({Table.STATE: {b"a": None, b"c": b"3"}}, is_synced=False)
    late = tables.snapshot()
    tables.write({Table.STATE: {b"a": b"4", b"b": None}}, is_synced=True)
    assert list(early.scan(Table.STATE)) == [(b"a", b"1"), (b"b", b"2")]
    assert list(late.scan(Table.STATE)) == [(b"b", b"2"), (b"c", b"3")]
    assert [early.get(Table.STATE, key) for key in (b"a", b"b", b"c")] == [b"1", b"2", None]
    assert list(tables.scan(Table.STATE)) == [(b"a", b"4"), (b"c", b"3")]
    del early, late
    tables.close()


def test_a_long_scan_of_a_snapshot_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks join without gap or overlap, whatever is read or written between them."""
    monkeypatch.setattr(rocks, "SCAN_CHUNK_ENTRIES", 3)
    tables = RocksKeyValue(tmp_path / "tables", cache_mib=1)
    entries = {bytes([1, number]): bytes([number]) for number in range(10)}
    tables.write({Table.STATE: {**entries, b"\x00": b"", b"\x02": b""}}, is_synced=True)
    snapshot = tables.snapshot()
    found = []
    for entry in snapshot.scan(Table.STATE, b"\x01"):
        found.append(entry)
        assert snapshot.get(Table.STATE, b"\x01\x00") == b"\x00"
        tables.write({Table.STATE: {entry[0]: None, b"\x01\xff": b"new"}}, is_synced=False)
    assert found == sorted(entries.items())
    descending = list(snapshot.scan(Table.STATE, b"\x01", is_descending=True))
    assert descending == sorted(entries.items(), reverse=True)
    del snapshot
    tables.close()


def test_a_batch_reads_its_own_writes(tables: KeyValue) -> None:
    """What an effect wrote or removed the next effect of the same batch sees."""
    tables.write({Table.STATE: {b"a1": b"1", b"a2": b"2", b"b": b"3"}}, is_synced=True)
    batch = WriteBatch(tables)
    batch.put(Table.STATE, b"a3", b"4")
    batch.delete(Table.STATE, b"a1")
    assert batch.get(Table.STATE, b"a1") is None
    assert batch.get(Table.STATE, b"a2") == b"2"
    assert batch.get(Table.STATE, b"a3") == b"4"
    assert batch.keys(Table.STATE, b"a") == [b"a2", b"a3"]
    assert tables.get(Table.STATE, b"a1") == b"1"
    tables.close()


def test_a_directory_is_opened_once(tmp_path: Path) -> None:
    """Two nodes on one directory would ruin it: the second is told so."""
    tables = RocksKeyValue(tmp_path / "tables", cache_mib=1)
    with pytest.raises(StoreFailed) as refusal:
        RocksKeyValue(tmp_path / "tables", cache_mib=1)
    assert refusal.value.code == "store_in_use"
    tables.close()
    RocksKeyValue(tmp_path / "tables", cache_mib=1).close()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A path through a file is a clear error."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed) as refusal:
        RocksKeyValue(tmp_path / "file" / "tables", cache_mib=1)
    assert refusal.value.code == "store_failed"


def test_threat_53_nothing_is_written_after_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure stops the tables, though the disk would take the next write."""

    class Refusing:
        def write(self, *_: object) -> None:
            raise Exception("IO error: While fdatasync: 000004.log: Input/output error")  # noqa: TRY002 - as rocksdict does

    tables = RocksKeyValue(tmp_path / "tables", cache_mib=1)
    with monkeypatch.context() as patched:
        patched.setattr(tables, "_database", Refusing())
        with pytest.raises(StoreFailed) as failure:
            tables.write({Table.META: {b"a": b"1"}}, is_synced=True)
    with pytest.raises(StoreFailed) as stopped:
        tables.write({Table.META: {b"a": b"1"}}, is_synced=True)
    assert (failure.value.code, stopped.value.code) == ("store_failed", "store_stopped")
    assert tables.get(Table.META, b"a") is None
    tables.close()


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def _filled(path: Path) -> None:
    """Write a table file and a log: what a close flushes, and what came after it."""
    for round_ in range(2):
        tables = RocksKeyValue(path, cache_mib=1)
        for number in range(50):
            key = bytes([round_, number])
            noise = b"".join(sha256(key + bytes([at])).digest() for at in range(8))
            tables.write({Table.STATE: {key: noise}}, is_synced=True)
        tables.close()


def test_threat_55_a_flipped_bit_in_a_table_file(tmp_path: Path) -> None:
    """Reading it names the file and the repair, by look-up, by scan and through a snapshot."""
    path = tmp_path / "tables"
    _filled(path)
    file = min(path.glob("*.sst"))
    _flip(file, 500)
    tables = RocksKeyValue(path, cache_mib=1)
    snapshot = tables.snapshot()
    reads = (
        lambda: [tables.get(Table.STATE, bytes([0, number])) for number in range(50)],
        lambda: list(tables.scan(Table.STATE)),
        lambda: list(tables.scan(Table.STATE, is_descending=True)),
        lambda: [snapshot.get(Table.STATE, bytes([0, number])) for number in range(50)],
        lambda: list(snapshot.scan(Table.STATE)),
    )
    for read in reads:
        with pytest.raises(StoreCorrupt) as corrupt:
            read()
        assert corrupt.value.code == "store_corrupt"
        assert corrupt.value.fields["file"] == str(file)
        assert "move" in corrupt.value.detail
    tables.close()
