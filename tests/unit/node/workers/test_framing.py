"""Messages between the node and its workers, however the pipe cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.workers.framing import FRAME_BYTES_MAX, FrameBuffer, encode_frame

messages = st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 2**64 - 1)), max_size=5)


@given(messages, st.integers(1, 50))
def test_messages_survive_any_cut(sent: list[tuple[bytes, int]], step: int) -> None:
    """What was encoded comes out, in order, whatever the sizes of the reads."""
    stream = b"".join(map(encode_frame, sent))
    buffer = FrameBuffer()
    received = [
        message
        for start in range(0, len(stream), step)
        for message in buffer.feed(stream[start : start + step])
    ]
    assert received == sent


def test_length_over_the_limit_is_refused_before_the_body() -> None:
    """Four bytes are enough to refuse a frame that is too large."""
    with pytest.raises(ValueError, match="passes the limit"):
        list(FrameBuffer().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big")))


def test_message_over_the_limit_is_not_sent() -> None:
    """The sender notices first."""
    with pytest.raises(ValueError, match="passes the limit"):
        encode_frame(bytes(FRAME_BYTES_MAX))
