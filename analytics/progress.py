"""How far the stages have come: told to the node, and waited for by the stage that follows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getpagesize, getrusage
from typing import Final

from analytics.feed import Detected, Ingested, Report
from analytics.warehouse.store import Cursor

_RESIDENT_FIELD: Final = 1
"""Place of the resident pages in Linux' ``/proc/self/statm``."""
_KIB: Final = 1_024


class Progress:
    """The cursors of both stages in memory. Every method may be called from any thread."""

    def __init__(
        self, *, ingested: Cursor, detected: Cursor, report: Callable[[Report], None]
    ) -> None:
        self._ingested, self._detected = ingested, detected
        self._report = report
        self._changed = threading.Condition()
        self._is_ending = False

    @property
    def ingested(self) -> Cursor:
        """The last block whose rows are committed."""
        return self._ingested

    @property
    def detected(self) -> Cursor:
        """The last block whose alerts are committed; height -1 before the first."""
        return self._detected

    def ingest(self, cursor: Cursor) -> None:
        """Note a commit of rows."""
        with self._changed:
            self._ingested = cursor
            self._changed.notify_all()
        self._report(
            Ingested(
                height=cursor.height,
                hash=bytes.fromhex(cursor.hash),
                memory_bytes=resident_bytes(),
            )
        )

    def detect(self, cursor: Cursor) -> None:
        """Note a commit of alerts."""
        with self._changed:
            self._detected = cursor
            self._changed.notify_all()
        self._report(Detected(height=cursor.height))

    @property
    def is_ending(self) -> bool:
        """Whether the process ends: stages finish what they hold and stop."""
        return self._is_ending

    def wait_for_rows(self, height: int) -> Cursor | None:
        """Return the ingest cursor once it is above a height; None when the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending or self._ingested.height > height)
            return None if self._is_ending else self._ingested

    def wait_for_alerts(self, height: int) -> Cursor | None:
        """Return the detection cursor once it is above a height; None when the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending or self._detected.height > height)
            return None if self._is_ending else self._detected

    def end(self) -> None:
        """Wake whoever waits: there is nothing more to come."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()


def resident_bytes() -> int:
    """Return the memory that this process holds now, its peak where the system tells no more."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[_RESIDENT_FIELD]
    except OSError:
        return getrusage(RUSAGE_SELF).ru_maxrss * _KIB
    return int(pages) * getpagesize()
