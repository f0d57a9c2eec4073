"""What can happen to the engine. The shell turns the outside world into these, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.identity import MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed; sent at least every ``TICK_MS_MAX`` milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConnected:
    """A session with a member stands; its identity is proved by TLS."""

    member: MemberId
    session: int
    """Number of the session, never used again: a member's sessions may follow each other closely,
    and what was meant for one must not reach the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDisconnected:
    """The session with a member is over."""

    member: MemberId
    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReceived:
    """A member sent one message."""

    member: MemberId
    session: int
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsSubmitted:
    """A client of this node submitted signed transactions; answered by one ``Reply``."""

    request_id: int
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturesVerified:
    """The verdicts of a ``VerifySignatures`` effect, in its order."""

    job_id: int
    verdicts: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceFound:
    """The miner solved a ``StartMining`` job."""

    job_id: int
    nonce: bytes


Event = (
    Tick
    | PeerConnected
    | PeerDisconnected
    | FrameReceived
    | TransactionsSubmitted
    | SignaturesVerified
    | NonceFound
)

TICK_MS_MAX = 100
"""Longest time between two ticks, milliseconds."""
