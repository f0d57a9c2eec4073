"""The first stage: final blocks from the node's pipe into the warehouse, each exactly once.

While blocks keep coming they are committed many at a time; when none follows, what waits is
committed at once. A block is decoded here and not in the node, which has better things to do.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from contextlib import suppress
from typing import Any, Final

import msgpack

from analytics.errors import BlockRefused
from analytics.limits import (
    COMMIT_BLOCKS_MAX,
    COMMIT_LEGS_MAX,
    COMMIT_LINGER_S,
    COMMIT_WAIT_S_MAX,
    FRAME_OVERHEAD_BYTES,
    READ_BYTES,
)
from analytics.progress import Progress
from analytics.warehouse.store import Warehouse
from ledger.blocks import Block, decode_block
from ledger.limits import BLOCK_OVERHEAD_BYTES

_SET_PIPE_SIZE: Final[int | None] = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux alone has it


class Ingest:
    """Reads blocks until the input ends; runs in a thread of its own."""

    def __init__(self, warehouse: Warehouse, progress: Progress, source: int) -> None:
        """Take blocks from the file descriptor ``source``."""
        self._warehouse = warehouse
        self._progress = progress
        self._source = source
        self._block_bytes_max = warehouse.genesis.parameters.block_bytes_max + BLOCK_OVERHEAD_BYTES
        self._unpacker = msgpack.Unpacker(
            use_list=False,
            max_buffer_size=self._block_bytes_max + READ_BYTES + FRAME_OVERHEAD_BYTES,
        )
        self._waiting: list[Block] = []
        self._waiting_legs = 0
        self._waiting_since_s = 0.0

    def run(self) -> None:
        """Commit blocks until the input ends.

        Raises:
            BlockRefused, WarehouseCorrupt: as `Warehouse.append`.
            DecodeError: bytes that are no block.
            duckdb.Error: the file took no commit.
        """
        if _SET_PIPE_SIZE is not None:
            with suppress(OSError):  # a pipe that stays small is slower, nothing else
                fcntl.fcntl(self._source, _SET_PIPE_SIZE, READ_BYTES)
        while True:
            if self._waiting and not self._has_input():
                self._commit()
                continue
            data = os.read(self._source, READ_BYTES)
            if not data:
                self._commit()
                return
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._take(message)

    def _has_input(self) -> bool:
        poller = select.poll()  # select.select refuses descriptors above 1,023
        poller.register(self._source, select.POLLIN | select.POLLHUP)
        return bool(poller.poll(COMMIT_LINGER_S * 1_000))

    def _take(self, message: Any) -> None:
        height, block_hash, raw = message
        block = decode_block(raw, bytes_max=self._block_bytes_max)
        if block.hash != block_hash or block.header.height != height:
            raise BlockRefused("block_hash_differs", f"these bytes are not block {height}")
        if not self._waiting:
            self._waiting_since_s = time.monotonic()
        self._waiting.append(block)
        self._waiting_legs += sum(transaction.leg_count for transaction in block.transactions)
        if (
            len(self._waiting) >= COMMIT_BLOCKS_MAX
            or self._waiting_legs >= COMMIT_LEGS_MAX
            or time.monotonic() - self._waiting_since_s >= COMMIT_WAIT_S_MAX
        ):
            self._commit()

    def _commit(self) -> None:
        if self._waiting:
            self._warehouse.append(self._waiting)
            self._waiting, self._waiting_legs = [], 0
            self._progress.ingest(self._warehouse.ingested)
