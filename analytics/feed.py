"""What node and analytics process say to each other over the process's standard input and output.

Both directions are MessagePack values one after the other, which delimit themselves.

    node to process   [height, hash, block bytes]               a final block, in order
    process to node   ["ready", height, hash, socket, reason]   feed me from the block after this
                      ["ingested", height, hash, bytes]         rows up to this block are committed
                      ["detected", height]                      alerts up to this block are committed
                      ["failed", code, detail]                  why it ends now

The pipe is the backpressure, and the end of the input is the end of the process: it comes when the
node dies, however it dies. Nothing heavy is imported here, because the node imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgpack


@dataclass(frozen=True, slots=True, kw_only=True)
class FedBlock:
    """A final block as the process gets it."""

    height: int
    """Its height."""
    hash: bytes
    """Its hash, 32 bytes."""
    raw: bytes
    """Its canonical bytes."""

    def encode(self) -> bytes:
        """Return the array that carries it."""
        packed: bytes = msgpack.packb((self.height, self.hash, self.raw))
        return packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process serves, and waits for the block after its cursor."""

    height: int
    """Height of the last block that it has."""
    hash: bytes
    """Hash of that block, 32 bytes."""
    socket: str
    """Path of the socket at which it answers."""
    rebuild_reason: str
    """Code of why its file is built anew; empty where it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """Rows up to a block are committed."""

    height: int
    """Height of that block."""
    hash: bytes
    """Its hash, 32 bytes."""
    memory_bytes: int
    """Memory that the process holds, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """Alerts and scores up to a block are committed."""

    height: int
    """Height of that block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why the process ends."""

    code: str
    """Stable code."""
    detail: str
    """One sentence for people."""


Report: TypeAlias = Ready | Ingested | Detected | Failed


def encode_report(report: Report) -> bytes:
    """Return the bytes of a report."""
    name = type(report).__name__.lower()
    fields = [getattr(report, field) for field in report.__dataclass_fields__]
    packed: bytes = msgpack.packb((name, *fields))
    return packed


def decode_report(message: Any) -> Report:
    """Return the report that an unpacked array carries.

    Raises:
        ValueError: it carries none.
    """
    match message:
        case ("ready", int(height), bytes(block), str(socket), str(reason)):
            return Ready(height=height, hash=block, socket=socket, rebuild_reason=reason)
        case ("ingested", int(height), bytes(block), int(memory)):
            return Ingested(height=height, hash=block, memory_bytes=memory)
        case ("detected", int(height)):
            return Detected(height=height)
        case ("failed", str(code), str(detail)):
            return Failed(code=code, detail=detail)
    raise ValueError("no report of the analytics process")
