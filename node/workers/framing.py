"""Messages between the node and its workers: MessagePack behind a four-byte big-endian length.

Both ends are this program, so the framing guards against our own bugs and not against an enemy.
The children import this module, hence its few imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgpack

LENGTH_BYTES: Final = 4
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
READ_BYTES: Final = 1024 * 1024


def encode_frame(message: object) -> bytes:
    """Return the message as bytes to write: length, then MessagePack.

    Raises:
        ValueError: the message is larger than ``FRAME_BYTES_MAX``.
    """
    body: bytes = msgpack.packb(message)
    check_frame_size(len(body))
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_body(body: bytes) -> object:
    """Return the message in the bytes that followed a length; arrays become tuples."""
    message: object = msgpack.unpackb(body, use_list=False)
    return message


def check_frame_size(size: int) -> None:
    """Raise ValueError if a frame's body of ``size`` bytes is over the limit."""
    if size > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size} bytes passes the limit of {FRAME_BYTES_MAX}")


class FrameBuffer:
    """Bytes as they arrive, messages as they complete."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[object]:
        """Take what was read and yield each message that is now complete.

        Raises:
            ValueError: a length is over ``FRAME_BYTES_MAX``.
        """
        self._bytes += data
        while len(self._bytes) >= LENGTH_BYTES:
            size = int.from_bytes(self._bytes[:LENGTH_BYTES], "big")
            check_frame_size(size)
            end = LENGTH_BYTES + size
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[LENGTH_BYTES:end])
            del self._bytes[:end]
            yield decode_body(body)
