"""Sessions: the hello of a peer, and the way of each of its messages to the part it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from consensus.tree import TreeFull
from consensus.votes import Certificate, decode_certificate
from ledger.errors import InvalidProof, LedgerError
from ledger.identity import MemberId
from node.core import limits
from node.core.admission import Admission
from node.core.chain import Chain
from node.core.effects import Disconnect, Effect, Note, Send
from node.core.finality import Finality
from node.core.intake import Intake
from node.core.messages import (
    BlockMessage,
    GetBlocks,
    GetHeaders,
    GetMemberVotes,
    GetTransactions,
    Headers,
    Hello,
    Inventory,
    MemberVotes,
    Message,
    NotFound,
    Refuse,
    Tip,
    Transactions,
    UnknownVersion,
    Votes,
    decode_message,
    encode_message,
    frame_bytes_max,
)
from node.core.peers import Peer, PeerMisbehaved, Peers
from node.core.ports import Environment
from node.core.progress import Progress
from node.core.relay import Relay
from node.core.sync import Sync
from node.core.timing import Now


class Sessions:
    """Messages in, effects out, for every connected peer."""

    def __init__(  # noqa: PLR0913 - the parts that messages are for
        self,
        environment: Environment,
        chain: Chain,
        peers: Peers,
        *,
        admission: Admission,
        finality: Finality,
        intake: Intake,
        progress: Progress,
        relay: Relay,
        sync: Sync,
        next_job: Callable[[], int],
    ) -> None:
        self._environment = environment
        self._rules = environment.rules
        self._chain = chain
        self._peers = peers
        self._admission = admission
        self._finality = finality
        self._intake = intake
        self._progress = progress
        self._relay = relay
        self._sync = sync
        self._next_job = next_job

    def connect(self, member: MemberId, session: int, now: Now) -> Iterable[Effect]:
        """Begin a session: say hello."""
        peer = self._peers.add(member, session, now)
        hello = Hello(
            version=limits.PROTOCOL_VERSION,
            genesis_hash=self._rules.genesis_hash,
            member=self._environment.member,
            tip=self._progress.tip(),
        )
        yield Send(member=peer.member, session=peer.session, frame=encode_message(hello))

    def expire(self, now: Now) -> Iterable[Effect]:
        """End sessions whose hello did not come in time; call on every tick."""
        for peer in self._peers:
            is_late = now.monotonic_ms - peer.connected_ms >= limits.HELLO_MS_MAX
            if not peer.is_established and is_late:
                self._peers.remove(peer.member)
                yield Disconnect(
                    member=peer.member, session=peer.session, code="hello_timeout", discourage_ms=0
                )

    def receive(self, peer: Peer, frame: bytes, now: Now) -> Iterable[Effect]:
        """Take one frame of a peer; whatever is wrong with it is held against the peer."""
        block_bytes_max = self._rules.parameters.block_bytes_max
        try:
            message = decode_message(
                frame,
                bytes_max=frame_bytes_max(block_bytes_max),
                block_bytes_max=block_bytes_max,
            )
            yield from self._dispatch(peer, message, now)
        except UnknownVersion as error:
            yield from self._refuse(peer, error.code, error.detail)
        except TreeFull as error:
            yield Note(name="header_without_room", fields={"code": error.code})
        except LedgerError as error:
            yield Note(name="message_refused", fields={"peer": peer.member, "code": error.code})
            yield from self._peers.penalise(peer.member, error.code, limits.SCORE_MAX)
        except PeerMisbehaved as error:
            yield from self._peers.penalise(peer.member, error.code, error.score)

    def _dispatch(self, peer: Peer, message: Message, now: Now) -> Iterable[Effect]:
        if isinstance(message, Hello):
            yield from self._on_hello(peer, message, now)
        elif isinstance(message, Refuse):
            self._peers.remove(peer.member)
            yield Note(name="refused_by_peer", fields={"peer": peer.member, "code": message.code})
            yield Disconnect(
                member=peer.member, session=peer.session, code="refused", discourage_ms=0
            )
        elif not peer.is_established:
            raise PeerMisbehaved("hello_missing", "a message before the hello")
        elif isinstance(message, Inventory | GetTransactions | Transactions):
            yield from self._on_transactions(peer, message, now)
        elif isinstance(message, Votes | GetMemberVotes | MemberVotes):
            yield from self._on_votes(peer, message, now)
        else:
            yield from self._on_chain(peer, message, now)

    def _on_hello(self, peer: Peer, hello: Hello, now: Now) -> Iterable[Effect]:
        if peer.is_established:
            raise PeerMisbehaved("second_hello", "a session has one hello")
        if hello.member != peer.member:
            raise PeerMisbehaved("wrong_identity", "the hello names another member than TLS")
        if hello.genesis_hash != self._rules.genesis_hash:
            yield from self._refuse(peer, "wrong_chain", "another genesis hash")
            return
        peer.is_established = True
        yield Note(name="peer_established", fields={"peer": peer.member})
        self._relay.introduce(peer)
        yield from self._introduce_votes(peer, now)
        yield from self._on_tip(peer, hello.tip, now)

    def _introduce_votes(self, peer: Peer, now: Now) -> Iterable[Effect]:
        """Send what a new peer may have missed: the votes above the last final block, newest first."""
        votes = self._finality.tally.open_votes()
        for end in range(len(votes), 0, -limits.VOTES_PER_MESSAGE_MAX):
            if not peer.may_be_served(now):
                return
            part = votes[max(end - limits.VOTES_PER_MESSAGE_MAX, 0) : end]
            yield self._serve(peer, Votes(votes=part))

    def _serve(self, peer: Peer, message: Message) -> Send:
        """Return the sending of a message that counts for what the peer is served in a second."""
        frame = encode_message(message)
        peer.served_bytes += len(frame)
        return Send(member=peer.member, session=peer.session, frame=frame)

    def _refuse(self, peer: Peer, code: str, detail: str) -> Iterable[Effect]:
        self._peers.remove(peer.member)
        yield Send(
            member=peer.member,
            session=peer.session,
            frame=encode_message(Refuse(code=code, detail=detail)),
        )
        yield Note(name="peer_refused", fields={"peer": peer.member, "code": code})
        yield Disconnect(
            member=peer.member, session=peer.session, code=code, discourage_ms=limits.REFUSED_MS
        )

    def _on_transactions(
        self, peer: Peer, message: Inventory | GetTransactions | Transactions, now: Now
    ) -> Iterable[Effect]:
        if isinstance(message, Inventory):
            yield from self._relay.on_inventory(peer, message, now)
        elif isinstance(message, GetTransactions):
            yield from self._relay.on_request(peer, message, now)
        else:
            yield from self._admission.receive(peer, message.transactions, self._next_job())

    def _on_votes(
        self, peer: Peer, message: Votes | GetMemberVotes | MemberVotes, now: Now
    ) -> Iterable[Effect]:
        if isinstance(message, Votes):
            yield from self._finality.hear(message.votes, peer, now)
        elif isinstance(message, GetMemberVotes):
            yield from self._send_member_votes(peer, message.member, now)
        else:
            if message.member != self._environment.member:
                raise PeerMisbehaved("wrong_member_votes", "votes that nobody asked for")
            yield from self._finality.hear_own(message.votes, peer)

    def _send_member_votes(self, peer: Peer, member: MemberId, now: Now) -> Iterable[Effect]:
        if peer.may_be_served(now):  # else it asks again
            votes = self._finality.latest_of(member)
            yield self._serve(peer, MemberVotes(member=member, votes=votes))

    def _on_chain(
        self,
        peer: Peer,
        message: Tip | GetHeaders | Headers | GetBlocks | BlockMessage | NotFound,
        now: Now,
    ) -> Iterable[Effect]:
        match message:
            case Tip():
                yield from self._on_tip(peer, message, now)
            case GetHeaders():
                yield from self._send_headers(peer, message, now)
            case Headers():
                yield from self._sync.on_headers(peer, message, now)
            case GetBlocks():
                yield from self._send_blocks(peer, message, now)
            case BlockMessage():
                yield from self._intake.receive(peer, message.block, self._next_job(), now)
                yield from self._sync.schedule(now)
            case NotFound():
                yield from self._sync.on_not_found(peer, message.hashes, now)

    def _on_tip(self, peer: Peer, tip: Tip, now: Now) -> Iterable[Effect]:
        for encoded in (tip.justified, tip.final):
            if encoded:
                self._add_certificate(decode_certificate(encoded))
        yield from self._sync.on_tip(peer, tip.head, now)

    def _add_certificate(self, certificate: Certificate) -> None:
        target = certificate.vote.target
        if self._finality.tally.certificate_for(target.hash) is not None:
            return
        is_below = target.height <= self._finality.tally.final.height
        if is_below and self._chain.hash_at(target.height) == target.hash:
            return  # of another block it would contradict what is final: it is looked at
        try:
            certificate.validate(
                self._rules.sealers, self._rules.genesis_hash, self._environment.verify
            )
        except InvalidProof as error:
            raise PeerMisbehaved(error.code, error.detail) from None
        self._finality.tally.add_certificate(certificate)

    def _send_headers(self, peer: Peer, request: GetHeaders, now: Now) -> Iterable[Effect]:
        if peer.may_be_served(now):  # else it asks again
            headers = self._chain.headers_after(request.locator, limits.HEADERS_PER_MESSAGE_MAX)
            yield self._serve(peer, Headers(headers=headers))

    def _send_blocks(self, peer: Peer, request: GetBlocks, now: Now) -> Iterable[Effect]:
        missing = []
        for block_hash in request.hashes:
            is_served = peer.may_be_served(now) and self._chain.is_validated(block_hash)
            raw = self._environment.store.block_bytes(block_hash) if is_served else None
            if raw is None:
                missing.append(block_hash)
            else:
                yield self._serve(peer, BlockMessage(block=raw))
        if missing:
            yield Send(
                member=peer.member,
                session=peer.session,
                frame=encode_message(NotFound(hashes=tuple(missing))),
            )
