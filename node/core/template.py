"""Block templates: waiting transactions in fair order, applied to the head's state as they go in.

A template grows: transactions that arrive later are applied on top of those that are in it, so
that refreshing it costs only what is new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from consensus.headers import ChainRules, next_bits, next_clock_ms
from consensus.tree import BlockNode
from ledger import limits
from ledger.blocks import Header, certificates_root
from ledger.errors import InvalidTransaction
from ledger.identity import MemberId
from ledger.merkle import leaf_hash, merkle_root
from ledger.state import Overlay, StateKey, encode_record
from ledger.transactions import SignedTransaction
from ledger.transition import apply_transaction
from node.core.chain import Chain
from node.core.pooled import PooledTransaction

TRANSACTION_BYTES_MIN = 200
"""No signed transaction is shorter than this, bytes: body, one key and one signature."""
FRAME_BYTES = 5
"""What the length of a transaction or certificate takes in a block, bytes at most."""


def certificate_room_bytes(rules: ChainRules) -> int:
    """Return the bytes that a block has for certificates and, after them, for transactions."""
    return rules.parameters.block_bytes_max - limits.BLOCK_ENVELOPE_BYTES


def framed_bytes(parts: Iterable[bytes]) -> int:
    """Return what transactions or certificates take in a block, bytes at most."""
    return sum(len(part) + FRAME_BYTES for part in parts)


class Template:
    """A block in the making on one parent."""

    def __init__(
        self, chain: Chain, parent: BlockNode, certificates: tuple[bytes, ...], sealer: MemberId
    ) -> None:
        self.parent = parent
        self.certificates = certificates
        self.transactions: list[SignedTransaction] = []
        self._chain = chain
        self._rules: ChainRules = chain.tree.rules
        self._sealer = sealer
        self._overlay = Overlay(chain)
        self._parked: dict[tuple[StateKey, int], PooledTransaction] = {}
        self._leaves: list[bytes] = []
        self._staged = chain.state_tree.stage(())
        self._legs = self._signatures = 0
        self._room_bytes = certificate_room_bytes(self._rules) - framed_bytes(certificates)

    def fill(self, candidates: Iterable[PooledTransaction]) -> bool:
        """Apply what fits and is valid now; tell whether anything went in.

        A transaction ahead of its lane waits inside the template for the one before it.
        """
        before = len(self.transactions)
        # Its own layer, so that the state root is extended by what this filling changes.
        layer = Overlay(self._overlay)
        for candidate in candidates:
            if self._is_full:
                break
            ready = deque((candidate,))
            while ready:
                pooled = ready.popleft()
                if self._try(pooled, layer):
                    ready.extend(self._unparked(pooled))
        if len(self.transactions) == before:
            return False
        written = layer.delta().after
        self._overlay.put_all(written)
        self._staged = self._chain.state_tree.stage(
            [
                (key, None if record is None else encode_record(record))
                for key, record in written.items()
            ],
            onto=self._staged,
        )
        return True

    def _try(self, pooled: PooledTransaction, layer: Overlay) -> bool:
        transaction = pooled.transaction
        if not self._has_room(transaction):
            return False
        try:
            apply_transaction(
                layer,
                transaction,
                height=self.parent.height + 1,
                genesis_hash=self._rules.genesis_hash,
            )
        except InvalidTransaction as error:
            if error.code == "sequence_gap":
                for lane in pooled.lanes:
                    self._parked[lane] = pooled
            return False
        self.transactions.append(transaction)
        self._leaves.append(leaf_hash(transaction.raw))
        self._legs += transaction.leg_count
        self._signatures += len(transaction.signatures)
        self._room_bytes -= len(transaction.raw) + FRAME_BYTES
        return True

    @property
    def _is_full(self) -> bool:
        """Whether no further transaction can fit, whatever its size."""
        parameters = self._rules.parameters
        return (
            self._legs >= parameters.block_legs_max
            or self._signatures >= parameters.block_signatures_max
            or self._room_bytes < TRANSACTION_BYTES_MIN
        )

    def _has_room(self, transaction: SignedTransaction) -> bool:
        parameters = self._rules.parameters
        return (
            self._legs + transaction.leg_count <= parameters.block_legs_max
            and self._signatures + len(transaction.signatures) <= parameters.block_signatures_max
            and len(transaction.raw) + FRAME_BYTES <= self._room_bytes
        )

    def _unparked(self, pooled: PooledTransaction) -> list[PooledTransaction]:
        """Return parked transactions that come next in the lanes of one that went in."""
        following = [self._parked.pop((key, sequence + 1), None) for key, sequence in pooled.lanes]
        return [waiting for waiting in following if waiting is not None]

    def header(self, wall_ms: int) -> Header:
        """Return the header to work on, with the time as late as the rules ask; its nonce is 0."""
        parent, rules = self.parent.sealed.header, self._rules
        time_ms = max(wall_ms, parent.time_ms + 1)
        return Header(
            height=parent.height + 1,
            parent=self.parent.hash,
            time_ms=time_ms,
            clock_ms=next_clock_ms(parent, time_ms, rules.parameters),
            bits=next_bits(parent, rules.parameters),
            sealer=self._sealer,
            transaction_count=len(self.transactions),
            tx_root=merkle_root(self._leaves),
            certificates_root=certificates_root(self.certificates),
            state_root=self._staged.root,
            history_root=self.parent.history.root(),
            set_id=rules.sealers.set_id,
            set_hash=rules.sealers.hash,
            next_set_id=rules.sealers.set_id,
            next_set_hash=rules.sealers.hash,
            nonce=bytes(8),
        )
