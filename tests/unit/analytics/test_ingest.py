"""The first stage: blocks from a pipe into the warehouse, whatever the pipe does to them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.errors import BlockRefused
from analytics.feed import FedBlock, Ingested, Report
from analytics.ingest import Ingest
from analytics.progress import Progress
from analytics.warehouse.store import Cursor, Settings, Warehouse, connect
from ledger.blocks import Block
from tests.histories import History


@pytest.fixture(scope="module")
def history() -> History:
    """Return a short chain."""
    history = History(seed=9)
    history.grow(12)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse with the genesis document."""
    made = Warehouse.create(connect(tmp_path / "file", Settings()), history.network.genesis)
    yield made
    made.close()


def fed(block: Block) -> bytes:
    """Return a block as the node writes it."""
    raw = block.encode()
    return FedBlock(height=block.header.height, hash=block.hash, raw=raw).encode()


def ingest(warehouse: Warehouse, data: bytes, *, piece: int = 1 << 16) -> list[Report]:
    """Feed bytes in pieces, end the input, and return what was reported."""
    reports: list[Report] = []
    nothing = Cursor(height=-1, hash="")
    progress = Progress(ingested=warehouse.ingested, detected=nothing, report=reports.append)
    source, sink = os.pipe()

    def write() -> None:
        for start in range(0, len(data), piece):
            os.write(sink, data[start : start + piece])
        os.close(sink)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        Ingest(warehouse, progress, source).run()
    finally:
        writer.join()
        os.close(source)
    return reports


@pytest.mark.parametrize("piece", [997, 1 << 16])
def test_all_blocks_are_committed_when_the_input_ends(
    warehouse: Warehouse, history: History, piece: int
) -> None:
    """However the pipe cuts them; the last report is of the last block."""
    reports = ingest(warehouse, b"".join(map(fed, history.blocks)), piece=piece)
    assert warehouse.ingested.height == 12
    last = reports[-1]
    assert isinstance(last, Ingested)
    assert (last.height, last.hash) == (12, history.blocks[-1].hash)
    assert last.memory_bytes > 0
    with warehouse.reading() as cursor:
        counted = cursor.execute("SELECT count(*), count(DISTINCT height) FROM blocks").fetchall()
    assert counted == [(13, 13)]


def test_a_torn_end_leaves_whole_blocks(warehouse: Warehouse, history: History) -> None:
    """A node that dies in the middle of a block has given the ones before."""
    data = b"".join(map(fed, history.blocks[:3])) + fed(history.blocks[3])[:-1]
    ingest(warehouse, data)
    assert warehouse.ingested.height == 3


def test_bytes_of_another_block_are_refused(warehouse: Warehouse, history: History) -> None:
    """A hash that is not the block's own ends the stage with what came before."""
    first, second = history.blocks[:2]
    forged = FedBlock(height=2, hash=first.hash, raw=second.encode()).encode()
    with pytest.raises(BlockRefused) as refused:
        ingest(warehouse, forged)
    assert refused.value.code == "block_hash_differs"
    assert warehouse.ingested.height == 0
