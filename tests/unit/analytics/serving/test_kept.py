"""Forecasts are made once for all who ask, kept while they are fresh, and tried anew when they failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from analytics.errors import RequestRefused
from analytics.serving.kept import KeptForecasts, Key
from analytics.serving.limits import FORECASTS_KEPT_MAX
from analytics.serving.series import Span, Stretch
from analytics.serving.worker import Worker


class Maker:
    """Makes forecasts when it is let, and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.let, self.done = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: Worker) -> dict[str, Any]:
        await self.let.wait()
        self.made += 1
        self.done.set()
        return {"number": self.made}


def key(end_s: int, *, span: Span = Span.SECOND) -> Key:
    """Return the key of a forecast from spans up to a second."""
    length_s = span.length_ms // 1_000
    stretch = Stretch(span=span, first_ms=(end_s - 40 * length_s) * 1_000, count=40)
    return Key.of("payments", stretch, 10)


async def test_those_who_ask_at_once_share_one_computation() -> None:
    """And who comes a little later is given the same; a minute later it is made anew."""
    kept, maker = KeptForecasts(), Maker()
    waiting = [asyncio.create_task(kept.get(key(6_000), maker)) for _ in range(3)]
    maker.let.set()
    assert await asyncio.gather(*waiting) == [{"number": 1}] * 3
    assert await kept.get(key(6_059), maker) == {"number": 1}
    assert await kept.get(key(6_060), maker) == {"number": 2}
    hour = 3_600
    assert key(7 * hour, span=Span.HOUR) != key(8 * hour, span=Span.HOUR)
    await kept.close()


async def test_who_cannot_wait_is_told_to_come_back_and_finds_it() -> None:
    """503, while the computation goes on."""
    kept, maker = KeptForecasts(wait_seconds=0.01), Maker()
    with pytest.raises(RequestRefused) as refusal:
        await kept.get(key(6_000), maker)
    assert (refusal.value.status, refusal.value.code) == (503, "forecast_pending")
    maker.let.set()
    await maker.done.wait()
    assert await kept.get(key(6_000), maker) == {"number": 1}
    assert maker.made == 1
    await kept.close()


async def test_what_failed_is_tried_anew() -> None:
    """A refusal is told and not kept."""
    kept, maker = KeptForecasts(), Maker()
    maker.let.set()

    async def fail(_: Worker) -> dict[str, Any]:
        raise RequestRefused(409, "constant_target", "nothing to forecast")

    with pytest.raises(RequestRefused):
        await kept.get(key(6_000), fail)
    assert await kept.get(key(6_000), maker) == {"number": 1}
    await kept.close()


async def test_no_more_are_kept_than_the_limit() -> None:
    """The oldest goes first."""
    kept, maker = KeptForecasts(), Maker()
    maker.let.set()
    for minute in range(FORECASTS_KEPT_MAX + 1):
        await kept.get(key(6_000 + 60 * minute), maker)
    made = maker.made
    await kept.get(key(6_000 + 60 * FORECASTS_KEPT_MAX), maker)
    assert maker.made == made
    await kept.get(key(6_000), maker)
    assert maker.made == made + 1
    await kept.close()
