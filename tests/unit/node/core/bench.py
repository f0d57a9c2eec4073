"""One engine on a bench: a real store beneath it, and peers that say whatever a test wants.

bench = Bench()
bench.connect("bank2")
bench.deliver("bank2", bench.block(bench.genesis))
assert bench.engine.chain.head.height == 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

from consensus.headers import ChainRules
from consensus.votes import Certificate, SignedVote, Vote
from ledger.blocks import Block, SealedHeader
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.state import Overlay, Record, StateKey, encode_record
from ledger.state_tree import tree_of
from ledger.transactions import SignedTransaction
from ledger.transition import apply_transaction
from node.core import limits
from node.core.effects import (
    Disconnect,
    Effect,
    Note,
    RecordVote,
    Reply,
    Send,
    StartMining,
    StopMining,
    StoreBlock,
    SubmissionOutcome,
    VerifySignatures,
)
from node.core.engine import Engine
from node.core.events import (
    Event,
    FrameReceived,
    NonceFound,
    PeerConnected,
    PeerDisconnected,
    SignaturesVerified,
    Tick,
    TransactionsSubmitted,
)
from node.core.messages import (
    BlockMessage,
    GetBlocks,
    Headers,
    Hello,
    MemberVotes,
    Message,
    Tip,
    decode_message,
    encode_message,
)
from node.core.ports import Environment, RecoveredVotes
from node.core.timing import Now
from node.storage.memory import MemoryStore
from node.workers.search import NONCE_BYTES, search
from tests.chains import ChainBuilder
from tests.factories import GENESIS_TIME_MS, Network, make_network

FRAME_BYTES_MAX = 5 * 1024 * 1024
NONCES_TRIED = 10_000
_E = TypeVar("_E", bound=Effect)
_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A block with the whole state after it."""

    block: Block
    state: dict[StateKey, Record]

    @property
    def sealed(self) -> SealedHeader:
        return self.block.sealed

    @property
    def hash(self) -> BlockHash:
        return self.block.hash

    def get(self, key: StateKey) -> Record | None:
        """Return a record of the state after this block."""
        return self.state.get(key)


class Bench:
    """Drives an engine, runs its writes, and keeps what it wanted done."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        member: str = "bank1",
        votes: Sequence[SignedVote] = (),
        is_mining: bool = False,
        store: MemoryStore | None = None,
    ) -> None:
        self.network = network or make_network()
        self.chain = ChainBuilder(self.network)
        self.member = MemberId(member)
        self.store = store or MemoryStore(self.network.genesis)
        self.wall_ms = GENESIS_TIME_MS + 60_000
        self.monotonic_ms = 0
        self.effects: list[Effect] = []
        self.job: StartMining | None = None
        """What the engine has mined, if anything."""
        self.genesis = Made(
            block=Block(sealed=self.chain.genesis, transactions=(), certificates=()),
            state=dict(self.network.genesis.state()),
        )
        self._sessions: dict[str, int] = {}
        self._requests = 0
        self.engine = Engine(
            Environment(
                member=self.member,
                chain_id="test",
                rules=self.rules,
                store=self.store,
                votes=RecoveredVotes(votes=tuple(votes), is_stopped=False),
                verify=verify,
                sign=self.network.sealers[self.member].sign,
                random_bytes=bytes,
                is_mining=is_mining,
            )
        )
        self._run(self.engine.start(self.now))

    @property
    def rules(self) -> ChainRules:
        """Rules of the chain."""
        return self.chain.rules

    @property
    def now(self) -> Now:
        """This moment, on both of the engine's clocks."""
        return Now(wall_ms=self.wall_ms, monotonic_ms=self.monotonic_ms)

    @property
    def height(self) -> int:
        """Height of the engine's head."""
        return self.engine.chain.head.height

    # --- events ------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Effect]:
        """Give the engine an event, and verdicts for what it wants verified; return all effects."""
        self.effects = []
        self._run(self.engine.handle(event, self.now))
        return self.effects

    def _run(self, effects: tuple[Effect, ...]) -> None:
        self.store.apply(effects)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, StartMining | StopMining):
                self.job = effect if isinstance(effect, StartMining) else None
            if isinstance(effect, VerifySignatures):
                verdicts = tuple(verify(*item) for item in effect.items)
                answer = SignaturesVerified(job_id=effect.job_id, verdicts=verdicts)
                self._run(self.engine.handle(answer, self.now))

    def tick(self, after_ms: int = 100) -> list[Effect]:
        """Let time pass, and tick."""
        self.wait(after_ms)
        return self.handle(Tick())

    def wait(self, after_ms: int) -> None:
        """Let time pass on both clocks, without a tick."""
        self.wall_ms += after_ms
        self.monotonic_ms += after_ms

    def connect(self, *members: str, tip: SealedHeader | None = None) -> None:
        """Let members connect and say hello, with genesis as their head unless told."""
        for member in members:
            self.meet(member)
            self.receive(member, self.hello(member, tip=tip))

    def meet(self, member: str) -> list[Effect]:
        """Let a member connect and say nothing yet."""
        self._sessions[member] = self._sessions.get(member, 0) + 1
        return self.handle(PeerConnected(member=MemberId(member), session=self._sessions[member]))

    def leave(self, member: str) -> list[Effect]:
        """End the session of a member."""
        return self.handle(
            PeerDisconnected(member=MemberId(member), session=self._sessions[member])
        )

    def hello(self, member: str, *, tip: SealedHeader | None = None) -> Hello:
        """Return a member's hello."""
        return Hello(
            version=limits.PROTOCOL_VERSION,
            genesis_hash=self.network.genesis_hash,
            member=MemberId(member),
            tip=Tip(head=tip or self.chain.genesis, justified=b"", final=b""),
        )

    def receive(self, member: str, message: Message) -> list[Effect]:
        """Let a member send a message."""
        return self.receive_frame(member, encode_message(message))

    def receive_frame(self, member: str, frame: bytes) -> list[Effect]:
        """Let a member send any bytes."""
        return self.handle(
            FrameReceived(member=MemberId(member), session=self._sessions[member], frame=frame)
        )

    def submit(self, *transactions: SignedTransaction | bytes) -> tuple[SubmissionOutcome, ...]:
        """Submit transactions as a customer does; return the answer."""
        self._requests += 1
        raws = tuple(t if isinstance(t, bytes) else t.raw for t in transactions)
        self.handle(TransactionsSubmitted(request_id=self._requests, transactions=raws))
        (reply,) = self.wanted(Reply)
        return reply.outcomes

    def mine(self) -> Block:
        """Let the engine find the block that it works on; return it as it was stored."""
        assert self.job is not None
        nonce = search(self.job.work_prefix, self.job.target, 0, NONCES_TRIED)
        assert nonce is not None
        self.handle(NonceFound(job_id=self.job.job_id, nonce=nonce.to_bytes(NONCE_BYTES)))
        (stored,) = self.wanted(StoreBlock)
        return stored.block

    # --- effects of the last event -----------------------------------------------------------

    def wanted(self, kind: type[_E]) -> list[_E]:
        """Return the effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def sent(self, member: str, kind: type[_M]) -> list[_M]:
        """Return the messages of one kind to a member."""
        messages = [
            decode_message(s.frame, bytes_max=FRAME_BYTES_MAX, block_bytes_max=FRAME_BYTES_MAX)
            for s in self.wanted(Send)
            if s.member == member
        ]
        return [message for message in messages if isinstance(message, kind)]

    def notes(self, name: str) -> list[Note]:
        """Return the notes of one name."""
        return [note for note in self.wanted(Note) if note.name == name]

    def votes_cast(self) -> list[Vote]:
        """Return the votes that the engine released."""
        return [record.vote.vote for record in self.wanted(RecordVote)]

    def punished(self) -> tuple[str, str] | None:
        """Return who was cut off and discouraged for 24 hours, and why; None if nobody was."""
        cut = [d for d in self.wanted(Disconnect) if d.discourage_ms == limits.DISCOURAGE_MS]
        return (cut[0].member, cut[0].code) if cut else None

    # --- blocks and votes --------------------------------------------------------------------

    def block(
        self,
        parent: Made,
        *transactions: SignedTransaction,
        certificates: Sequence[Certificate] = (),
        step_ms: int = 1_000,
        sealer: str | None = None,
        **changes: Any,
    ) -> Made:
        """Return a mined block that keeps every rule, but for the header fields in ``changes``."""
        overlay = Overlay(parent)
        height = parent.block.header.height + 1
        for transaction in transactions:
            apply_transaction(
                overlay, transaction, height=height, genesis_hash=self.network.genesis_hash
            )
        written = parent.state | dict(overlay.delta().after)
        state = {key: record for key, record in written.items() if record is not None}
        encoded = tuple(certificate.encode() for certificate in certificates)
        draft = self.chain.draft(
            parent.sealed,
            sealer=None if sealer is None else MemberId(sealer),
            step_ms=step_ms,
            transactions=transactions,
            certificates=encoded,
        )
        root = tree_of({key: encode_record(record) for key, record in state.items()}).root
        sealed = self.chain.mine(replace(draft, **({"state_root": root} | changes)))
        block = Block(sealed=sealed, transactions=transactions, certificates=encoded)
        return Made(block=block, state=state)

    def row(self, parent: Made, count: int) -> list[Made]:
        """Return empty blocks in a row on ``parent``."""
        made = [parent]
        for _ in range(count):
            made.append(self.block(made[-1]))
        return made[1:]

    def announce(self, member: str, sealed: SealedHeader) -> list[Effect]:
        """Let a member announce a head."""
        return self.receive(member, Tip(head=sealed, justified=b"", final=b""))

    def deliver(self, member: str, *blocks: Made) -> list[Effect]:
        """Let a member announce blocks, and deliver each that it is asked for."""
        effects: list[Effect] = []
        for made in blocks:
            effects += self.announce(member, made.sealed)
            asked = [h for message in self.sent(member, GetBlocks) for h in message.hashes]
            if made.hash in asked:
                effects += self.receive(member, BlockMessage(block=made.block.encode()))
        self.effects = effects
        return effects

    def answer_headers(self, member: str, *blocks: Made) -> list[Effect]:
        """Let a member answer a request for headers."""
        return self.receive(member, Headers(headers=tuple(made.sealed for made in blocks)))

    def recover_votes(self, *members: str) -> None:
        """Let members say that they heard no vote of ours."""
        for member in members:
            self.receive(member, MemberVotes(member=self.member, votes=()))

    def finalize(self, member: str, *blocks: Made) -> list[Effect]:
        """Let a member prove a row from a justified block on justified, and final but its last."""
        head = self.engine.chain.head.sealed
        effects: list[Effect] = []
        for source, target in pairwise(blocks):
            certificate = self.chain.certificate(source.sealed, target.sealed).encode()
            effects += self.receive(member, Tip(head=head, justified=certificate, final=b""))
        self.effects = effects
        return effects

    def votes(self, source: Made, target: Made, *members: str) -> tuple[SignedVote, ...]:
        """Return the votes of members for a link."""
        voters = [MemberId(member) for member in members]
        return self.chain.votes(source.sealed, target.sealed, voters)
