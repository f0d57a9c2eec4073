"""Forecasts that are under way, or kept for those who ask next.

A forecast is computed once and given again as long as it is fresh, and those who ask for the same one
meanwhile wait for the same computation. It goes on when they have gone: who comes back finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from analytics.errors import RequestRefused
from analytics.serving.limits import (
    FORECAST_FRESH_MS,
    FORECAST_SECONDS_MAX,
    FORECAST_WAIT_SECONDS,
    FORECASTS_KEPT_MAX,
    FORECASTS_WAITING_MAX,
)
from analytics.serving.series import Span, Stretch
from analytics.serving.worker import Worker

Json = dict[str, Any]


class Key(NamedTuple):
    """What tells one forecast from another."""

    series: str
    span: Span
    horizon: int
    period: int
    """Which stretch of the chain's time it is fresh in."""

    @classmethod
    def of(cls, series: str, stretch: Stretch, horizon: int) -> Key:
        """Return the key of a forecast that is made now."""
        fresh_ms = max(stretch.span.length_ms, FORECAST_FRESH_MS)
        return cls(series, stretch.span, horizon, stretch.end_ms // fresh_ms)


class KeptForecasts:
    """Forecasts that are kept or under way, and the process that makes them."""

    def __init__(self, *, wait_seconds: float = FORECAST_WAIT_SECONDS) -> None:
        self._worker = Worker(seconds_max=FORECAST_SECONDS_MAX, waiting_max=FORECASTS_WAITING_MAX)
        self._wait_seconds = wait_seconds
        self._tasks: dict[Key, asyncio.Task[Json]] = {}

    async def get(self, key: Key, make: Callable[[Worker], Awaitable[Json]]) -> Json:
        """Return a forecast: the one that is kept, or what ``make`` returns.

        Raises:
            RequestRefused: ``forecast_pending`` (503): it is not ready yet; and what ``make`` raises.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(_made(make, self._worker))
            task.add_done_callback(lambda done: self._settle(key, done))
            self._forget()
        done, _ = await asyncio.wait([task], timeout=self._wait_seconds)
        if not done:
            raise RequestRefused(503, "forecast_pending", "the forecast is being made: ask again")
        return task.result()

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._worker.close()

    def _settle(self, key: Key, done: asyncio.Task[Json]) -> None:
        """Keep what was made; what failed is tried anew by the next who asks."""
        if done.cancelled() or done.exception() is not None:
            self._tasks.pop(key, None)

    def _forget(self) -> None:
        for key in [key for key, task in self._tasks.items() if task.done()]:
            if len(self._tasks) <= FORECASTS_KEPT_MAX:
                return
            del self._tasks[key]


async def _made(make: Callable[[Worker], Awaitable[Json]], worker: Worker) -> Json:
    return await make(worker)
