"""Server-Sent Events from bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet import events
from wallet.errors import ApiError
from wallet.events import EventParser, ServerEvent

STREAM = (
    b": hello\n\n"
    b"event: block\nid: 1:aa\ndata: {}\n\n"
    b"data: first\r\ndata:second\r\n\r\n"
    b"event: empty\n\n"
    b"retry: 5\nid: 2:bb\nevent: reset\ndata: \xc3\xa9\n\n"
    b"data: unfinished\n"
)
EVENTS = [
    ServerEvent(event="block", id="1:aa", data="{}"),
    ServerEvent(event="message", id="1:aa", data="first\nsecond"),
    ServerEvent(event="reset", id="2:bb", data="é"),
]


@given(cuts=st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    """Any division into chunks gives the same events; an unfinished one is none."""
    parser, found = EventParser(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += parser.feed(STREAM[start:end])
    assert found == EVENTS


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one line nor many can fill the memory."""
    monkeypatch.setattr(events, "EVENT_BYTES_MAX", 100)
    with pytest.raises(ApiError, match="event_too_large"):
        EventParser().feed(b"data: " + b"x" * 100)
    with pytest.raises(ApiError, match="event_too_large"):
        EventParser().feed(b"data: 1234567890\n" * 10)
    assert len(EventParser().feed(b"data: 1234567890\n\n" * 100)) == 100


def test_bytes_that_are_no_text_are_refused() -> None:
    """A stream is UTF-8."""
    with pytest.raises(ApiError, match="bad_answer"):
        EventParser().feed(b"data: \xff\n\n")
