"""The chain of this node: the block tree, the state at the head, and moves from head to head.

There is one validator: our own blocks and those of peers come through ``accept_header``,
``accept_body`` and ``activate`` alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from consensus.certificates import extend_proved
from consensus.fork_choice import best_tip
from consensus.headers import validate_seal
from consensus.tree import BlockNode, BlockTree
from consensus.votes import Certificate, Checkpoint
from ledger.blocks import Block, SealedHeader
from ledger.errors import InvalidBlock, LedgerError
from ledger.hashing import BlockHash
from ledger.state import Delta, Overlay, Record, StateKey, encode_records
from ledger.state_tree import StagedUpdate, StateProof, StateTree
from ledger.transition import apply_block
from node.core import limits
from node.core.effects import CommitChain, ConnectedBlock, StateChange
from node.core.ports import Environment, Recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainMove:
    """A move of the head, already made in memory."""

    commit: CommitChain
    """What the store must write."""
    certificates: tuple[Certificate, ...]
    """Certificates that the connected blocks carry, validated."""
    refused: tuple[tuple[BlockNode, LedgerError], ...] = ()
    """Blocks that turned out invalid on the way."""


class CoreFault(Exception):
    """Our own records contradict themselves; the node must stop."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class Chain:
    """Block tree, head and state; a ``StateView`` of the state at the head."""

    def __init__(self, environment: Environment, recovered: Recovered) -> None:
        self._environment = environment
        self._store = environment.store
        self._rules = environment.rules
        self.tree = BlockTree(recovered.root, environment.rules)
        self.head = recovered.root
        self.state_tree = StateTree()
        self.state_tree.update(self._store.state_entries())
        self._bodies: dict[BlockHash, Block] = {}
        self._deltas: dict[BlockHash, Delta] = {}
        self._tree_undo: dict[BlockHash, StagedUpdate] = {}
        self._unwritten: dict[StateKey, Record | None] = {}
        self._unwritten_hashes: dict[int, BlockHash] = {}
        self._is_settled = False
        self._restore(recovered)

    def _restore(self, recovered: Recovered) -> None:
        for block in recovered.blocks:
            node = self.tree.insert(block.sealed)
            node.has_body = True
            self._bodies[node.hash] = block
        head = self.tree.get(recovered.head)
        if head is None:
            raise CoreFault("unknown_head", "the stored head is not among the stored blocks")
        for node in head.path_from(self.tree.root):
            self._prove(node, self._bodies[node.hash])
            node.is_valid = True
        self.head = head
        self._restore_tree_undo()

    def _restore_tree_undo(self) -> None:
        """Work out how to take the last blocks back out of the state tree, which holds them."""
        path = self.head.path_from(self.tree.root)[-limits.BODIES_IN_MEMORY_MAX :]
        undone: list[tuple[BlockHash, StagedUpdate]] = []
        redo: list[StagedUpdate] = []
        for node in reversed(path):
            undo = self.state_tree.stage(encode_records(self._before(node)))
            undone.append((node.hash, undo))
            redo.append(self.state_tree.adopt(undo))
        for done in reversed(redo):
            self.state_tree.adopt(done)
        self._tree_undo.update(reversed(undone))

    def begin_call(self) -> None:
        """Forget writes of the call before: its effects were run, the store has them."""
        self._unwritten.clear()
        self._unwritten_hashes.clear()
        for kept in (self._bodies, self._deltas, self._tree_undo):
            while len(kept) > limits.BODIES_IN_MEMORY_MAX:
                del kept[next(iter(kept))]

    # --- the state at the head ---------------------------------------------------------------

    def get(self, key: StateKey) -> Record | None:
        """Return a record of the state at the head."""
        if key in self._unwritten:
            return self._unwritten[key]
        return self._store.get(key)

    # --- blocks come in ----------------------------------------------------------------------

    def accept_header(self, sealed: SealedHeader) -> BlockNode:
        """Place a sealed header whose parent is in the tree; known ones are returned.

        Raises:
            InvalidHeader: it breaks a rule, or its seal does not hold.
        """
        known = self.tree.get(sealed.hash)
        if known is not None:
            return known
        # The seal is checked first: a header of wrong seal must not enter, and its hash stays good.
        validate_seal(sealed, self._rules.sealers, self._environment.verify)
        return self.tree.insert(sealed)

    def accept_body(self, node: BlockNode, block: Block) -> None:
        """Take the body of a placed header, which `validate_body` passed; its signatures hold."""
        self._is_settled = False
        node.has_body = True
        self._bodies[node.hash] = block

    def refuse(self, node: BlockNode) -> None:
        """Mark a block invalid for good, and all that is built on it."""
        self._is_settled = False
        self.tree.mark_invalid(node)

    def body(self, block_hash: BlockHash) -> Block | None:
        """Return the body of a block above the root, or a stored one."""
        return self._bodies.get(block_hash) or self._store.block(block_hash)

    def _body(self, node: BlockNode) -> Block:
        block = self.body(node.hash)
        if block is None:
            raise CoreFault("body_missing", "the body of a block with one is not stored")
        return block

    def is_validated(self, block_hash: BlockHash) -> bool:
        """Tell whether a stored block was found valid: what is not yet, nobody is given."""
        node = self.tree.get(block_hash)
        if node is None:
            # Final, or of a branch whose beginning was lost with the power before it was validated.
            return self._height_on_best_chain(block_hash) is not None
        return node.is_valid or node is self.tree.root

    # --- the head moves ----------------------------------------------------------------------

    def activate(self, justified: Container[BlockHash]) -> ChainMove | None:
        """Move the head to the best chain, whose blocks are validated on the way.

        Returns None when the head is the best already. The tree is searched only if a body came,
        a block was refused or `unsettle` was called since the last time.
        """
        if self._is_settled:
            return None
        self._is_settled = True
        start = self.head
        certificates: list[Certificate] = []
        refused: list[tuple[BlockNode, LedgerError]] = []
        written = StateChange()
        while True:
            best = best_tip(self.tree, justified, self.tree.root)
            if best is self.head:
                break
            fork = self._fork_point(self.head, best)
            while self.head is not fork:
                self._disconnect(written)
            for node in best.path_from(fork):
                try:
                    certificates.extend(self._connect(node, written))
                except LedgerError as error:
                    self.tree.mark_invalid(node)
                    refused.append((node, error))
                    break
        if self.head is start and not refused:
            return None
        return ChainMove(
            commit=self._commit(start, written),
            certificates=tuple(certificates),
            refused=tuple(refused),
        )

    def unsettle(self) -> None:
        """Have the best chain chosen anew: another checkpoint was justified."""
        self._is_settled = False

    def _commit(self, start: BlockNode, written: StateChange) -> CommitChain:
        fork = self._fork_point(start, self.head)
        return CommitChain(
            disconnected=tuple(self._body(n) for n in reversed(start.path_from(fork))),
            connected=tuple(
                ConnectedBlock(block=self._body(n), delta=self._deltas[n.hash])
                for n in self.head.path_from(fork)
            ),
            state=written,
            head=self.head.checkpoint,
        )

    def _fork_point(self, a: BlockNode, b: BlockNode) -> BlockNode:
        while a is not b:
            if a.height >= b.height and a.parent is not None:
                a = a.parent
            elif b.parent is not None:
                b = b.parent
        return a

    def _connect(self, node: BlockNode, written: StateChange) -> tuple[Certificate, ...]:
        """Validate a block on the head and make it the head; return its certificates."""
        block, parent = self._body(node), node.parent
        if parent is None:
            raise CoreFault("no_parent", "only the root has no parent")
        self._require_proved(block, parent)
        certificates = self._prove(node, block)
        # Nearly always the store has all of the state, and each read is spared a call.
        overlay = Overlay(self if self._unwritten else self._store)
        apply_block(
            overlay,
            block.transactions,
            height=node.height,
            genesis_hash=self._rules.genesis_hash,
            parameters=self._rules.parameters,
        )
        delta = overlay.delta()
        encoded = encode_records(delta.after)
        staged = self.state_tree.stage(encoded)
        if staged.root != block.header.state_root:
            raise InvalidBlock(
                "wrong_state_root",
                "the state after it is another",
                expected=block.header.state_root,
                found=staged.root,
            )
        self._tree_undo[node.hash] = self.state_tree.adopt(staged)
        self._unwritten.update(delta.after)
        written.add(delta.after, encoded)
        self._deltas[node.hash] = delta
        node.is_valid = True
        self.head = node
        return certificates

    def _disconnect(self, written: StateChange) -> None:
        """Undo the head block; its parent is the head again."""
        node, parent = self.head, self.head.parent
        if parent is None:
            raise CoreFault("no_parent", "only the root has no parent")
        before = self._before(node)
        encoded = encode_records(before)
        undo = self._tree_undo.pop(node.hash, None)
        # Only the last blocks' are kept; of an earlier one the nodes are hashed once more.
        self.state_tree.adopt(undo or self.state_tree.stage(encoded))
        self._unwritten.update(before)
        written.add(before, encoded)
        self.head = parent

    def _before(self, node: BlockNode) -> Mapping[StateKey, Record | None]:
        """Return what the entries that a connected block changed were before it."""
        delta = self._deltas.get(node.hash)
        before = self._store.before(node.hash) if delta is None else delta.before
        if before is None:
            raise CoreFault("undo_missing", "the undo of a connected block is not stored")
        return before

    def _prove(self, node: BlockNode, block: Block) -> tuple[Certificate, ...]:
        parent = node.parent
        if parent is None:
            raise CoreFault("no_parent", "only the root has no parent")
        node.proved, certificates = extend_proved(
            parent.proved,
            block.certificates,
            hash_at=lambda height: self.ancestor_hash(parent, height),
            sealers=self._rules.sealers,
            genesis_hash=self._rules.genesis_hash,
            verify=self._environment.verify,
        )
        return certificates

    def _require_proved(self, block: Block, parent: BlockNode) -> None:
        """Without proof of finality for long, a chain takes no more transactions."""
        if block.transactions and not self.may_hold_transactions(parent):
            raise InvalidBlock(
                "unproved_limit",
                "too far past the last block that the chain proves final",
                height=parent.height + 1,
                proved_final=parent.proved.final,
            )

    def may_hold_transactions(self, parent: BlockNode) -> bool:
        """Tell whether the block after ``parent`` may hold transactions."""
        lead = parent.height + 1 - parent.proved.final
        return lead <= self._rules.parameters.unproved_blocks_max

    # --- finality ----------------------------------------------------------------------------

    def finalize(
        self, checkpoint: Checkpoint
    ) -> tuple[tuple[BlockHash, ...], tuple[BlockHash, ...]]:
        """Make a block of the head's chain the tree's root.

        Returns the newly final hashes, lowest first, and those of the blocks that were dropped.
        """
        root = self.tree.find(checkpoint)
        if root is None:
            raise CoreFault("unknown_final", "the tally finalizes only blocks of the tree")
        if not self.head.descends_from(root):
            raise CoreFault("foreign_final", "only a block of the head's chain can be the root")
        path = root.path_from(self.tree.root)
        self._unwritten_hashes.update((node.height, node.hash) for node in path)
        finalized = tuple(node.hash for node in path)
        dropped = tuple(node.hash for node in self.tree.advance_root(root))
        for block_hash in (*finalized, *dropped):
            self._bodies.pop(block_hash, None)
            self._deltas.pop(block_hash, None)
            self._tree_undo.pop(block_hash, None)
        return finalized, dropped

    def prove_final(self, keys: Iterable[StateKey]) -> tuple[StateProof, ...] | None:
        """Return proofs of entries under the state root of the last final block, there or not.

        None while the head is more than 64 blocks past it.
        """
        undo = [self._tree_undo.get(n.hash) for n in self.head.path_from(self.tree.root)]
        known = [one for one in undo if one is not None]
        if len(known) < len(undo):
            return None
        return tuple(self.state_tree.prove(key, known) for key in keys)

    # --- where things are --------------------------------------------------------------------

    def ancestor_hash(self, node: BlockNode, height: int) -> BlockHash | None:
        """Return the hash of a chain's block at a height, also below the root."""
        if height < self.tree.root.height:
            return self._unwritten_hashes.get(height) or self._store.hash_at(height)
        ancestor = node.ancestor(height)
        return ancestor.hash if ancestor is not None else None

    def hash_at(self, height: int) -> BlockHash | None:
        """Return the hash of the best chain's block at a height."""
        return self.ancestor_hash(self.head, height)

    def is_final_history(self, sealed: SealedHeader) -> bool:
        """Tell whether a header is one of the final blocks below the root."""
        height = sealed.header.height
        return height < self.tree.root.height and self._store.hash_at(height) == sealed.hash

    def locator(self, node: BlockNode, count_max: int) -> tuple[BlockHash, ...]:
        """Return hashes of a chain from ``node`` down to genesis, ever further apart."""
        hashes: list[BlockHash] = []
        height, step = node.height, 1
        while height > 0 and len(hashes) < count_max - 1:
            found = self.ancestor_hash(node, height)
            if found is not None:
                hashes.append(found)
            if len(hashes) >= 8:
                step *= 2
            height -= step
        genesis = self._rules.genesis_hash
        return (*hashes, genesis)

    def headers_after(
        self, locator: tuple[BlockHash, ...], count_max: int
    ) -> tuple[SealedHeader, ...]:
        """Return the best chain's headers after the first locator hash that is on it."""
        start = 0
        for block_hash in locator:
            height = self._height_on_best_chain(block_hash)
            if height is not None:
                start = height
                break
        headers = []
        for height in range(start + 1, min(start + count_max, self.head.height) + 1):
            found = self.hash_at(height)
            sealed = self._sealed(found) if found is not None else None
            if sealed is None:
                break
            headers.append(sealed)
        return tuple(headers)

    def _height_on_best_chain(self, block_hash: BlockHash) -> int | None:
        sealed = self._sealed(block_hash)
        if sealed is None or self.hash_at(sealed.header.height) != block_hash:
            return None
        return sealed.header.height

    def _sealed(self, block_hash: BlockHash) -> SealedHeader | None:
        node = self.tree.get(block_hash)
        return node.sealed if node is not None else self._store.sealed_header(block_hash)
