"""A chain, block after block, in the store of a node: templates, work, seals, votes, certificates.

Every sealer's key is at hand, so every block is final as soon as its child is there. Blocks go
through the same doors as a node's own: its template, its chain, its tally, its store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consensus.finality import FinalityTally
from consensus.headers import ChainRules
from consensus.target import bits_to_target
from consensus.tree import BlockNode
from consensus.votes import Certificate, Checkpoint, SignedVote, Vote
from ledger.blocks import Block, SealedHeader, seal_message, validate_body
from ledger.genesis import Genesis
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.transactions import SignedTransaction
from node.core.chain import Chain
from node.core.effects import Effect, StoreBlock, StoreCertificate, StoreFinality
from node.core.limits import BODIES_IN_MEMORY_MAX, VOTES_PER_MESSAGE_MAX
from node.core.pooled import lanes_of, pool
from node.core.ports import Environment, RecoveredVotes
from node.core.template import Template
from node.storage.chain_store import RocksStore
from node.workers.search import NONCE_BYTES, NONCES, search

BLOCKS_PER_COMMIT: Final = BODIES_IN_MEMORY_MAX // 2
"""Blocks that are written and synced together; the chain keeps twice as many in memory."""
VOTES_KEPT: Final = VOTES_PER_MESSAGE_MAX
"""Newest votes kept a member: as many as another can tell it of."""

Sign = Callable[[bytes], bytes]
"""Returns a sealing key's signature of a message."""


class ChainWriter:
    """Extends a new chain in ``store``, for whose sealers ``signs`` sign; ``close`` writes the rest."""

    def __init__(self, store: RocksStore, genesis: Genesis, signs: Mapping[MemberId, Sign]) -> None:
        self._store = store
        self._signs = signs
        sealers = genesis.sealers()
        self._rules = ChainRules(
            genesis_hash=genesis.header().hash, parameters=genesis.parameters, sealers=sealers
        )
        recovered = store.recover()
        environment = Environment(
            member=next(iter(sealers.keys)),
            chain_id=genesis.chain_id,
            rules=self._rules,
            store=store,
            votes=RecoveredVotes(votes=(), is_stopped=False),
            verify=verify,
            sign=None,
            random_bytes=bytes,
        )
        self._chain = Chain(environment, recovered)
        self._tally = FinalityTally(self._rules, recovered.root.checkpoint)
        self._certificate: Certificate | None = None
        self._unwritten: list[Effect] = []
        self.votes: dict[MemberId, deque[SignedVote]] = {
            member: deque(maxlen=VOTES_KEPT) for member in sealers.keys
        }
        """The newest votes of each member, oldest first."""

    @property
    def height(self) -> int:
        """Height of the last block."""
        return self._chain.head.height

    @property
    def final(self) -> Checkpoint:
        """The last final block."""
        return self._tally.final

    def add(self, transactions: Sequence[SignedTransaction], time_ms: int) -> None:
        """Add a block of transactions in their order, at a time after its parent's.

        Raises:
            ValueError: one of the transactions is not valid here, or there are too many.
            LedgerError: a header's or body's rule is broken.
        """
        parent = self._chain.head
        block = self._sealed(transactions, time_ms)
        node = self._chain.accept_header(block.sealed)
        validate_body(block)
        self._chain.accept_body(node, block)
        self._unwritten.append(StoreBlock(block=block))
        move = self._chain.activate(self._tally.justified)
        if move is None or move.refused:
            raise ValueError(f"block {node.height} was refused")
        self._unwritten.append(move.commit)
        for certificate in move.certificates:
            self._tally.add_certificate(certificate)
        self._vote(parent.checkpoint, node.checkpoint)
        if node.height % BLOCKS_PER_COMMIT == 0:
            self._write()

    def close(self) -> None:
        """Write what is not written yet and close the store."""
        self._write()
        self._store.close()

    def _sealed(self, transactions: Sequence[SignedTransaction], time_ms: int) -> Block:
        """Return the next block with its work done and its seal."""
        head, members = self._chain.head, tuple(self._signs)
        # In turn, so that nobody seals again before the others did (diversity).
        sealer = members[head.height % len(members)]
        certificates = () if self._certificate is None else (self._certificate.encode(),)
        template = Template(self._chain, head, certificates, sealer)
        template.fill(pool(one, lanes_of(one, self._chain), self._chain) for one in transactions)
        if template.transactions != list(transactions):
            raise ValueError(f"block {head.height + 1} cannot hold its transactions in order")
        header = template.header(time_ms)
        nonce = search(header.work_prefix(), bits_to_target(header.bits), 0, NONCES)
        if nonce is None:
            raise ValueError(f"no nonce solves block {head.height + 1}")
        solved = header.with_nonce(nonce.to_bytes(NONCE_BYTES))
        header_bytes = solved.encode()
        unsealed = SealedHeader(header=solved, header_bytes=header_bytes, seal=b"")
        seal = self._signs[sealer](seal_message(unsealed.hash))
        return Block(
            sealed=SealedHeader(header=solved, header_bytes=header_bytes, seal=seal),
            transactions=tuple(transactions),
            certificates=certificates,
        )

    def _vote(self, source: Checkpoint, target: Checkpoint) -> None:
        """Have every sealer vote from the head's parent to the head, and settle what follows."""
        vote = Vote(set_id=self._rules.sealers.set_id, source=source, target=target)
        message = vote.message(self._rules.genesis_hash)
        for member, sign in self._signs.items():
            signed = SignedVote(member=member, vote=vote, signature=sign(message))
            self._tally.add(signed, verify)
            self.votes[member].append(signed)
        change = self._tally.advance(self._chain.tree)
        for certificate in change.justified:
            self._certificate = certificate
            self._chain.unsettle()
            self._unwritten.append(StoreCertificate(certificate=certificate))
        if change.finalized is not None:
            self._unwritten.append(self._finality(change.finalized))

    def _finality(self, certificate: Certificate) -> StoreFinality:
        root: BlockNode | None = self._chain.tree.find(certificate.vote.source)
        if root is None:
            raise ValueError("only a block of the tree becomes final")
        finalized, dropped = self._chain.finalize(certificate.vote.source)
        return StoreFinality(
            root=root, certificate=certificate, finalized=finalized, dropped=dropped
        )

    def _write(self) -> None:
        self._store.apply(self._unwritten)
        self._unwritten = []
        self._chain.begin_call()
