"""What a peer may take of this node: bytes, seconds and connections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Limits on peer sessions. Sizes are in bytes, times in seconds."""

    frame_bytes_max: int = 4 * 1024 * 1024 + 64 * 1024
    """Largest frame sent or taken, a block and its wrapping; a larger one is refused by its length
    alone, before memory is taken for it."""

    queue_bytes_max: int = 32 * 1024 * 1024
    """Bytes that wait for one peer; a peer that lets more pile up is closed as slow."""

    handshake_s: float = 10.0
    """From the TCP connection to the open WebSocket, TLS included, on either side."""

    frame_s: float = 30.0
    """From one whole message of a peer to its next, and for taking one of ours."""

    ping_s: float = 15.0
    """Between pings; well below ``frame_s``, since a live peer's silence ends with its pong."""

    close_s: float = 2.0
    """For a peer to answer our farewell before the connection is cut."""

    redial_first_s: float = 0.5
    """Mean wait before a lost peer is dialled again; each failure in a row doubles it."""

    redial_max_s: float = 30.0
    """Where the doubling ends; a session that lasted as long starts it again."""

    handshakes_max: int = 128
    """Connections in their handshake; one more pushes out the oldest."""

    accept_pause_s: float = 1.0
    """Rest when the operating system has no descriptor left for another connection."""
