"""Branches of real blocks with their states, and the effects that an engine would ask for.

branches = Branches()
first = branches.child(branches.genesis, branches.payment(branches.genesis, "alice", "bob", 5))
store.apply([branches.store(first), branches.commit(branches.genesis, first)])
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.tree import BlockNode
from consensus.votes import Certificate, Checkpoint
from ledger.blocks import Block
from ledger.hashing import BlockHash
from ledger.state import Delta, Overlay, Record, StateKey, encode_records, next_sequence
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction
from ledger.transition import apply_block
from node.core.effects import (
    CommitChain,
    ConnectedBlock,
    Effect,
    StateChange,
    StoreBlock,
    StoreFinality,
)
from tests.chains import ChainBuilder
from tests.factories import Network, make_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A block in its place, with the whole state after it."""

    block: Block
    node: BlockNode
    parent: Built | None
    delta: Delta
    state: dict[StateKey, Record]

    @property
    def height(self) -> int:
        return self.block.header.height

    @property
    def hash(self) -> BlockHash:
        return self.block.hash

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(height=self.height, hash=self.hash)

    def get(self, key: StateKey) -> Record | None:
        """Return a record of the state after this block."""
        return self.state.get(key)

    def ancestry(self) -> list[Built]:
        """Return the chain from genesis up to this block."""
        chain = [self]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        return chain[::-1]


class Branches:
    """Builds blocks with payments on any block built before."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or make_network()
        self.chain = ChainBuilder(self.network)
        self.tree = self.chain.tree()
        sealed = self.chain.genesis
        self.genesis = Built(
            block=Block(sealed=sealed, transactions=(), certificates=()),
            node=self.tree.root,
            parent=None,
            delta=Delta(before={}, after={}),
            state=dict(self.network.genesis.state()),
        )
        self.built: dict[BlockHash, Built] = {sealed.hash: self.genesis}
        self._payments = 0
        self._genesis_tree = self.network.genesis.state_tree()

    def payment(
        self, parent: Built, debit: str, credit: str, amount: int = 1, *, ahead: int = 0
    ) -> SignedTransaction:
        """Return a transfer that a child of ``parent`` may hold, the ``ahead``-th of its payer."""
        self._payments += 1
        actor = Actor(self.network.holders[debit].id, 0, 0)
        return self.network.transfer(
            self.network.leg(debit, credit, amount),
            sequence=next_sequence(parent, actor) + ahead,
            nonce=self._payments.to_bytes(NONCE_BYTES),
        )

    def child(self, parent: Built, *transactions: SignedTransaction) -> Built:
        """Return a new block on ``parent``."""
        overlay = Overlay(parent)
        apply_block(
            overlay,
            transactions,
            height=parent.height + 1,
            genesis_hash=self.network.genesis_hash,
            parameters=self.network.genesis.parameters,
        )
        delta = overlay.delta()
        state = parent.state | dict(delta.after)
        sealed = self.chain.child(
            parent.block.sealed, transactions=transactions, state_root=self._root(state)
        )
        built = Built(
            block=Block(sealed=sealed, transactions=transactions, certificates=()),
            node=self.tree.insert(sealed),
            parent=parent,
            delta=delta,
            state={key: record for key, record in state.items() if record is not None},
        )
        self.built[built.hash] = built
        return built

    def _root(self, state: dict[StateKey, Record]) -> bytes:
        """Return the root of a state; the tree of the genesis stays as it is."""
        changed = {
            key: record
            for key, record in state.items()
            if record is not self.genesis.state.get(key)
        }
        gone = dict.fromkeys(self.genesis.state.keys() - state.keys())
        return self._genesis_tree.stage(encode_records(changed | gone).items()).root

    def grow(self, parent: Built, count: int) -> list[Built]:
        """Return ``count`` blocks in a row on ``parent``, each with one payment."""
        grown: list[Built] = []
        for _ in range(count):
            payment = self.payment(parent, "alice", "bob")
            parent = self.child(parent, payment)
            grown.append(parent)
        return grown

    def store(self, built: Built) -> StoreBlock:
        """Return the effect that stores a block."""
        return StoreBlock(block=built.block)

    def commit(self, old: Built, new: Built) -> CommitChain:
        """Return the effect that moves the best chain from one block to another."""
        kept = {built.hash for built in new.ancestry()}
        off = [built for built in reversed(old.ancestry()) if built.hash not in kept]
        left = {built.hash for built in old.ancestry()}
        on = [built for built in new.ancestry() if built.hash not in left]
        changed = {key for built in (*off, *on) for key in built.delta.after}
        state = {key: new.get(key) for key in changed if new.get(key) != old.get(key)}
        return CommitChain(
            disconnected=tuple(built.block for built in off),
            connected=tuple(ConnectedBlock(block=b.block, delta=b.delta) for b in on),
            state=StateChange(records=state, encoded=encode_records(state)),
            head=new.checkpoint,
        )

    def extend(self, old: Built, blocks: Iterable[Built]) -> list[Effect]:
        """Return the effects that store blocks in a row and connect each."""
        effects: list[Effect] = []
        for built in blocks:
            effects += [self.store(built), self.commit(old, built)]
            old = built
        return effects

    def certificate(self, source: Built, target: Built) -> Certificate:
        """Return the certificate of a link."""
        return self.chain.certificate(source.block.sealed, target.block.sealed)

    def finality(self, old_root: Built, child: Built) -> StoreFinality:
        """Return the effect by which the parent of ``child`` becomes the last final block."""
        root = child.parent
        assert root is not None
        chain = [b for b in root.ancestry() if b.height > old_root.height]
        kept = {built.hash for built in root.ancestry()}
        dropped = [h for h, b in self.built.items() if root not in b.ancestry() and h not in kept]
        return StoreFinality(
            root=root.node,
            certificate=self.certificate(root, child),
            finalized=tuple(built.hash for built in chain),
            dropped=tuple(dropped),
        )
