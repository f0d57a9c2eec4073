"""Finality at this node: the tally it counts in, the votes it casts, the journal that allows them.

After a start no vote leaves before q - 1 other members told which votes of ours they heard: if the
data under us was restored or the key copied, one of them is missing from the journal, and the key
stops for good instead of voting twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from consensus.evidence import Evidence
from consensus.finality import FinalityTally
from consensus.tree import BlockTree
from consensus.votes import SignedVote
from consensus.voting import VOTE_ROUND_TRIPS, VoteJournal, Voter
from ledger.errors import InvalidProof
from ledger.identity import MemberId
from node.core import limits
from node.core.chain import Chain, CoreFault
from node.core.effects import Effect, Note, RecordVote, Send, StopVoting, StoreEvidence, StoreVotes
from node.core.messages import GetMemberVotes, Votes, encode_message
from node.core.peers import Peer, PeerMisbehaved, Peers
from node.core.ports import Environment
from node.core.timing import Now


class Finality:
    """Votes heard and votes cast."""

    def __init__(
        self, environment: Environment, tally: FinalityTally, chain: Chain, peers: Peers
    ) -> None:
        self._environment = environment
        self._rules = environment.rules
        self._chain = chain
        self._peers = peers
        self.tally = tally
        self.journal = VoteJournal(environment.votes.votes, stopped=environment.votes.is_stopped)
        self._voter = Voter(environment.rules.sealers.set_id)
        self._standing = self.journal.latest
        self._heard_from: set[MemberId] = set()
        self._budgets: dict[tuple[MemberId, bool], tuple[int, int]] = {}
        self._asked_ms: int | None = None
        self._released_ms: int | None = None
        self._resent_ms = 0
        self._round_trip_ms = limits.VOTE_ROUND_TRIP_MS_START
        self._evidence_counts: Counter[MemberId] = Counter()
        self._count_released()

    def _count_released(self) -> None:
        """Count our own votes again: one may have been recorded and never sent.

        Raises:
            CoreFault: they are not of our key on this chain.
        """
        for vote in self._environment.votes.votes:
            if vote.vote.target.height > self.tally.final.height:
                try:
                    self.tally.add(vote, self._environment.verify)
                except InvalidProof as error:
                    raise CoreFault("foreign_journal", f"the vote journal: {error}") from None

    @property
    def is_recovered(self) -> bool:
        """Whether enough members told which votes of ours they heard."""
        return len(self._heard_from) >= self._rules.sealers.quorum - 1

    @property
    def is_voting(self) -> bool:
        """Whether our key casts votes now."""
        environment = self._environment
        return (
            environment.sign is not None
            and environment.member in self._rules.sealers.keys
            and not self.journal.stopped
            and self.is_recovered
        )

    @property
    def is_adrift(self) -> bool:
        """Whether the last final block is not on the head's chain yet: its bodies are missing."""
        return not self._chain.head.descends_from_checkpoint(self.tally.final)

    # --- votes come in -----------------------------------------------------------------------

    def hear(self, votes: Iterable[SignedVote], sender: Peer, now: Now) -> Iterable[Effect]:
        """Count votes of a peer; pass on those that are new.

        Raises:
            PeerMisbehaved: a forged vote, or one of nobody in the set.
        """
        fresh: list[SignedVote] = []
        for vote in votes:
            if self.tally.knows(vote) or not self._has_budget(vote, now):
                continue
            try:
                yield from self._count(vote)
            except InvalidProof as error:
                raise PeerMisbehaved(error.code, error.detail) from None
            fresh.append(vote)
        if fresh:
            yield StoreVotes(votes=tuple(fresh))
            frame = encode_message(Votes(votes=tuple(fresh)))
            for peer in self._peers.established():
                if peer is not sender:
                    yield Send(member=peer.member, session=peer.session, frame=frame)

    def _has_budget(self, vote: SignedVote, now: Now) -> bool:
        """Tell whether a voter's new votes are within its rate; a traitor's flood is dropped.

        Votes at or below the last final block have a rate of their own, so that a replay of old
        votes takes nothing from new ones.
        """
        budget = (vote.member, vote.vote.target.height > self.tally.final.height)
        began_ms, count = self._budgets.get(budget, (now.monotonic_ms, 0))
        if now.monotonic_ms - began_ms >= limits.VOTE_BUDGET_MS:
            began_ms, count = now.monotonic_ms, 0
        self._budgets[budget] = (began_ms, count + 1)
        return count < limits.VOTES_PER_BUDGET_MAX

    def _count(self, vote: SignedVote) -> Iterable[Effect]:
        evidence = self.tally.add(vote, self._environment.verify)
        if evidence is not None:
            yield from self.report(evidence)
        if vote.member == self._environment.member:
            yield from self._recognise(vote)

    def restore_evidence(self, found: Iterable[Evidence]) -> None:
        """Count the evidence that this node stored before it stopped."""
        self._evidence_counts.update(evidence.first.member for evidence in found)

    def report(self, evidence: Evidence) -> Iterable[Effect]:
        """Keep evidence of a faulty voter and send both votes to everyone.

        A peer may have heard only one of them.
        """
        member = evidence.first.member
        if self._evidence_counts[member] >= limits.EVIDENCE_PER_MEMBER_MAX:
            return
        self._evidence_counts[member] += 1
        yield StoreEvidence(evidence=evidence, height=self._chain.head.height)
        yield Note(
            name="evidence_found",
            fields={"member": member, "offence": evidence.offence.value},
        )
        frame = encode_message(Votes(votes=(evidence.first, evidence.second)))
        for peer in self._peers.established():
            yield Send(member=peer.member, session=peer.session, frame=frame)

    def _recognise(self, vote: SignedVote) -> Iterable[Effect]:
        if not self.journal.stopped and not self.journal.recognises(vote):
            self.journal.stop()
            yield StopVoting(vote=vote)
            yield Note(name="voting_stopped", fields={"target": vote.vote.target.height})

    # --- recovery ----------------------------------------------------------------------------

    def hear_own(self, votes: Iterable[SignedVote], sender: Peer) -> Iterable[Effect]:
        """Take a member's word on which votes of ours it heard.

        Raises:
            PeerMisbehaved: a vote that is not ours, or forged.
        """
        for vote in votes:
            if vote.member != self._environment.member:
                raise PeerMisbehaved("wrong_member_votes", "votes of another member than asked")
            if self.journal.stopped or self.journal.recognises(vote):
                continue  # it counts already, and answers cost no signature each
            try:
                yield from self._count(vote)
            except InvalidProof as error:
                raise PeerMisbehaved(error.code, error.detail) from None
        if sender.member in self._rules.sealers.keys:
            self._heard_from.add(sender.member)

    def ask(self, now: Now) -> Iterable[Effect]:
        """Ask members that have not told yet; call on every tick."""
        asked_ms = self._asked_ms
        is_due = asked_ms is None or now.monotonic_ms - asked_ms >= limits.RECOVERY_ASK_MS
        if self._environment.sign is None or self.is_recovered or not is_due:
            return
        self._asked_ms = now.monotonic_ms
        frame = encode_message(GetMemberVotes(member=self._environment.member))
        for peer in self._peers.established():
            if peer.member not in self._heard_from:
                yield Send(member=peer.member, session=peer.session, frame=frame)

    def latest_of(self, member: MemberId) -> tuple[SignedVote, ...]:
        """Return the newest votes of a member, as many as one message may hold."""
        return self.tally.votes_of(member)[-limits.VOTES_PER_MESSAGE_MAX :]

    # --- votes go out ------------------------------------------------------------------------

    def vote(self, now: Now) -> Iterable[Effect]:
        """Cast the vote that is due, if any; call when head or finality moved, and on ticks."""
        sign = self._environment.sign
        if sign is None or not self.is_voting or self.is_adrift:
            return
        interval_ms = self._rules.parameters.target_block_ms
        chosen = self._voter.choose(
            self._chain.head,
            self.tally.justified,
            now_ms=now.monotonic_ms,
            patience_ms=interval_ms + VOTE_ROUND_TRIPS * self._round_trip_ms,
        )
        if chosen is None or self.journal.refusal(chosen) is not None:
            return
        vote = self.journal.released(chosen)
        if vote is None:
            vote = SignedVote(
                member=self._environment.member,
                vote=chosen,
                signature=sign(chosen.message(self._rules.genesis_hash)),
            )
            self.journal.record(vote)
            self._released_ms = now.monotonic_ms
            yield RecordVote(vote=vote)
            yield from self._count(vote)
        elif vote == self._standing:
            return
        # A vote of before is only said again: a start or a reorganisation led back to its link.
        self._standing, self._resent_ms = vote, now.monotonic_ms
        yield from self._broadcast(vote)

    def resend(self, now: Now) -> Iterable[Effect]:
        """Send the vote that we stand by again while its target is not justified: messages get lost."""
        vote = self._standing
        wait_ms = max(2 * self._round_trip_ms, self._rules.parameters.target_block_ms)
        if (
            vote is None
            or not self.is_voting
            or now.monotonic_ms - self._resent_ms < wait_ms
            or vote.vote.target.height <= self.tally.final.height
            or vote.vote.target.hash in self.tally.justified
        ):
            return
        self._resent_ms = now.monotonic_ms
        yield from self._broadcast(vote)

    def _broadcast(self, vote: SignedVote) -> Iterable[Effect]:
        frame = encode_message(Votes(votes=(vote,)))
        for peer in self._peers.established():
            yield Send(member=peer.member, session=peer.session, frame=frame)

    def measure(self, tree: BlockTree, now: Now) -> None:
        """Learn the round trip of votes when the target of our latest one was justified."""
        latest = self.journal.latest
        if latest is None or self._released_ms is None:
            return
        if latest.vote.target.hash in self.tally.justified and tree.find(latest.vote.target):
            measured = now.monotonic_ms - self._released_ms
            smoothed = (7 * self._round_trip_ms + measured) // 8
            self._round_trip_ms = min(
                max(smoothed, limits.VOTE_ROUND_TRIP_MS_MIN), limits.VOTE_ROUND_TRIP_MS_MAX
            )
            self._released_ms = None
