"""How often one client may ask: a token bucket for each (429 with ``Retry-After``)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from node.api.problems import too_many_requests


@dataclass(slots=True)
class _Bucket:
    left: float
    """Requests that may be made at once."""
    seen_s: float
    """When ``left`` was computed, seconds of the clock."""


class RateLimiter:
    """Buckets by client; each holds ``burst`` requests and regains ``per_second`` of them."""

    def __init__(
        self, *, per_second: float, burst: int, clients_max: int, clock_s: Callable[[], float]
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clients_max = clients_max
        self._clock_s = clock_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of a client.

        Raises:
            Problem: 429; the client's bucket is empty.
        """
        bucket = self._bucket(client)
        if bucket.left < 1:
            wait_s = math.ceil((1 - bucket.left) / self._per_second)
            raise too_many_requests(
                wait_s, f"More than {self._per_second:g} requests a second from one client."
            )
        bucket.left -= 1

    def _bucket(self, client: str) -> _Bucket:
        now_s = self._clock_s()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(float(self._burst), now_s)
            if len(self._buckets) > self._clients_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            regained = (now_s - bucket.seen_s) * self._per_second
            bucket.left = min(float(self._burst), bucket.left + regained)
            bucket.seen_s = now_s
        return bucket
