"""What the engine knows of its peers, and how misbehaviour is counted.

One session a member; the transport proves who it is. A message that no honest node can send costs
the whole score at once; a nuisance costs ten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ledger.blocks import SealedHeader
from ledger.hashing import BlockHash, TxId
from ledger.identity import MemberId
from node.core import limits
from node.core.effects import Disconnect, Effect, Note
from node.core.timing import Now


class PeerMisbehaved(Exception):
    """A peer sent what it must not; ``score`` points are added to its account."""

    def __init__(self, code: str, detail: str = "", *, score: int = limits.SCORE_MAX) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.score = score


class KnownTransactions:
    """The txids that a peer has, as far as we remember; the oldest are forgotten first."""

    def __init__(self, count_max: int = limits.KNOWN_PER_PEER_MAX) -> None:
        self._known: OrderedDict[TxId, None] = OrderedDict()
        self._count_max = count_max

    def __contains__(self, txid: TxId) -> bool:
        return txid in self._known

    def add(self, txids: Iterable[TxId]) -> None:
        """Remember that the peer has these."""
        for txid in txids:
            self._known[txid] = None
        while len(self._known) > self._count_max:
            self._known.popitem(last=False)

    def discard(self, txid: TxId) -> None:
        """Take back that the peer has this: it did not deliver it."""
        self._known.pop(txid, None)


@dataclass(slots=True, kw_only=True, eq=False)
class Peer:
    """One member's session."""

    member: MemberId
    """Proved by its certificate."""
    session: int
    """Number of the session."""
    connected_ms: int
    """When the session began."""
    is_established: bool = False
    """Whether its hello was accepted."""
    score: int = 0
    """Misbehaviour points."""
    best: SealedHeader | None = None
    """Highest head that it announced."""
    known: KnownTransactions = field(default_factory=KnownTransactions)
    """Transactions that it has."""
    announced: list[TxId] = field(default_factory=list)
    """Transactions to announce to it at the next tick."""
    in_flight: dict[BlockHash, int] = field(default_factory=dict)
    """Blocks asked of it, with the time by which it must deliver, milliseconds."""
    blocks_owed: int = 0
    """Blocks asked of it that it has not answered, waited for or given up on."""
    stall_ms: int = limits.STALL_MS_MIN
    """How long it is given for the next block."""
    is_early: bool = False
    """Whether its head waits for its time, and nothing before it is missing."""
    headers_asked_ms: int | None = None
    """When it was asked for headers that are waited for still."""
    headers_owed: int = 0
    """Requests for headers that it has not answered, waited for or given up on."""
    parked: OrderedDict[BlockHash, SealedHeader] = field(default_factory=OrderedDict)
    """Headers that cannot be placed yet (parent unknown, or from the future); oldest out."""
    inventory_window_ms: int = 0
    """Start of the second in which announcements are counted."""
    inventory_count: int = 0
    """Txids that it announced in that second."""
    served_window_ms: int = 0
    """Start of the second in which what it is served is counted."""
    served_bytes: int = 0
    """Bytes that it was served in that second."""

    def may_be_served(self, now: Now) -> bool:
        """Tell whether it may be sent more of what it asks for in this second."""
        if now.monotonic_ms - self.served_window_ms >= 1_000:
            self.served_window_ms, self.served_bytes = now.monotonic_ms, 0
        return self.served_bytes < limits.SERVED_BYTES_PER_SECOND_MAX


class Peers:
    """All sessions by member."""

    def __init__(self) -> None:
        self._peers: dict[MemberId, Peer] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def get(self, member: MemberId) -> Peer | None:
        """Return the session of a member, or None."""
        return self._peers.get(member)

    def established(self) -> list[Peer]:
        """Return the sessions whose hello was accepted, in order of member."""
        return [self._peers[m] for m in sorted(self._peers) if self._peers[m].is_established]

    def add(self, member: MemberId, session: int, now: Now) -> Peer:
        """Start the session of a member; an earlier one is forgotten."""
        peer = self._peers[member] = Peer(
            member=member, session=session, connected_ms=now.monotonic_ms
        )
        return peer

    def in_session(self, member: MemberId, session: int) -> Peer | None:
        """Return the session of a member if it is the numbered one, or None."""
        peer = self._peers.get(member)
        return peer if peer is not None and peer.session == session else None

    def remove(self, member: MemberId) -> Peer | None:
        """Forget a session."""
        return self._peers.pop(member, None)

    def penalise(self, member: MemberId, code: str, score: int) -> Iterable[Effect]:
        """Add points to a peer's score; at the maximum it is disconnected and discouraged."""
        peer = self._peers.get(member)
        if peer is None:
            return
        peer.score += score
        yield Note(name="peer_misbehaved", fields={"peer": member, "code": code, "score": score})
        if peer.score >= limits.SCORE_MAX:
            del self._peers[member]
            yield Disconnect(
                member=member,
                session=peer.session,
                code=code,
                discourage_ms=limits.DISCOURAGE_MS,
            )

    def count_inventory(self, peer: Peer, new: int, now: Now) -> None:
        """Count announcements of transactions against the rate.

        Raises:
            PeerMisbehaved: over the rate, ten points.
        """
        if now.monotonic_ms - peer.inventory_window_ms >= 1_000:
            peer.inventory_window_ms, peer.inventory_count = now.monotonic_ms, 0
        peer.inventory_count += new
        if peer.inventory_count > limits.INVENTORY_PER_SECOND_MAX:
            raise PeerMisbehaved("inventory_spam", score=limits.SURPLUS_INVENTORY_SCORE)
