"""Progress: the head moves to the best chain, votes justify and finalize, the next vote is cast.

Each can cause the next, so they go round until nothing moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from consensus.finality import FinalityTally
from consensus.tree import BlockNode
from consensus.votes import Certificate
from ledger.identity import MemberId
from ledger.transactions import SignedTransaction
from node.core import limits
from node.core.admission import Admission
from node.core.chain import Chain, ChainMove
from node.core.effects import (
    Effect,
    LogTransactions,
    Note,
    Retirement,
    RetireTransactions,
    Send,
    StoreCertificate,
    StoreFinality,
)
from node.core.finality import Finality
from node.core.mempool import Mempool
from node.core.messages import BlockMessage, Tip, encode_message
from node.core.passed_over import PassedOver
from node.core.peers import Peers
from node.core.sealing import Sealing
from node.core.sync import Sync
from node.core.timing import Now


class Progress:
    """Head, finality and votes, until they rest."""

    def __init__(
        self,
        chain: Chain,
        finality: Finality,
        mempool: Mempool,
        admission: Admission,
        sealing: Sealing,
        sync: Sync,
        peers: Peers,
        member: MemberId,
    ) -> None:
        self._chain = chain
        self._finality = finality
        self._tally: FinalityTally = finality.tally
        self._mempool = mempool
        self._admission = admission
        self._sealing = sealing
        self._sync = sync
        self._peers = peers
        self._member = member
        self._final_certificate: Certificate | None = None
        self._unrooted: Certificate | None = None
        self._passed_over = PassedOver(mempool)

    def advance(self, now: Now) -> Iterable[Effect]:
        """Go as far as blocks and votes lead.

        Raises:
            ConflictingCertificates: quorums contradict each other; the node must stop.
        """
        start, was_adrift = self._chain.head, self._finality.is_adrift
        has_refused = False
        moving = True
        while moving:
            moving = False
            move = self._chain.activate(self._tally.justified)
            if move is not None:
                moving = True
                has_refused |= bool(move.refused)
                yield from self._follow(move)
            for effect in self._count():
                moving = True
                yield effect
            self._finality.measure(self._chain.tree, now)
            if not moving:
                for effect in self._finality.vote(now):
                    moving = True
                    yield effect
        if self._chain.head is not start:
            yield from self._announce()
        # Should a refused block be our own, the same template must not be worked on again.
        if self._chain.head is not start or self._finality.is_adrift != was_adrift or has_refused:
            yield from self._sealing.renew(now)

    def _count(self) -> Iterable[Effect]:
        """Let votes and certificates justify and finalize what they can."""
        # Before the certificates are weighed: if they contradict each other the node stops with both.
        for evidence in self._tally.take_evidence():
            yield from self._finality.report(evidence)
        change = self._tally.advance(self._chain.tree)
        for certificate in change.justified:
            self._chain.unsettle()
            yield StoreCertificate(certificate=certificate)
        if change.finalized is not None:
            self._unrooted = change.finalized
        rootable = self._rootable()
        if rootable is not None:
            yield from self._finalize(rootable)

    def _rootable(self) -> Certificate | None:
        """Return the certificate that made a block of the head's chain final, if it is no root yet.

        Votes tell what is final from its header alone. The tree is rooted at it only once the head
        has come there, block by block validated.
        """
        certificate = self._unrooted
        if certificate is None or self._finality.is_adrift:
            return None
        self._unrooted = None
        return certificate

    def _follow(self, move: ChainMove) -> Iterable[Effect]:
        """Carry out a move of the head: the store first, then the mempool."""
        commit = move.commit
        for node, error in move.refused:
            yield Note(
                name="block_refused",
                fields={"code": error.code, "sealer": node.sealed.header.sealer},
            )
            # Nobody announces or serves a block that it did not validate.
            deliverer = self._sync.deliverer(node.hash)
            if deliverer is not None:
                yield from self._peers.penalise(deliverer, error.code, limits.SCORE_MAX)
        if not commit.connected and not commit.disconnected:
            return
        yield commit
        for certificate in move.certificates:
            self._tally.add_certificate(certificate)
        displaced = [
            displacement
            for connected in commit.connected
            for displacement in self._mempool.connect(connected.block.transactions)
        ]
        displaced += self._mempool.expire(commit.head.height + 1)
        returned = self._returned(move)
        if returned:
            # Some came in a block alone: whoever saw them in it must find them still.
            yield LogTransactions(transactions=tuple(returned))
        displaced += self._admission.readmit(returned)
        displaced += self._mempool.drop_unfunded(commit.state.records)
        displaced += self._mempool.drop_barred(commit.state.records)
        self._mempool.displaced.add(displaced, commit.head)
        yield self._note(move)
        yield from self._passed_over.look(self._chain, commit.head.height)

    def _returned(self, move: ChainMove) -> list[SignedTransaction]:
        """Return what disconnected blocks held or displaced, and the new blocks do not hold."""
        commit = move.commit
        again = {t.txid for c in commit.connected for t in c.block.transactions}
        returned: list[SignedTransaction] = [
            transaction
            for block in reversed(commit.disconnected)
            for transaction in block.transactions
            if transaction.txid not in again
        ]
        return returned + self._mempool.displaced.take_back({b.hash for b in commit.disconnected})

    def _note(self, move: ChainMove) -> Note:
        header = self._chain.head.sealed.header
        return Note(
            name="head_moved",
            fields={
                "height": header.height,
                "hash": self._chain.head.hash.hex(),
                "sealer": header.sealer,
                "transactions": sum(len(c.block.transactions) for c in move.commit.connected),
                "connected": len(move.commit.connected),
                "disconnected": len(move.commit.disconnected),
            },
        )

    def _finalize(self, certificate: Certificate) -> Iterable[Effect]:
        """Root the tree at the newly final block; the head's chain holds it."""
        root = self._chain.tree.find(certificate.vote.source)
        if root is None:
            return
        self._final_certificate = certificate
        included = tuple(
            transaction.txid
            for node in root.path_from(self._chain.tree.root)
            for transaction in self._transactions(node)
        )
        sealers = Counter(n.sealed.header.sealer for n in root.path_from(self._chain.tree.root))
        nodes = {node.hash: node for node in self._chain.tree}
        finalized, dropped = self._chain.finalize(certificate.vote.source)
        self._sync.forget((*finalized, *dropped))
        yield StoreFinality(
            root=root, certificate=certificate, finalized=finalized, dropped=dropped
        )
        retired = tuple(self._settle(root.height))
        if included or retired:
            yield RetireTransactions(included=included, retired=retired)
        fields = {"height": root.height, "transactions": len(included), "sealers": dict(sealers)}
        yield Note(name="finalized", fields=fields)
        for node in (nodes[block_hash] for block_hash in dropped):
            if not node.is_invalid:
                header = node.sealed.header
                fields = {"height": header.height, "sealer": header.sealer}
                yield Note(name="block_stale", fields=fields)

    def _settle(self, final_height: int) -> Iterable[Retirement]:
        """Yield what a final block displaced for good; try again what only a rival kept out."""
        displaced = self._mempool.displaced
        settled = displaced.settle(final_height)
        again = [d.transaction for d in settled if d.is_by_rival]
        displaced.add(self._admission.readmit(again), self._chain.head.checkpoint)
        for displacement in settled:
            if not displacement.is_by_rival:
                yield displacement.retirement()

    def _transactions(self, node: BlockNode) -> tuple[SignedTransaction, ...]:
        block = self._chain.body(node.hash)
        return block.transactions if block is not None else ()

    # --- what peers are told -----------------------------------------------------------------

    def tip(self) -> Tip:
        """Return our head with the highest justified and final certificates."""
        justified = self._tally.certificate_for(self._tally.highest_justified.hash)
        final = self._final_certificate
        return Tip(
            head=self._chain.head.sealed,
            justified=justified.encode() if justified is not None else b"",
            final=final.encode() if final is not None else b"",
        )

    def _announce(self) -> Iterable[Effect]:
        """Tell peers of the new head; a small block of our own goes before, unasked (ADR 0045)."""
        head, tip = self._chain.head, encode_message(self.tip())
        pushed = self._pushed(head)
        nearest = head.height - 1 - limits.BLOCKS_ON_THEIR_WAY_MAX
        for peer in self._peers.established():
            # Whoever is further behind fetches blocks in order, and could not place this one.
            is_near = peer.best is not None and peer.best.header.height >= nearest
            if pushed is not None and is_near:
                yield Send(member=peer.member, session=peer.session, frame=pushed)
            yield Send(member=peer.member, session=peer.session, frame=tip)

    def _pushed(self, head: BlockNode) -> bytes | None:
        """Return the message of our own new head, if it is one and small."""
        is_own = head.sealed.header.sealer == self._member
        if not is_own or self._sync.deliverer(head.hash) is not None:
            return None
        block = self._chain.body(head.hash)
        raw = b"" if block is None else block.encode()
        is_small = 0 < len(raw) <= limits.PUSHED_BLOCK_BYTES_MAX
        return encode_message(BlockMessage(block=raw)) if is_small else None

    @property
    def is_head_safe(self) -> bool:
        """Whether one of those who tell us of the chain must be honest (threat 49).

        Of n sealers n - q may be faulty, so one more has to be connected.
        """
        sealers = self._chain.tree.rules.sealers
        others = sealers.keys.keys() - {self._member}
        heard = sum(peer.member in others for peer in self._peers.established())
        return heard >= min(sealers.size - sealers.quorum + 1, len(others))

    @property
    def is_live(self) -> bool:
        """Whether finality keeps up with the head."""
        lag = self._chain.head.height - self._chain.tree.root.height
        return lag <= limits.FINALITY_LAG_LIVE_MAX
