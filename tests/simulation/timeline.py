"""Virtual time: a heap of things to do, and a clock that jumps from one to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Timeline:
    """What happens when. Two actions of one millisecond happen in the order they were planned."""

    def __init__(self, start_ms: int) -> None:
        self.now_ms = start_ms
        self._planned: list[tuple[int, int, Action]] = []
        self._order = count()

    def after(self, delay_ms: int, action: Action) -> None:
        """Plan an action in ``delay_ms`` milliseconds."""
        heapq.heappush(self._planned, (self.now_ms + delay_ms, next(self._order), action))

    def run_until(self, end_ms: int) -> None:
        """Do everything that is planned up to ``end_ms``, and what that plans in turn."""
        while self._planned and self._planned[0][0] <= end_ms:
            self.now_ms, _, action = heapq.heappop(self._planned)
            action()
        self.now_ms = end_ms
