"""The tally of votes: which checkpoints are justified, which are final (Casper FFG).

q votes for source -> target with the source justified justify the target. If the target is the
source's child, the source and all before it are final. Genesis is both from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.evidence import Evidence, find_evidence
from consensus.headers import ChainRules
from consensus.tree import BlockNode, BlockTree
from consensus.votes import Certificate, Checkpoint, SignedVote, Verify, Vote
from ledger.errors import InvalidProof
from ledger.hashing import BlockHash
from ledger.identity import MemberId

VOTES_PER_MEMBER_MAX = 1_024
"""Most votes of one member kept for evidence and for its own recovery, newest last."""
LINKS_PER_MEMBER_MAX = 256
"""Most links above the final block that one member's votes are counted on."""


class ConflictingCertificates(Exception):
    """Quorums contradict each other: more than a third of the sealers broke the rules (threat 48).

    The node stops and keeps both; people decide.
    """

    def __init__(self, first: Certificate | None, second: Certificate) -> None:
        overlap = (
            sorted({m for m, _ in first.signatures} & {m for m, _ in second.signatures})
            if (first)
            else []
        )
        super().__init__(f"conflicting certificates; in both: {', '.join(overlap) or 'nobody'}")
        self.first = first
        self.second = second
        self.overlap = overlap


@dataclass(slots=True, kw_only=True)
class FinalityChange:
    """What a batch of votes and blocks changed."""

    justified: list[Certificate] = field(default_factory=list)
    """Certificates of newly justified checkpoints, in order."""
    finalized: Certificate | None = None
    """Certificate whose consecutive link made its source the last final block, if it moved."""


class FinalityTally:
    """Counts votes by link over a block tree."""

    def __init__(self, rules: ChainRules, root: Checkpoint) -> None:
        self._rules = rules
        self.final = root
        self.justified: dict[BlockHash, Certificate | None] = {root.hash: None}
        self._by_height: dict[int, tuple[BlockHash, Certificate | None]] = {
            root.height: (root.hash, None)
        }
        self._links: dict[Vote, dict[MemberId, bytes]] = {}
        self._quorums: dict[Vote, Certificate] = {}
        self._history: dict[MemberId, deque[SignedVote]] = {}

    @property
    def highest_justified(self) -> Checkpoint:
        """The highest justified checkpoint on any branch."""
        height = max(self._by_height)
        return Checkpoint(height=height, hash=self._by_height[height][0])

    def certificate_for(self, block_hash: BlockHash) -> Certificate | None:
        """Return the certificate that justifies a block, or None."""
        return self.justified.get(block_hash)

    def votes_of(self, member: MemberId) -> tuple[SignedVote, ...]:
        """Return the votes of a member that were heard, oldest first, the last 1,024 at most."""
        return tuple(self._history.get(member, ()))

    def knows(self, vote: SignedVote) -> bool:
        """Tell whether this very vote was counted already."""
        return vote.member in self._links.get(vote.vote, ()) or vote in self._history.get(
            vote.member, ()
        )

    def add(self, vote: SignedVote, verify: Verify) -> Evidence | None:
        """Count a vote, once; return evidence where it conflicts with an earlier one.

        A faulty member's vote still counts on each link it signed: safety rests on the quorum's
        overlap, and dropping votes by the order of arrival would make nodes disagree.

        Raises:
            InvalidProof: wrong set, not a sealer, or a signature that does not hold (threat 45).
        """
        sealers = self._rules.sealers
        if vote.vote.set_id != sealers.set_id:
            raise InvalidProof("wrong_sealer_set", "the vote is of another set")
        key = sealers.keys.get(vote.member)
        if key is None:
            raise InvalidProof("not_sealer", f"{vote.member} is not in the set", member=vote.member)
        if self.knows(vote):
            return None
        if not verify(key, vote.signature, vote.vote.message(self._rules.genesis_hash)):
            raise InvalidProof(
                "bad_vote_signature", f"{vote.member} did not sign", member=vote.member
            )
        history = self._history.setdefault(vote.member, deque(maxlen=VOTES_PER_MEMBER_MAX))
        evidence = find_evidence(vote, history)
        history.append(vote)
        if vote.vote.target.height > self.final.height:
            self._count(vote)
        return evidence

    def _count(self, vote: SignedVote) -> None:
        if sum(vote.member in voters for voters in self._links.values()) >= LINKS_PER_MEMBER_MAX:
            return
        voters = self._links.setdefault(vote.vote, {})
        voters[vote.member] = vote.signature
        if len(voters) >= self._rules.sealers.quorum and vote.vote not in self._quorums:
            self._quorums[vote.vote] = Certificate(
                vote=vote.vote, signatures=tuple(sorted(voters.items()))
            )

    def add_certificate(self, certificate: Certificate) -> None:
        """Count a certificate that was validated; its voters' votes enter the evidence history."""
        if certificate.vote.target.height > self.final.height:
            self._quorums.setdefault(certificate.vote, certificate)
        for vote in certificate.votes():
            history = self._history.setdefault(vote.member, deque(maxlen=VOTES_PER_MEMBER_MAX))
            if vote not in history:
                history.append(vote)

    def wanted(self, tree: BlockTree) -> list[BlockHash]:
        """Return the targets of quorums whose block is not here: they must be fetched."""
        return [v.target.hash for v in self._quorums if v.target.hash not in tree]

    def advance(self, tree: BlockTree) -> FinalityChange:
        """Justify and finalize whatever the quorums and the known blocks allow.

        Raises:
            ConflictingCertificates: quorums contradict each other.
        """
        change = FinalityChange()
        progress = True
        while progress:
            progress = False
            for vote, certificate in sorted(
                self._quorums.items(), key=lambda item: item[0].target.height
            ):
                if self._settle(vote, certificate, tree, change):
                    del self._quorums[vote]
                    progress = True
        if change.finalized is not None:
            self._prune()
        return change

    def _settle(
        self, vote: Vote, certificate: Certificate, tree: BlockTree, change: FinalityChange
    ) -> bool:
        """Apply one quorum link; tell whether it is dealt with."""
        source_justified = vote.source.hash in self.justified
        target = tree.find(vote.target)
        if vote.target.height <= self.final.height:
            return True
        if not source_justified:
            return False
        self._refuse_conflict(vote, certificate)
        if target is None:
            return False
        source = target.ancestor(vote.source.height)
        if source is None or source.hash != vote.source.hash:
            raise ConflictingCertificates(
                self._by_height.get(vote.source.height, (b"", None))[1], certificate
            )
        self._justify(target, certificate, change)
        if vote.is_consecutive and vote.source.height > self.final.height:
            self.final = vote.source
            change.finalized = certificate
        return True

    def _refuse_conflict(self, vote: Vote, certificate: Certificate) -> None:
        held = self._by_height.get(vote.target.height)
        if held is not None and held[0] != vote.target.hash:
            raise ConflictingCertificates(held[1], certificate)

    def _justify(self, target: BlockNode, certificate: Certificate, change: FinalityChange) -> None:
        if not target.descends_from_checkpoint(self.final):
            raise ConflictingCertificates(self.justified.get(self.final.hash), certificate)
        if target.hash not in self.justified:
            self.justified[target.hash] = certificate
            self._by_height[target.height] = (target.hash, certificate)
            change.justified.append(certificate)

    def _prune(self) -> None:
        """Forget what lies below the last final block; evidence history stays."""
        floor = self.final.height
        for height in [h for h in self._by_height if h < floor]:
            block_hash, _ = self._by_height.pop(height)
            self.justified.pop(block_hash, None)
        for vote in [v for v in self._links if v.target.height <= floor]:
            del self._links[vote]
        for vote in [v for v in self._quorums if v.target.height <= floor]:
            del self._quorums[vote]

    def restore(self, certificates: Iterable[Certificate]) -> None:
        """Count certificates that this node stored before it stopped."""
        for certificate in certificates:
            self.add_certificate(certificate)
