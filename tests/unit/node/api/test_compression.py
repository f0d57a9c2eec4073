"""Compressed request bodies: what counts is the size of what they unpack to."""

from __future__ import annotations

import gzip

from ledger import limits
from tests.unit.node.api.served import Client, ServedNode, problem

GZIPPED = {"Content-Type": "application/msgpack", "Content-Encoding": "gzip"}
BOMB_FACTOR = 32


async def test_threat_7_a_body_is_measured_unpacked(node: ServedNode, client: Client) -> None:
    """64 MiB in 64 KiB give 413 as any large body does, and the engine never sees them."""
    bomb = gzip.compress(bytes(BOMB_FACTOR * limits.TRANSACTION_BYTES_MAX), compresslevel=6)
    assert len(bomb) < limits.TRANSACTION_BYTES_MAX // 16
    response = await client.post("/v1/transactions", data=bomb, headers=GZIPPED)
    assert (await problem(response, 413))["code"] == "body_too_large"
    assert node.submitted == []
