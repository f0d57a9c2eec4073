"""The tally of votes: which checkpoints are justified, which are final (Casper FFG).

q votes for source -> target with the source justified justify the target. If the target is the
source's child, the source and all before it are final. Genesis is both from the start.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.evidence import Evidence
from consensus.headers import ChainRules
from consensus.tree import BlockNode, BlockTree
from consensus.vote_history import VoteHistory
from consensus.votes import Certificate, Checkpoint, SignedVote, Verify, Vote
from ledger.errors import InvalidProof
from ledger.hashing import BlockHash
from ledger.identity import MemberId

CERTIFIED_HEIGHTS_KEPT = 1_024
"""Heights below the last final block whose certificate is kept, to know one that contradicts it."""
LINKS_PER_MEMBER_MAX = 256
"""Most links above the final block that one member's votes are counted on: those with the highest
targets, so that a long stall, in which each head gets a vote, does not silence the votes after it,
and that what is counted does not depend on the order of arrival."""


class ConflictingCertificates(Exception):
    """Quorums contradict each other: more than a third of the sealers broke the rules (threat 48).

    The node stops and keeps both; people decide.
    """

    def __init__(self, first: Certificate | None, second: Certificate) -> None:
        overlap = (
            sorted({m for m, _ in first.signatures} & {m for m, _ in second.signatures})
            if first
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
        self._link_counts: Counter[MemberId] = Counter()
        self._history: defaultdict[MemberId, VoteHistory] = defaultdict(VoteHistory)
        self._evidence: list[Evidence] = []

    @property
    def highest_justified(self) -> Checkpoint:
        """The highest justified checkpoint on any branch."""
        height = max(self._by_height)
        return Checkpoint(height=height, hash=self._by_height[height][0])

    def certificate_for(self, block_hash: BlockHash) -> Certificate | None:
        """Return the certificate that justifies a block, or None."""
        return self.justified.get(block_hash)

    def certificates_above(self, height: int) -> tuple[Certificate, ...]:
        """Return the certificates that justify blocks above a height, lowest first.

        They reach 1,024 blocks below the last final one: a chain proves its finality to those who
        sync it only if its blocks carry every link, however late.
        """
        return tuple(
            certificate
            for at, (_, certificate) in sorted(self._by_height.items())
            if at > height and certificate is not None
        )

    def votes_of(self, member: MemberId) -> tuple[SignedVote, ...]:
        """Return the votes of a member that were heard, oldest first, the last 1,024 at most."""
        return tuple(self._history[member]) if member in self._history else ()

    def open_votes(self) -> tuple[SignedVote, ...]:
        """Return the votes heard on links above the last final block."""
        return tuple(
            SignedVote(member=member, vote=vote, signature=signature)
            for vote, voters in self._links.items()
            for member, signature in sorted(voters.items())
        )

    def knows(self, vote: SignedVote) -> bool:
        """Tell whether this very vote was counted already."""
        if vote.member in self._links.get(vote.vote, ()):
            return True
        return vote.member in self._history and vote in self._history[vote.member]

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
        return self._keep(vote)

    def _keep(self, vote: SignedVote) -> Evidence | None:
        """Take in a verified vote that is not known yet."""
        if vote.vote.target.height > self.final.height:
            self._count(vote)
        return self._history[vote.member].add(vote)

    def _count(self, vote: SignedVote) -> None:
        voters = self._links.setdefault(vote.vote, {})
        self._link_counts[vote.member] += 1
        voters[vote.member] = vote.signature
        if self._link_counts[vote.member] > LINKS_PER_MEMBER_MAX:
            self._drop_lowest_link(vote.member)
        if len(voters) >= self._rules.sealers.quorum and vote.vote not in self._quorums:
            self._quorums[vote.vote] = Certificate(
                vote=vote.vote, signatures=tuple(sorted(voters.items()))
            )

    def _drop_lowest_link(self, member: MemberId) -> None:
        links = (link for link, voters in self._links.items() if member in voters)
        lowest = min(links, key=lambda link: (link.target, link.source))
        self._link_counts[member] -= 1
        del self._links[lowest][member]
        if not self._links[lowest]:
            del self._links[lowest]

    def add_certificate(self, certificate: Certificate) -> None:
        """Count a certificate that was validated; its votes enter the evidence history.

        One at or below the last final block is taken too: it may contradict what is final, which
        ``advance`` then says. ``take_evidence`` gives what evidence the votes form.
        """
        self._quorums.setdefault(certificate.vote, certificate)
        for vote in certificate.votes():
            evidence = self._history[vote.member].add(vote)
            if evidence is not None:
                self._evidence.append(evidence)

    def take_evidence(self) -> list[Evidence]:
        """Return, once, the conflicts of votes inside certificates with votes heard before.

        To be kept before ``advance``, which stops the node over the certificates themselves.
        """
        taken, self._evidence = self._evidence, []
        return taken

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
        self._refuse_conflict(vote, certificate)
        if vote.target.height <= self.final.height:
            return True
        if vote.source.hash not in self.justified:
            return False
        target = tree.find(vote.target)
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
        # Whether the source is justified does not matter: two quorums for different targets at one
        # height share voters who voted twice, and on the other side of a split it is justified.
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
        """Forget what lies below the last final block, but for evidence and recent certificates."""
        floor = self.final.height
        for height in [h for h in self._by_height if h < floor]:
            self.justified.pop(self._by_height[height][0], None)
            if height < floor - CERTIFIED_HEIGHTS_KEPT:
                del self._by_height[height]
        for vote in [v for v in self._links if v.target.height <= floor]:
            self._link_counts.subtract(self._links.pop(vote).keys())

    def restore(self, certificates: Iterable[Certificate], votes: Iterable[SignedVote]) -> None:
        """Count certificates and votes that this node stored before it stopped.

        They were verified then. What evidence they form was found then too, and is kept elsewhere.
        """
        for certificate in certificates:
            target = certificate.vote.target
            if target.height <= self.final.height:
                # It settles nothing any more, but blocks to come may have to carry it.
                self._by_height[target.height] = (target.hash, certificate)
            self.add_certificate(certificate)
        for vote in votes:
            if not self.knows(vote):
                self._keep(vote)
        self._evidence.clear()
