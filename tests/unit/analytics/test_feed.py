"""What node and process say to each other comes over whole, and nothing else passes for it."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from analytics.feed import (
    Detected,
    Failed,
    FedBlock,
    Ingested,
    Ready,
    Report,
    decode_report,
    encode_report,
)

REPORTS: list[Report] = [
    Ready(height=7, hash=bytes(32), socket="analytics.sock", rebuild_reason=""),
    Ingested(height=8, hash=bytes(32), memory_bytes=9),
    Detected(height=8),
    Failed(code="warehouse_locked", detail="it is open elsewhere"),
]


def test_reports_come_over_whole() -> None:
    """Reports in a row delimit themselves, wherever the pipe cuts them."""
    unpacker = msgpack.Unpacker(use_list=False)
    found = []
    for byte in b"".join(map(encode_report, REPORTS)):
        unpacker.feed(bytes([byte]))
        found += [decode_report(message) for message in unpacker]
    assert found == REPORTS


@pytest.mark.parametrize(
    "message", [None, (), ("ready",), ("ingested", "8", bytes(32), 9), ("other", 1), 5]
)
def test_anything_else_is_no_report(message: Any) -> None:
    """A message of another shape is refused."""
    with pytest.raises(ValueError, match="no report"):
        decode_report(message)


def test_a_block_is_an_array_of_three() -> None:
    """Height, hash and the block's own bytes."""
    fed = FedBlock(height=5, hash=bytes(32), raw=b"block")
    assert msgpack.unpackb(fed.encode()) == [5, bytes(32), b"block"]
