"""The audit stream of blocks, gapless through any reconnection.

A cursor is ``height:hash``. After a fault the stream is opened again behind the last event, and
each block must follow the one before by height and parent: a node that skips or swaps one is
caught here (threat 73).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from wallet.client import NodeClient
from wallet.errors import ApiError, NodeUnreachable
from wallet.events import EventParser, ServerEvent
from wallet.session import ATTEMPTS_MAX, Json, pause_before_retry_s

_PASSING_STATUSES: Final = frozenset({429, 503})
_UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One step of the stream."""

    event: str
    """``block``; with unconfirmed blocks ``retract``; ``reset`` when the cursor is unknown."""
    cursor: str
    """Where to resume behind this event, ``height:hash``."""
    data: Json
    """The block with its transactions, or what the event says."""


class Continuity:
    """Checks that final blocks come in order, each the child of the one before."""

    def __init__(self) -> None:
        self._height: int | None = None
        self._hash: str | None = None

    def check(self, event: StreamEvent) -> None:
        """Take the next event.

        Raises:
            ApiError: ``stream_gap`` or ``bad_answer``.
        """
        if event.event != "block":
            self._height = self._hash = None  # the next block begins anew
            return
        try:
            height, block_hash, parent = (event.data[name] for name in ("height", "hash", "parent"))
        except KeyError as error:
            raise ApiError("bad_answer", f"a block without {error}", status=200) from None
        if self._height is not None and (height != self._height + 1 or parent != self._hash):
            detail = f"block {height} does not follow block {self._height} ({self._hash})"
            raise ApiError("stream_gap", detail, status=200, height=height)
        self._height, self._hash = height, block_hash


async def stream_blocks(
    client: NodeClient, *, first: int | None, follow: bool
) -> AsyncGenerator[StreamEvent, None]:
    """Yield final blocks from a height on (or from where the node begins), resuming by itself.

    Without ``follow`` it ends behind the last final block; with it, never: once it has an event, it
    waits for a node that is away as long as that takes.

    Raises:
        ApiError: the node refused, or what it sent has a gap.
        NodeUnreachable: `ATTEMPTS_MAX` attempts in a row brought no event; with ``follow``, the
            first ones.
    """
    query = {"follow": str(follow).lower()}
    if first is not None:
        query["from"] = str(first)
    continuity, cursor, failures = Continuity(), None, 0
    while True:
        try:
            async with aclosing(_one_connection(client, query, cursor)) as events:
                async for event in events:
                    continuity.check(event)
                    cursor, failures = event.cursor, 0
                    yield event
            if not follow:
                return
            failures += 1  # a stream that closes at once must not be reopened in a tight loop
        except (ApiError, NodeUnreachable) as error:
            failures += 1
            is_patient = (follow and cursor is not None) or failures < ATTEMPTS_MAX
            if not _is_passing(error, cursor) or not is_patient:
                raise
            await asyncio.sleep(pause_before_retry_s(failures, error))
        else:
            await asyncio.sleep(pause_before_retry_s(failures))


async def _one_connection(
    client: NodeClient, query: dict[str, str], cursor: str | None
) -> AsyncGenerator[StreamEvent, None]:
    parser = EventParser()
    async with client.audit_block_events(query, last_event_id=cursor) as chunks:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                yield _stream_event(event)


def _stream_event(event: ServerEvent) -> StreamEvent:
    try:
        data = json.loads(event.data)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ApiError("bad_answer", "an event's data is no JSON object", status=200)
    return StreamEvent(event=event.event, cursor=event.id, data=data)


def _is_passing(error: ApiError | NodeUnreachable, cursor: str | None) -> bool:
    """Tell whether another attempt may help; a token that was good and ran out is made anew."""
    if isinstance(error, NodeUnreachable) or error.status in _PASSING_STATUSES:
        return True
    return error.status == _UNAUTHORIZED and cursor is not None
