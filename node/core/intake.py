"""Block intake: from a block's bytes, or our own solved template, to an accepted body.

The header is placed first (work, rules, seal), then the body is held against it, then signatures
that were not verified before are, off the engine. A body that its header does not commit to says
nothing about the header; a bad transaction that it does commit to condemns it for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.tree import BlockNode
from ledger.blocks import Block, open_block, validate_body
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.transactions import SignedTransaction, decode_transaction
from ledger.transition import signature_items_of_all
from node.core import limits
from node.core.chain import Chain
from node.core.effects import Effect, Note, StoreBlock, VerifySignatures
from node.core.mempool import Mempool
from node.core.peers import Peer, Peers
from node.core.ports import Environment
from node.core.sync import Sync
from node.core.timing import Now
from node.core.verdicts import Item, VerdictCache


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A block whose signatures are being verified."""

    node: BlockNode
    block: Block
    items: list[Item]
    source: MemberId | None


class Intake:
    """Blocks on their way into the tree."""

    def __init__(
        self,
        environment: Environment,
        chain: Chain,
        sync: Sync,
        peers: Peers,
        mempool: Mempool,
        verdicts: VerdictCache,
    ) -> None:
        self._environment = environment
        self._chain = chain
        self._sync = sync
        self._peers = peers
        self._mempool = mempool
        self._verdicts = verdicts
        self._jobs: dict[int, _Job] = {}
        self._in_check: set[BlockHash] = set()

    def receive(self, peer: Peer, raw: bytes, job_id: int, now: Now) -> Iterable[Effect]:
        """Take a block that a peer was asked for, or its own new one.

        Raises:
            PeerMisbehaved: nobody asked for it.
            LedgerError: it is malformed, or against the rules.
        """
        parameters = self._chain.tree.rules.parameters
        encoded = open_block(raw, bytes_max=parameters.block_bytes_max)
        node = self._sync.on_body(peer, encoded.sealed, len(raw), now)
        if node is not None and node.hash not in self._in_check:
            block = encoded.decode(self._decode_transaction)
            yield from self._accept(node, block, job_id, peer.member)

    def _decode_transaction(self, raw: bytes) -> SignedTransaction:
        """Return a block's transaction; one that waits here was decoded before."""
        return self._mempool.find(raw) or decode_transaction(raw)

    def own(self, block: Block, job_id: int) -> Iterable[Effect]:
        """Take our own solved block, by the same door.

        Raises:
            LedgerError: it is against the rules; then our template is at fault.
        """
        node = self._chain.accept_header(block.sealed)
        yield from self._accept(node, block, job_id, None)

    def _accept(
        self, node: BlockNode, block: Block, job_id: int, source: MemberId | None
    ) -> Iterable[Effect]:
        if node.has_body or node.is_invalid or node.hash in self._in_check:
            return
        validate_body(block)
        find = self._mempool.find
        unverified = [one for one in block.transactions if find(one.raw) is None]
        items = self._verdicts.unknown(signature_items_of_all(unverified))
        job = _Job(node=node, block=block, items=items, source=source)
        if not items:
            yield from self._finish(job)
            return
        self._sync.settle(node)  # or it would be asked for again while its signatures are checked
        self._in_check.add(node.hash)
        self._jobs[job_id] = job
        yield VerifySignatures(job_id=job_id, items=tuple(items))

    def verified(self, job_id: int, verdicts: tuple[bool, ...]) -> Iterable[Effect]:
        """Finish the block of a verification job, if it is one."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        self._in_check.discard(job.node.hash)
        if not all(verdicts):
            # tx_root covers the signatures, so the sealer vouched for them: the block is invalid.
            self._chain.refuse(job.node)
            yield Note(name="block_refused", fields={"code": "invalid_signature"})
            if job.source is not None:
                yield from self._peers.penalise(job.source, "invalid_signature", limits.SCORE_MAX)
            return
        self._verdicts.remember(job.items)
        if self._chain.tree.get(job.node.hash) is job.node:
            yield from self._finish(job)

    def _finish(self, job: _Job) -> Iterable[Effect]:
        self._chain.accept_body(job.node, job.block)
        self._sync.settle(job.node)
        yield StoreBlock(block=job.block)
