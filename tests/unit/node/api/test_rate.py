"""Token buckets: a burst at once, then a steady rate, with bounded memory."""

from __future__ import annotations

import pytest

from node.api.problems import Problem
from node.api.rate import RateLimiter


class _Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _limiter(clock: _Clock, *, clients_max: int = 10) -> RateLimiter:
    return RateLimiter(per_second=0.5, burst=2, clients_max=clients_max, clock_s=clock)


def test_a_burst_and_then_a_steady_rate() -> None:
    """Two at once, then one every two seconds, and Retry-After says how long."""
    clock = _Clock()
    limiter = _limiter(clock)
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(Problem) as refused:
        limiter.take("a")
    assert refused.value.headers["Retry-After"] == "2"
    limiter.take("b")
    clock.now_s = 2.0
    limiter.take("a")
    with pytest.raises(Problem):
        limiter.take("a")


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    """A long silence earns one burst, not more."""
    clock = _Clock()
    limiter = _limiter(clock)
    limiter.take("a")
    clock.now_s = 1_000.0
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(Problem):
        limiter.take("a")


def test_the_longest_unseen_client_is_forgotten() -> None:
    """Memory holds so many clients; one more drops the one that was not seen for longest."""
    limiter = _limiter(_Clock(), clients_max=2)
    for client in ("a", "a", "b", "b", "c"):
        limiter.take(client)
    with pytest.raises(Problem):
        limiter.take("b")
    limiter.take("a")
