"""What must hold at every step of every run, whatever breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from consensus.evidence import offence_of
from consensus.votes import SignedVote
from ledger.hashing import BlockHash, TxId
from ledger.identity import ACCOUNT_ID_BYTES, MemberId
from ledger.state import BALANCE, SUPPLY, Delta
from node.core import limits
from node.core.effects import (
    CommitChain,
    Disconnect,
    Effect,
    Halt,
    Note,
    RecordVote,
    Reply,
    RetireTransactions,
    Send,
    StopVoting,
    StoreFinality,
    TransactionStatus,
)
from node.core.messages import MessageType, Votes, decode_message
from tests.simulation.machine import Machine

FRAME_BYTES_MAX = 5 * 1024 * 1024
ACCEPTED = {TransactionStatus.PENDING, TransactionStatus.INCLUDED, TransactionStatus.FINAL}


NEVER_IN_A_BLOCK = {"expired", "sequence_conflict"}
"""Codes that leave a transaction no chance on the chain that is final."""


class InvariantBroken(Exception):
    """Something that must never happen happened."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class Invariants:
    """Looks at every effect of the honest nodes before it is run."""

    def __init__(self, honest: Collection[MemberId]) -> None:
        self.final: dict[int, BlockHash] = {}
        self.decided: dict[TxId, str] = {}
        """Transactions that a node called expired, or beaten to their sequence, with the code."""
        self.acknowledged: dict[TxId, MemberId] = {}
        self.evidence_found = 0
        self.clock_alerts = 0
        self._honest = honest
        self._released: dict[MemberId, list[SignedVote]] = {member: [] for member in honest}

    def check(self, machine: Machine, effects: Sequence[Effect]) -> None:
        """Check the effects of one call of one node."""
        if machine.member not in self._honest:
            return
        for effect in effects:
            check = _CHECKS.get(type(effect))
            if check is not None:
                check(self, machine, effect)

    def _commit(self, machine: Machine, commit: CommitChain) -> None:
        """No block makes or loses money, and the state is the one that the head commits to."""
        for connected in commit.connected:
            _require_conservation(machine, connected.delta)
        engine = machine.engine
        if engine is not None:
            chain = engine.chain
            _require(
                chain.state_tree.root == chain.head.sealed.header.state_root,
                "state_root",
                f"{machine.member} holds another state than its head {chain.head.height} says",
            )

    def _finality(self, machine: Machine, finality: StoreFinality) -> None:
        """One final block a height, on all nodes, for ever."""
        first = finality.root.height - len(finality.finalized) + 1
        for height, block_hash in enumerate(finality.finalized, start=first):
            known = self.final.setdefault(height, block_hash)
            _require(
                known == block_hash,
                "two_final_blocks",
                f"height {height}: {machine.member} finalized {block_hash.hex()[:12]}, "
                f"another node {known.hex()[:12]}",
            )

    def _retire(self, machine: Machine, effect: RetireTransactions) -> None:
        """Note what is told to be in no block, ever: by its window or its sequence."""
        for retirement in effect.retired:
            if retirement.code in NEVER_IN_A_BLOCK:
                self.decided.setdefault(retirement.txid, f"{machine.member}: {retirement.code}")

    def _vote(self, machine: Machine, record: RecordVote) -> None:
        """No honest node releases two votes that convict it."""
        released = self._released[machine.member]
        for earlier in released:
            offence = offence_of(earlier.vote, record.vote.vote)
            _require(
                offence is None, "slashable", f"{machine.member} released a {offence or ''} pair"
            )
        released.append(record.vote)

    def _send(self, machine: Machine, send: Send) -> None:
        """No vote leaves a node that its journal does not hold."""
        if send.frame[1] != MessageType.VOTES:
            return
        message = decode_message(
            send.frame, bytes_max=FRAME_BYTES_MAX, block_bytes_max=FRAME_BYTES_MAX
        )
        if isinstance(message, Votes):
            for vote in message.votes:
                _require(
                    vote.member != machine.member or vote in self._released[machine.member],
                    "unrecorded_vote",
                    f"{machine.member} sent a vote that is not in its journal",
                )

    def _disconnect(self, machine: Machine, effect: Disconnect) -> None:
        """Honest nodes do not turn each other away."""
        is_punished = effect.discourage_ms >= limits.DISCOURAGE_MS
        _require(
            not (is_punished and effect.member in self._honest),
            "honest_peer_punished",
            f"{machine.member} turned {effect.member} away for a day: {effect.code}",
        )

    def _halt(self, machine: Machine, halt: Halt) -> None:
        _require(False, "halted", f"{machine.member} halted: {halt.code} {halt.detail}")

    def _stop_voting(self, machine: Machine, stop: StopVoting) -> None:
        _require(
            False, "voting_stopped", f"{machine.member} met a vote of its own not in its journal"
        )

    def _note(self, machine: Machine, note: Note) -> None:
        """What honest sealers make is never refused."""
        is_own = note.name == "own_block_refused"
        is_honest = note.name == "block_refused" and note.fields.get("sealer") in self._honest
        _require(
            not is_own and not is_honest,
            "honest_block_refused",
            f"{machine.member}: {dict(note.fields)}",
        )
        self.evidence_found += note.name == "evidence_found"
        self.clock_alerts += note.name == "clock_stepped"

    def acknowledge(self, machine: Machine, reply: Reply) -> None:
        """Note what a node promised its customers."""
        for outcome in reply.outcomes:
            if outcome.txid is not None and outcome.status in ACCEPTED:
                self.acknowledged.setdefault(outcome.txid, machine.member)

    def excuse(self, member: MemberId) -> None:
        """Take back what a node promised: it loses its data, and with it what nobody else has."""
        for txid, by in list(self.acknowledged.items()):
            if by == member:
                del self.acknowledged[txid]


def _require(holds: bool, name: str, detail: str) -> None:
    if not holds:
        raise InvariantBroken(name, detail)


def _require_conservation(machine: Machine, delta: Delta) -> None:
    change: Counter[bytes] = Counter()
    for key, after in delta.after.items():
        before = delta.before[key]
        if key[:1] == BALANCE:
            change[key[1 + ACCOUNT_ID_BYTES :]] += (after or 0) - (before or 0)
        elif key[:1] == SUPPLY:
            change[key[1:]] -= (after or 0) - (before or 0)
    _require(
        not any(change.values()), "conservation", f"{machine.member}: a block changed {change}"
    )


_CHECKS: dict[type, Callable[..., None]] = {
    CommitChain: Invariants._commit,
    StoreFinality: Invariants._finality,
    RetireTransactions: Invariants._retire,
    RecordVote: Invariants._vote,
    Send: Invariants._send,
    Disconnect: Invariants._disconnect,
    Halt: Invariants._halt,
    StopVoting: Invariants._stop_voting,
    Note: Invariants._note,
}
