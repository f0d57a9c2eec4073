"""Streams of events under a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web

from node.api.limits import STREAM_COMMENT_SECONDS
from node.api.operations import Call
from node.audit.events import EventChannel, Framing, JsonLines, ServerSentEvents

EVENT = b"event"


class Clock:
    """Time that passes only when it is told to, seconds."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what is written to the consumer, as it is written."""
    pieces: list[bytes] = []

    async def write(_: web.StreamResponse, data: bytes) -> None:
        pieces.append(data)

    monkeypatch.setattr(web.StreamResponse, "write", write)
    return pieces


def opened(framing: Framing, clock: Clock) -> EventChannel:
    """Return the channel of a consumer that stays, with a token that holds."""
    transport = SimpleNamespace(is_closing=lambda: False)
    call = SimpleNamespace(
        request=SimpleNamespace(transport=transport),
        authority=SimpleNamespace(require_valid=lambda *_: None),
        backend=SimpleNamespace(view=lambda: None),
        caller=None,
    )
    return EventChannel(cast("Call", call), framing, "", clock)


@pytest.mark.parametrize("framing", [ServerSentEvents(), JsonLines()])
async def test_a_stream_comments_on_schedule_whatever_flows(
    framing: Framing, written: list[bytes]
) -> None:
    """With an event a second a minute has four comments, fifteen seconds apart."""
    clock = Clock()
    channel = opened(framing, clock)
    for second in range(1, 61):
        clock.now_s += 1
        await channel.send(EVENT, f"{second}:aa")
    assert written.count(EVENT) == 60
    comments = [place for place, piece in enumerate(written) if piece == framing.keep_alive]
    assert [place - before for before, place in enumerate(comments)] == [15, 30, 45, 60]


async def test_a_quiet_stream_comments_as_often(written: list[bytes]) -> None:
    """Looks two seconds apart put no comment off for good, and a long stall brings one, not many."""
    clock, framing = Clock(), ServerSentEvents()
    channel = opened(framing, clock)
    for _ in range(45):
        clock.now_s += 2
        await channel.rest()
    assert written == [framing.keep_alive] * 6
    clock.now_s += 10 * STREAM_COMMENT_SECONDS
    await channel.rest()
    await channel.rest()
    assert len(written) == 7
