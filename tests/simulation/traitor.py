"""A member that went over to the enemy: its node follows the protocol and breaks it besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random

from consensus.votes import Checkpoint, SignedVote, Vote
from ledger.blocks import Block, SealedHeader, decode_header, seal_message
from ledger.hashing import HASH_BYTES, BlockHash, double_sha256
from ledger.identity import MemberId
from ledger.keys import SIGNATURE_BYTES
from ledger.merkle import EMPTY_ROOT
from node.core.effects import CommitChain, Effect, Send, StartMining
from node.core.messages import (
    BlockMessage,
    GetBlocks,
    Headers,
    MessageType,
    Tip,
    Votes,
    decode_message,
    encode_message,
)
from tests.simulation.machine import Machine, Surroundings
from tests.simulation.scenario import Attack

WITHHELD_MS = 8_000
GARBAGE_EVERY_MS = 3_000
FRAME_BYTES_MAX = 5 * 1024 * 1024


class Traitor(Machine):
    """One faulty member, fewer than a third of any network."""

    def __init__(
        self,
        member: MemberId,
        around: Surroundings,
        random: Random,
        skew_ms: int,
        attack: Attack,
    ) -> None:
        super().__init__(member, around, random, skew_ms)
        self.attack = attack
        self.deeds = 0
        self._lie: Block | None = None

    @property
    def _peers(self) -> dict[MemberId, int]:
        """Sessions of its peers by member."""
        if self.engine is None:
            return {}
        return {peer.member: peer.session for peer in self.engine.peers.established()}

    def _tell(self, frame: bytes, chance: float = 1.0) -> None:
        """Send a frame to everyone, or to each with some chance."""
        for member, session in self._peers.items():
            if self._random.random() < chance:
                self._around.network.send(self.member, member, session, frame)

    def start(self) -> None:
        """Start, and begin to plot."""
        super().start()
        if self.attack is Attack.GARBAGE:
            self._later(GARBAGE_EVERY_MS, self._spread_garbage)

    def _perform(self, effect: Effect) -> None:
        super()._perform(effect)
        if isinstance(effect, CommitChain):
            if self.attack is Attack.DOUBLE_VOTES:
                self._vote_twice()
            elif self.attack is Attack.FORGED_VOTES:
                self._forge_votes()

    # --- votes -------------------------------------------------------------------------------

    def _link(self, target: BlockHash | None = None) -> Vote | None:
        """Return the link from the last justified block to the head, or to another target."""
        if self.engine is None:
            return None
        head, tally = self.engine.chain.head.checkpoint, self.engine.finality.tally
        source = tally.final
        if head.height <= source.height:
            return None
        if target is not None:
            head = Checkpoint(height=head.height, hash=target)
        return Vote(set_id=self._around.rules.sealers.set_id, source=source, target=head)

    def _vote_twice(self) -> None:
        """Vote for the head to some, for a block that does not exist to the others."""
        for target in (None, BlockHash(self._random.randbytes(HASH_BYTES))):
            link = self._link(target)
            if link is not None:
                message = link.message(self._around.rules.genesis_hash)
                signature = self._around.register.sealers[self.member].sign(message)
                vote = SignedVote(member=self.member, vote=link, signature=signature)
                self.deeds += 1
                self._tell(encode_message(Votes(votes=(vote, vote))), 0.7)

    def _forge_votes(self) -> None:
        """Vote in the name of another member."""
        link = self._link()
        if link is not None:
            other = self._random.choice(sorted(self._around.rules.sealers.keys))
            signature = self._random.randbytes(SIGNATURE_BYTES)
            vote = SignedVote(member=other, vote=link, signature=signature)
            self.deeds += 1
            self._tell(encode_message(Votes(votes=(vote,))), 0.3)

    # --- blocks ------------------------------------------------------------------------------

    def _send(self, effect: Send) -> None:
        """Announce late, if blocks are withheld, and deliver none of them."""
        kind = effect.frame[1]
        if self.attack is Attack.WITHHELD_BLOCKS and kind == MessageType.TIP:
            self.deeds += 1
            self._later(WITHHELD_MS, partial(super()._send, effect))
        elif self.attack is not Attack.WITHHELD_BLOCKS or kind != MessageType.BLOCK:
            super()._send(effect)

    def _solve(self, job: StartMining) -> None:
        """Make of the solved header one with a lie in it, now and then; push and announce that."""
        if self.attack is Attack.GARBAGE and self._random.random() < 0.5:
            if job.job_id == self._job_id:
                self._announce_lie(job)
        else:
            super()._solve(job)

    def _announce_lie(self, job: StartMining) -> None:
        header = decode_header(job.work_prefix + self._miner.solve(job))
        false = self._random.choice(
            (
                {"state_root": self._random.randbytes(HASH_BYTES)},
                {"time_ms": header.time_ms + 3_600_000},
                {"bits": header.bits + 1},
                {"clock_ms": header.clock_ms + 1},
                {"history_root": self._random.randbytes(HASH_BYTES)},
                {"height": header.height + 1},
                {"parent": BlockHash(self._random.randbytes(HASH_BYTES))},
            )
        )
        lie = replace(
            header, **false, transaction_count=0, tx_root=EMPTY_ROOT, certificates_root=EMPTY_ROOT
        )
        for counter in count(self._random.getrandbits(48)):
            lie = lie.with_nonce(counter.to_bytes(8))
            if int.from_bytes(double_sha256(lie.encode())) <= job.target:
                break
        unsealed = SealedHeader(header=lie, header_bytes=lie.encode(), seal=bytes(SIGNATURE_BYTES))
        seal = self._around.register.sealers[self.member].sign(seal_message(unsealed.hash))
        self._lie = Block(sealed=replace(unsealed, seal=seal), transactions=(), certificates=())
        self.deeds += 1
        self._tell(encode_message(BlockMessage(block=self._lie.encode())), 0.5)
        self._tell(encode_message(Tip(head=self._lie.sealed, justified=b"", final=b"")))

    def on_frame(self, peer: MemberId, session: int, frame: bytes) -> None:
        """Deliver the lie to whoever asks for it."""
        if frame[1] == MessageType.GET_BLOCKS and self._lie is not None:
            message = decode_message(
                frame, bytes_max=FRAME_BYTES_MAX, block_bytes_max=FRAME_BYTES_MAX
            )
            if isinstance(message, GetBlocks) and self._lie.hash in message.hashes:
                answer = encode_message(BlockMessage(block=self._lie.encode()))
                self._around.network.send(self.member, peer, session, answer)
        super().on_frame(peer, session, frame)

    # --- garbage -----------------------------------------------------------------------------

    def _spread_garbage(self) -> None:
        if self.engine is not None:
            tip = encode_message(Tip(head=self.engine.chain.head.sealed, justified=b"", final=b""))
            garbage: tuple[Callable[[], bytes], ...] = (
                lambda: self._random.randbytes(self._random.randrange(2, 300)),
                lambda: tip[: self._random.randrange(2, len(tip))],
                lambda: self._flipped(tip),
                lambda: b"\x91" * 5_000,
                lambda: b"\x92\x03\xdd\xff\xff\xff\xff",
                lambda: b"\x81\x01\x02",
                lambda: encode_message(Headers(headers=())),
            )
            self.deeds += 1
            self._tell(self._random.choice(garbage)(), 0.3)
        self._later(GARBAGE_EVERY_MS, self._spread_garbage)

    def _flipped(self, frame: bytes) -> bytes:
        broken = bytearray(frame)
        broken[self._random.randrange(len(broken))] ^= 1 << self._random.randrange(8)
        return bytes(broken)
