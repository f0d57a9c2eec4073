"""Server-Sent Events without sockets: bytes in, events out (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wallet.errors import ApiError

EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest event, bytes: a full block as JSON with all its transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event of a stream."""

    event: str
    """Its type; ``message`` where the stream names none."""
    id: str
    """Cursor after this event: the last id that the stream gave."""
    data: str
    """Its lines, joined by newlines."""


class EventParser:
    """Collects a stream's bytes into events; comments and unknown fields are passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._event_bytes = 0
        self._event = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that these bytes complete.

        Raises:
            ApiError: ``event_too_large`` or ``bad_answer`` (not UTF-8).
        """
        self._buffer += chunk
        events = []
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            self._searched = 0
            self._event_bytes += len(line)
            self._check_size(0)
            event = self._take_line(line)
            if event is not None:
                events.append(event)
        self._searched = len(self._buffer)  # a long line is searched once, not once a chunk
        self._check_size(len(self._buffer))
        return events

    def _check_size(self, pending: int) -> None:
        if self._event_bytes + pending > EVENT_BYTES_MAX:
            detail = f"an event is larger than {EVENT_BYTES_MAX} bytes"
            raise ApiError("event_too_large", detail, status=200)

    def _take_line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        try:
            field, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise ApiError("bad_answer", "the stream is not UTF-8", status=200) from None
        value = value.removeprefix(" ")
        if field == "event":
            self._event = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._event_bytes = "", [], 0
        if not data:
            return None
        return ServerEvent(event=event, id=self._id, data="\n".join(data))
