"""The network between nodes: sessions like TLS streams, with delay, loss and partitions.

A session carries frames in order. A lost frame ends its session, since a TLS stream cannot go on
without it, and whatever was under way is lost too. Two members without a session dial each other
until one stands; frames of an old session never arrive in a new one, but what a new one carries
may overtake what the old one would have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, count
from random import Random
from typing import Protocol

from ledger.identity import MemberId
from tests.simulation.scenario import Scenario
from tests.simulation.timeline import Timeline

DIAL_MS_MIN, DIAL_MS_MAX = 50, 2_000
"""How long two members wait before they dial again."""
BAN_MS_MAX = 4_000
"""How long a member that is turned away stays away: a day is over soon in a run of a minute."""
BYTES_PER_MS = 10_000
"""What a link carries."""
Pair = frozenset[MemberId]


class Host(Protocol):
    """What the network needs of a node."""

    @property
    def is_up(self) -> bool:
        """Whether it answers."""
        ...

    def on_connected(self, peer: MemberId, session: int) -> None:
        """A session with a member stands."""
        ...

    def on_disconnected(self, peer: MemberId, session: int) -> None:
        """The session is over."""
        ...

    def on_frame(self, peer: MemberId, session: int, frame: bytes) -> None:
        """A frame arrived."""
        ...


@dataclass(slots=True, eq=False)
class Session:
    """One stream between two members, while it lasts."""

    number: int
    is_open: bool = True
    last_arrival_ms: dict[MemberId, int] = field(default_factory=dict)
    """When the last frame to each side arrives: none overtakes it."""


class Network:
    """All sessions."""

    def __init__(
        self, timeline: Timeline, scenario: Scenario, random: Random, hosts: dict[MemberId, Host]
    ) -> None:
        self._timeline = timeline
        self._scenario = scenario
        self._random = random
        self._hosts = hosts
        self._sessions: dict[Pair, Session] = {}
        self._numbers = count(1)
        self._side: dict[MemberId, int] = {}
        self._banned_until_ms: dict[Pair, int] = {}
        self.is_lossy = True
        self.frames = 0

    def start(self) -> None:
        """Let every two members begin to dial each other."""
        for a, b in combinations(self._hosts, 2):
            self._dial_later(a, b, 1, 200)

    # --- sessions ----------------------------------------------------------------------------

    def _dial_later(self, a: MemberId, b: MemberId, least_ms: int, most_ms: int) -> None:
        self._timeline.after(self._random.randrange(least_ms, most_ms), partial(self._dial, a, b))

    def _dial(self, a: MemberId, b: MemberId) -> None:
        pair = frozenset((a, b))
        if pair in self._sessions:
            return
        is_banned = self._timeline.now_ms < self._banned_until_ms.get(pair, 0)
        are_up = self._hosts[a].is_up and self._hosts[b].is_up
        if is_banned or not are_up or self._is_cut(a, b):
            self._dial_later(a, b, DIAL_MS_MIN, DIAL_MS_MAX)
            return
        session = self._sessions[pair] = Session(next(self._numbers))
        self._hosts[a].on_connected(b, session.number)
        self._hosts[b].on_connected(a, session.number)

    def ban(self, a: MemberId, b: MemberId, ban_ms: int) -> None:
        """Let two members have no session for a while."""
        pair, until_ms = frozenset((a, b)), self._timeline.now_ms + min(ban_ms, BAN_MS_MAX)
        self._banned_until_ms[pair] = max(self._banned_until_ms.get(pair, 0), until_ms)

    def close(self, a: MemberId, b: MemberId, number: int | None = None) -> None:
        """End a session, that of the number if one is given; both sides hear of it and dial."""
        session = self._sessions.get(frozenset((a, b)))
        if session is None or number not in (None, session.number):
            return
        del self._sessions[frozenset((a, b))]
        session.is_open = False
        # Not at once: an engine's call that closes a session must end before the next begins.
        self._timeline.after(0, partial(self._hosts[a].on_disconnected, b, session.number))
        self._timeline.after(0, partial(self._hosts[b].on_disconnected, a, session.number))
        self._dial_later(a, b, DIAL_MS_MIN, DIAL_MS_MAX)

    def close_all(self, member: MemberId) -> None:
        """End all sessions of a member."""
        for pair in list(self._sessions):
            if member in pair:
                a, b = sorted(pair)
                self.close(a, b)

    @property
    def session_count(self) -> int:
        """Sessions that stand."""
        return len(self._sessions)

    # --- frames ------------------------------------------------------------------------------

    def send(self, sender: MemberId, receiver: MemberId, number: int, frame: bytes) -> None:
        """Carry a frame, if the session of that number stands."""
        session = self._sessions.get(frozenset((sender, receiver)))
        if session is None or session.number != number:
            return
        self.frames += 1
        if self.is_lossy and self._random.random() < self._scenario.loss:
            self.close(sender, receiver)
            return
        arrival_ms = max(
            self._timeline.now_ms + self._delay_ms(frame),
            session.last_arrival_ms.get(receiver, 0),
        )
        session.last_arrival_ms[receiver] = arrival_ms
        arrive = partial(self._arrive, session, sender, receiver, frame)
        self._timeline.after(arrival_ms - self._timeline.now_ms, arrive)

    def _delay_ms(self, frame: bytes) -> int:
        jitter_ms = self._random.randrange(self._scenario.jitter_ms + 1)
        return self._scenario.delay_ms + jitter_ms + len(frame) // BYTES_PER_MS

    def _arrive(self, session: Session, sender: MemberId, receiver: MemberId, frame: bytes) -> None:
        if session.is_open:
            self._hosts[receiver].on_frame(sender, session.number, frame)

    # --- partitions --------------------------------------------------------------------------

    def _is_cut(self, a: MemberId, b: MemberId) -> bool:
        return self._side.get(a, 0) != self._side.get(b, 0)

    def partition(self, minority: Iterable[MemberId]) -> None:
        """Cut some members off from the rest, until ``heal``."""
        self._side = dict.fromkeys(minority, 1)
        for pair in list(self._sessions):
            a, b = sorted(pair)
            if self._is_cut(a, b):
                self.close(a, b)

    def heal(self) -> None:
        """Join all sides again; whoever has no session dials."""
        self._side = {}
