"""Synchronisation: headers first, then bodies in parallel from whoever announced them.

A header is placed in the tree when its parent is there, parked at its peer when it is not (or when
its time is in the future), and refused when it forks off below the last final block. While a
peer's head only waits for its time, no headers are asked of that peer: one of two clocks is wrong,
and asking does not set it. Bodies of placed headers are asked for in order, sixteen at a peer; one
that does not deliver in time is asked less of, and another is asked. A sealer sends its own new
block unasked, before it announces it, if it is small (ADR 0045).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from consensus.headers import validate_target, validate_work
from consensus.tree import BlockNode, TreeFull
from ledger.blocks import SealedHeader
from ledger.errors import LedgerError
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from node.core import limits
from node.core.chain import Chain
from node.core.effects import Effect, Note, Send
from node.core.messages import GetBlocks, GetHeaders, Headers, encode_message
from node.core.peers import Peer, PeerMisbehaved, Peers
from node.core.timing import Now

BELOW_FINAL_SCORE = 25
"""A fork below our last final block may be an honest peer's that has not heard of it yet, so it
takes four to be cut off (threat 39, ADR 0006)."""


class ForkBelowFinal(PeerMisbehaved):
    """A header on a final block below the last one: no block of it can ever be ours."""


class Sync:
    """What is missing, and who was asked for it."""

    def __init__(self, chain: Chain, peers: Peers) -> None:
        self._chain = chain
        self._peers = peers
        self._wanted: dict[BlockHash, BlockNode] = {}
        self._refused_by: dict[BlockHash, set[str]] = {}
        self._delivered_by: dict[BlockHash, MemberId] = {}

    @property
    def is_syncing(self) -> bool:
        """Whether more blocks are missing here than those that may just be on their way."""
        head = self._chain.head
        is_short = len(self._wanted) > limits.BLOCKS_ON_THEIR_WAY_MAX
        if is_short and any(node.chainwork > head.chainwork for node in self._wanted.values()):
            return True
        peers = self._peers.established()
        # When most heads are from the future it is our clock that is behind, and not theirs ahead.
        is_behind = 2 * sum(peer.is_early for peer in peers) > len(peers)
        return is_behind or any(self._is_asked_for_more(peer) for peer in peers)

    def _is_asked_for_more(self, peer: Peer) -> bool:
        """Whether a peer owes the headers that lead to what it announced, and they are many."""
        if peer.headers_asked_ms is None:
            return False
        highest = max((sealed.header.height for sealed in peer.parked.values()), default=0)
        return highest - self._chain.head.height > limits.BLOCKS_ON_THEIR_WAY_MAX

    # --- headers -----------------------------------------------------------------------------

    def on_tip(self, peer: Peer, head: SealedHeader, now: Now) -> Iterable[Effect]:
        """Take an announced head; ask for what leads to it.

        Raises:
            PeerMisbehaved, LedgerError: the header is against the rules.
        """
        peer.best = head
        is_parked = self._place(peer, head, now) is None and head.hash in peer.parked
        yield from self._tell_early(peer, now)
        if is_parked and not peer.is_early:
            yield from self._ask_headers(peer, now)
        yield from self.schedule(now)

    def on_headers(self, peer: Peer, message: Headers, now: Now) -> Iterable[Effect]:
        """Place a batch of headers and ask for the next.

        Raises:
            PeerMisbehaved: not asked for, or not a chain.
            LedgerError: a header is against the rules.
        """
        if not peer.headers_owed:
            raise PeerMisbehaved("unasked_headers", "headers that nobody asked for")
        peer.headers_owed -= 1
        peer.headers_asked_ms = None
        last: BlockNode | None = None
        for sealed, before in zip(message.headers, (None, *message.headers), strict=False):
            if before is not None and sealed.header.parent != before.hash:
                raise PeerMisbehaved("headers_no_chain", "headers that do not follow each other")
            try:
                node = self._place(peer, sealed, now)
            except ForkBelowFinal:
                # It answered what it was asked: it does not know yet what is final here. Its branch is
                # not asked for again, and it is heard once it announces another head.
                peer.best = None
                peer.parked.clear()
                yield Note(name="branch_below_final", fields={"peer": peer.member})
                return
            if node is None and self._is_from_future(sealed, now):
                break  # so are those on it, which would push it out
            last = node or last
        self._place_parked(peer, now)
        yield from self._tell_early(peer, now)
        is_full = len(message.headers) == limits.HEADERS_PER_MESSAGE_MAX
        if last is not None and is_full and self._has_window(last) and not peer.is_early:
            yield from self._ask_headers(peer, now, start=last)
        yield from self.schedule(now)

    def _has_window(self, node: BlockNode) -> bool:
        return node.height - self._chain.head.height < limits.HEADERS_AHEAD_MAX

    def _place(self, peer: Peer, sealed: SealedHeader, now: Now) -> BlockNode | None:
        """Put a header into the tree, or park it; None where it has no place now."""
        known = self._chain.tree.get(sealed.hash)
        if known is not None:
            return known
        if self._chain.is_final_history(sealed):
            return None
        parameters = self._chain.tree.rules.parameters
        validate_work(sealed)
        validate_target(sealed, parameters)
        if sealed.header.parent not in self._chain.tree:
            self._refuse_below_final(sealed)
        if self._is_from_future(sealed, now) or sealed.header.parent not in self._chain.tree:
            self._park(peer, sealed)
            return None
        node = self._chain.accept_header(sealed)
        if not node.has_body:
            self._wanted[node.hash] = node
        return node

    def _is_from_future(self, sealed: SealedHeader, now: Now) -> bool:
        ahead_ms = sealed.header.time_ms - now.wall_ms
        return ahead_ms > self._chain.tree.rules.parameters.future_ms_max

    def _tell_early(self, peer: Peer, now: Now) -> Iterable[Effect]:
        """Note whether all that keeps a peer's head from being placed is the time (threat 56)."""
        best, was_early = peer.best, peer.is_early
        peer.is_early = (
            best is not None
            and best.hash not in self._chain.tree
            and self._is_from_future(best, now)
            and any(sealed.header.parent in self._chain.tree for sealed in peer.parked.values())
        )
        if best is not None and peer.is_early and not was_early:
            ahead_ms = best.header.time_ms - now.wall_ms
            yield Note(name="head_from_future", fields={"peer": peer.member, "ahead_ms": ahead_ms})

    def _refuse_below_final(self, sealed: SealedHeader) -> None:
        height, root = sealed.header.height, self._chain.tree.root
        if height <= root.height and self._chain.hash_at(height - 1) == sealed.header.parent:
            raise ForkBelowFinal(
                "below_final", "forks off below the last final block", score=BELOW_FINAL_SCORE
            )

    def _park(self, peer: Peer, sealed: SealedHeader) -> None:
        peer.parked[sealed.hash] = sealed
        peer.parked.move_to_end(sealed.hash)
        while len(peer.parked) > limits.ORPHANS_PER_PEER_MAX:
            peer.parked.popitem(last=False)

    def _place_parked(self, peer: Peer, now: Now) -> None:
        """Try a peer's parked headers again, lowest first."""
        for sealed in sorted(peer.parked.values(), key=lambda s: s.header.height):
            if sealed.header.parent in self._chain.tree:
                del peer.parked[sealed.hash]
                self._place(peer, sealed, now)
            elif sealed.header.height <= self._chain.tree.root.height:
                del peer.parked[sealed.hash]

    def _ask_headers(
        self, peer: Peer, now: Now, start: BlockNode | None = None
    ) -> Iterable[Effect]:
        if peer.headers_asked_ms is not None:
            return
        peer.headers_asked_ms = now.monotonic_ms
        peer.headers_owed += 1
        locator = self._chain.locator(start or self._chain.head, limits.LOCATOR_MAX)
        yield Send(
            member=peer.member,
            session=peer.session,
            frame=encode_message(GetHeaders(locator=locator)),
        )

    # --- bodies ------------------------------------------------------------------------------

    def on_body(self, peer: Peer, sealed: SealedHeader, size: int, now: Now) -> BlockNode | None:
        """Return the block whose body of ``size`` bytes a peer brings; None where it is no use.

        Raises:
            PeerMisbehaved: neither asked for nor the peer's own new block.
            LedgerError: its header is against the rules.
        """
        node = self._expected(peer, sealed, size, now)
        if node is None or node.has_body or node.is_invalid:
            return None
        self._delivered_by[node.hash] = peer.member
        for asked in self._peers:
            if asked.in_flight.pop(node.hash, None) is not None:
                asked.stall_ms = limits.STALL_MS_MIN
        return node

    def _expected(self, peer: Peer, sealed: SealedHeader, size: int, now: Now) -> BlockNode | None:
        """Return the block in its place: one that was asked for, or that its sealer pushes."""
        is_own = sealed.header.sealer == peer.member and size <= limits.PUSHED_BLOCK_BYTES_MAX
        if is_own and sealed.hash not in peer.in_flight:
            try:
                return self._place(peer, sealed, now)
            except ForkBelowFinal:
                return None  # its announcement follows, and is what counts against the peer
        if not peer.blocks_owed:
            raise PeerMisbehaved(
                "block_unasked", "nobody asked for it", score=limits.UNASKED_BLOCK_SCORE
            )
        # Of this peer or, if it was given up on, of another: whoever brings a body that is wanted.
        peer.blocks_owed -= 1
        peer.in_flight.pop(sealed.hash, None)
        return self._chain.tree.get(sealed.hash)

    def deliverer(self, block_hash: BlockHash) -> MemberId | None:
        """Return who sent a block's body, while it is not final; None for our own."""
        return self._delivered_by.get(block_hash)

    def settle(self, node: BlockNode) -> None:
        """A body was accepted, or its block refused: it is no longer wanted."""
        self._wanted.pop(node.hash, None)
        self._refused_by.pop(node.hash, None)

    def forget(self, hashes: Iterable[BlockHash]) -> None:
        """Blocks left the tree."""
        for block_hash in hashes:
            self._wanted.pop(block_hash, None)
            self._refused_by.pop(block_hash, None)
            self._delivered_by.pop(block_hash, None)

    def on_not_found(self, peer: Peer, hashes: Iterable[BlockHash], now: Now) -> Iterable[Effect]:
        """A peer lacks blocks that it was asked for; others are asked."""
        for block_hash in hashes:
            peer.blocks_owed = max(peer.blocks_owed - 1, 0)
            if peer.in_flight.pop(block_hash, None) is not None:
                self._refused_by.setdefault(block_hash, set()).add(peer.member)
        yield from self.schedule(now)

    def schedule(self, now: Now) -> Iterable[Effect]:
        """Ask for wanted bodies, in order, from peers with room."""
        asked: dict[str, list[BlockHash]] = {}
        in_flight = {block_hash for peer in self._peers for block_hash in peer.in_flight}
        peers = self._peers.established()
        free, highest = _with_room(peers)
        for block_hash, node in list(self._wanted.items()):
            if node.is_invalid or block_hash not in self._chain.tree:
                self.settle(node)
                continue
            if not free:
                break
            if block_hash in in_flight or node.height > highest:
                continue
            peer = self._choose(free, node)
            if peer is None:
                continue
            peer.in_flight[block_hash] = now.monotonic_ms + peer.stall_ms
            peer.blocks_owed += 1
            asked.setdefault(peer.member, []).append(block_hash)
            if len(peer.in_flight) == limits.BLOCKS_IN_FLIGHT_PER_PEER_MAX:
                free, highest = _with_room(free)
        for peer in peers:
            hashes = asked.get(peer.member, [])
            for start in range(0, len(hashes), limits.BLOCKS_PER_REQUEST_MAX):
                part = tuple(hashes[start : start + limits.BLOCKS_PER_REQUEST_MAX])
                yield Send(
                    member=peer.member,
                    session=peer.session,
                    frame=encode_message(GetBlocks(hashes=part)),
                )

    def _choose(self, peers: list[Peer], node: BlockNode) -> Peer | None:
        """Return the peer, of those with room, that is asked for a block: best, whose head it is."""
        refused = self._refused_by.get(node.hash, set())
        able = [peer for peer in peers if _may_have(peer, node) and peer.member not in refused]
        return min(able, key=partial(_preference, node), default=None)

    def on_tick(self, now: Now) -> Iterable[Effect]:
        """Give up on stalled requests, place parked headers whose time came, go on."""
        for peer in self._peers.established():
            late = [h for h, deadline in peer.in_flight.items() if now.monotonic_ms >= deadline]
            for block_hash in late:
                del peer.in_flight[block_hash]
                self._refused_by.setdefault(block_hash, set()).add(peer.member)
            if late:
                peer.stall_ms = min(peer.stall_ms * 2, limits.STALL_MS_MAX)
                yield Note(name="peer_stalled", fields={"peer": peer.member, "blocks": len(late)})
            try:
                yield from self._continue_headers(peer, now)
            except TreeFull as error:
                yield Note(name="header_without_room", fields={"code": error.code})
            except LedgerError as error:  # a parked header's turn came, and it is against the rules
                yield from self._peers.penalise(peer.member, error.code, limits.SCORE_MAX)
            except PeerMisbehaved as error:
                yield from self._peers.penalise(peer.member, error.code, error.score)
        self._forgive()
        yield from self.schedule(now)

    def _continue_headers(self, peer: Peer, now: Now) -> Iterable[Effect]:
        asked_ms = peer.headers_asked_ms
        if asked_ms is not None and now.monotonic_ms - asked_ms >= peer.stall_ms:
            peer.headers_asked_ms = None
            peer.stall_ms = min(peer.stall_ms * 2, limits.STALL_MS_MAX)
        if peer.parked:
            self._place_parked(peer, now)
        yield from self._tell_early(peer, now)
        if peer.is_early:
            return
        best = peer.best
        is_behind = best is not None and best.hash not in self._chain.tree
        if is_behind and best is not None and not self._chain.is_final_history(best):
            wants_more = not self._wanted or self._has_window(
                max(self._wanted.values(), key=lambda node: node.height)
            )
            if wants_more and best.header.height > self._chain.tree.root.height:
                start = max(
                    self._wanted.values(), key=lambda node: node.height, default=self._chain.head
                )
                yield from self._ask_headers(peer, now, start=start)

    def _forgive(self) -> None:
        """When every peer that may have a block failed it, ask them again: nobody else will come."""
        peers = self._peers.established()
        for block_hash, refused in list(self._refused_by.items()):
            node = self._wanted.get(block_hash)
            able = {peer.member for peer in peers if node is not None and _may_have(peer, node)}
            if able <= refused:
                del self._refused_by[block_hash]


def _with_room(peers: list[Peer]) -> tuple[list[Peer], int]:
    """Return the peers that may be asked for more, and the height of the highest of their heads.

    A peer that is behind has room and nothing to give: thousands of blocks are not held against it.
    """
    free = [p for p in peers if len(p.in_flight) < limits.BLOCKS_IN_FLIGHT_PER_PEER_MAX]
    heights = (peer.best.header.height for peer in free if peer.best is not None)
    return free, max(heights, default=0)


def _may_have(peer: Peer, node: BlockNode) -> bool:
    """Tell whether a peer's head is high enough for it to have the block."""
    return peer.best is not None and peer.best.header.height >= node.height


def _preference(node: BlockNode, peer: Peer) -> tuple[bool, int, int, MemberId]:
    """Return the sort key of a peer to ask: its own head first, then the least busy."""
    is_its_head = peer.best is not None and peer.best.hash == node.hash
    return not is_its_head, len(peer.in_flight), peer.stall_ms, peer.member
