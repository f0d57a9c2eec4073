"""The audit stream, through faults."""

from __future__ import annotations

import pytest

from tests.unit.wallet.fake_node import FakeNode, block_event
from wallet import streaming
from wallet.client import NodeClient
from wallet.errors import ApiError, NodeUnreachable
from wallet.session import ATTEMPTS_MAX, PAUSE_S_MAX, pause_before_retry_s
from wallet.streaming import StreamEvent, stream_blocks


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no pauses between attempts."""
    monkeypatch.setattr(streaming, "pause_before_retry_s", lambda *_: 0.0)


async def read(node: FakeNode, count: int | None = None, *, follow: bool) -> list[StreamEvent]:
    """Return the first events of the stream, or all of them."""
    events: list[StreamEvent] = []
    async with NodeClient(node.url) as client:
        stream = stream_blocks(client, first=0, follow=follow)
        async for event in stream:
            events.append(event)
            if len(events) == count:
                break
        await stream.aclose()
    return events


async def test_a_finished_stream_ends(node: FakeNode) -> None:
    """Without follow the stream is over when the node has sent what is final."""
    node.streams = [block_event(1) + block_event(2)]
    events = await read(node, follow=False)
    assert [event.data["height"] for event in events] == [1, 2]
    assert node.last_event_ids == [None]


async def test_a_broken_stream_goes_on_behind_the_last_event(node: FakeNode) -> None:
    """After each end the stream is opened again with the last cursor: no gap, no repetition."""
    node.streams = [block_event(1), block_event(2) + b"event: block\nid: 3", block_event(3)]
    events = await read(node, 3, follow=True)
    assert [event.cursor for event in events] == ["1:h1", "2:h2", "3:h3"]
    assert node.last_event_ids == [None, "1:h1", "2:h2"]


async def test_an_ended_token_or_a_busy_node_is_no_end(node: FakeNode) -> None:
    """A 401 in mid-stream means a new token, a 503 a new attempt."""
    node.streams = [block_event(1), block_event(2)]

    async with NodeClient(node.url) as client:
        stream = stream_blocks(client, first=0, follow=True)
        assert (await anext(stream)).cursor == "1:h1"
        node.refuse("GET", 401, "token_expired")
        node.refuse("GET", 503, "busy")
        assert (await anext(stream)).cursor == "2:h2"
        await stream.aclose()


async def test_a_refused_token_ends_at_once(node: FakeNode) -> None:
    """Before the first event a 401 is final: the key may not read."""
    node.refuse("GET", 401, "token_unknown_key")
    with pytest.raises(ApiError, match="token_unknown_key"):
        await read(node, follow=True)
    assert len(node.requests) == 1


async def test_a_node_that_is_away_ends_the_stream(node: FakeNode) -> None:
    """After a bounded number of attempts the fault is told."""
    await node.server.close()
    with pytest.raises(NodeUnreachable):
        await read(node, follow=True)


async def test_a_follower_waits_for_a_node_that_is_away(node: FakeNode) -> None:
    """A regulator's node starts over in longer than a few attempts; who follows it is still there."""
    node.streams = [block_event(1), block_event(2)]
    async with NodeClient(node.url) as client:
        stream = stream_blocks(client, first=0, follow=True)
        assert (await anext(stream)).cursor == "1:h1"
        for _ in range(3 * ATTEMPTS_MAX):
            node.refuse("GET", 503, "not_ready")
        assert (await anext(stream)).cursor == "2:h2"
        await stream.aclose()


def test_pauses_stay_numbers_however_long_a_node_is_away() -> None:
    """Attempts go on for days; what they are raised to does not."""
    assert 0 < pause_before_retry_s(100_000) <= PAUSE_S_MAX


@pytest.mark.parametrize("after", [block_event(3), block_event(2, parent="hx"), block_event(1)])
async def test_a_gap_or_a_swapped_block_is_caught_threat_73(node: FakeNode, after: bytes) -> None:
    """A node cannot skip, repeat or replace a block unseen."""
    node.streams = [block_event(1) + after]
    with pytest.raises(ApiError, match="stream_gap"):
        await read(node, follow=False)


async def test_a_swap_between_connections_is_caught_threat_73(node: FakeNode) -> None:
    """Continuity is checked across reconnections too."""
    node.streams = [block_event(1), block_event(2, parent="other")]
    with pytest.raises(ApiError, match="stream_gap"):
        await read(node, follow=True)


async def test_a_reset_is_told_and_begins_anew(node: FakeNode) -> None:
    """When the node does not know the cursor it says so, and the reader sees it."""
    reset = b'event: reset\nid: 4:h4\ndata: {"height": 4, "hash": "h4"}\n\n'
    node.streams = [block_event(9) + reset + block_event(5)]
    events = await read(node, follow=False)
    assert [event.event for event in events] == ["block", "reset", "block"]


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"height": 1}'])
async def test_malformed_events_are_typed_errors(node: FakeNode, data: bytes) -> None:
    """What is no block is a bad answer."""
    node.streams = [b"event: block\nid: 1\ndata: " + data + b"\n\n"]
    with pytest.raises(ApiError, match="bad_answer"):
        await read(node, follow=False)
