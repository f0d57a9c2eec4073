"""The effects of one engine call as one write batch, and the chain's end once it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from consensus.votes import Checkpoint
from ledger.blocks import Block
from ledger.hashing import BlockHash, TxId
from ledger.merkle import Frontier, leaf_hash
from ledger.state import Record, StateKey
from node.core.effects import (
    CommitChain,
    Effect,
    LogTransactions,
    RetireTransactions,
    StoreBlock,
    StoreCertificate,
    StoreEvidence,
    StoreFinality,
    StoreVotes,
)
from node.core.limits import EVIDENCE_PER_MEMBER_MAX
from node.errors import StoreCorrupt
from node.storage.indexes import index_block, unindex_block
from node.storage.key_value import Reads, WriteBatch
from node.storage.records import (
    FoundEvidence,
    decode_retirement,
    encode_evidence,
    encode_retirement,
    encode_root,
    encode_sealed_header,
    encode_undo,
    evidence_key,
    stored,
)
from node.storage.tables import (
    HEAD_KEY,
    NUMBER_BYTES,
    ROOT_KEY,
    Table,
    checkpoint_hash,
    checkpoint_key,
    evidence_prefix,
    number_key,
    number_of,
    subtree_key,
    vote_key,
)
from node.storage.undo import Undo

RETIREMENTS_MAX = 100_000
"""Transactions whose retirement is remembered; the oldest is forgotten first."""
BLOCK_PARTS = (Table.HEADERS, Table.TXIDS)
"""What is kept of a block beside its body, which was read when it was recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """What the store keeps in memory of the chain's end and of its own counters."""

    head: Checkpoint
    """Head of the best chain."""
    root: Checkpoint
    """The last final block."""
    history: Frontier
    """Tree over the hashes of the final blocks."""
    undo: tuple[Undo, ...]
    """Changes of the connected blocks above the root, lowest first."""
    next_arrival: int
    """Number of the next transaction of the mempool."""
    first_retirement: int
    """Number of the oldest retirement remembered."""
    next_retirement: int
    """Number of the next one."""


class Commit:
    """A batch in the making: ``add`` each effect, then write ``batch``."""

    def __init__(self, reads: Reads, end: ChainEnd) -> None:
        self.batch = WriteBatch(reads)
        self.end = end
        self.state: dict[StateKey, Record | None] = {}
        """Records that the batch writes, decoded."""
        self.is_synced = False
        """Whether the batch must survive a loss of power: all but a block that may come again."""

    def add(self, effect: Effect) -> None:
        """Take in an effect; those that are not the chain store's are left alone."""
        match effect:
            case StoreBlock():
                self._put_block(effect.block)
            case CommitChain():
                self._commit_chain(effect)
            case StoreCertificate():
                self._store_certificate(effect)
            case StoreFinality():
                self._store_finality(effect)
            case StoreVotes():
                self._store_votes(effect)
            case StoreEvidence():
                self._store_evidence(effect)
            case LogTransactions():
                self._log_transactions(effect)
            case RetireTransactions():
                self._retire_transactions(effect)
            case _:
                pass

    def _put_block(self, block: Block) -> None:
        self.batch.put(Table.BLOCKS, block.hash, block.encode())
        self.batch.put(Table.HEADERS, block.hash, encode_sealed_header(block.sealed))
        txids = b"".join(transaction.txid for transaction in block.transactions)
        self.batch.put(Table.TXIDS, block.hash, txids)
        self.batch.put(Table.UNFINAL, checkpoint_key(block.header.height, block.hash), b"")

    def _drop_block(self, key: bytes) -> None:
        block_hash = checkpoint_hash(key)
        for table in (Table.BLOCKS, Table.HEADERS, Table.TXIDS, Table.UNDO):
            self.batch.delete(table, block_hash)
        self.batch.delete(Table.UNFINAL, key)

    def _commit_chain(self, effect: CommitChain) -> None:
        self.is_synced = True
        undo = self.end.undo
        for block in effect.disconnected:
            unindex_block(self.batch, block)
            self.batch.delete(Table.UNDO, block.hash)
            undo = tuple(one for one in undo if one.block_hash != block.hash)
        for connected in effect.connected:
            block = connected.block
            if any(self.batch.get(table, block.hash) is None for table in BLOCK_PARTS):
                self._put_block(block)
            index_block(self.batch, block)
            self.batch.put(Table.UNDO, block.hash, encode_undo(connected.delta.before))
            undo = (*undo, Undo(block.hash, connected.delta.before))
        self.batch.update(Table.STATE, effect.state.encoded)
        self.state.update(effect.state.records)
        head = effect.head
        self.batch.put(Table.META, HEAD_KEY, checkpoint_key(head.height, head.hash))
        self.end = replace(self.end, head=head, undo=undo)

    def _store_certificate(self, effect: StoreCertificate) -> None:
        self.is_synced = True
        target = effect.certificate.vote.target
        key = checkpoint_key(target.height, target.hash)
        self.batch.put(Table.JUSTIFIED, key, effect.certificate.encode())

    def _store_finality(self, effect: StoreFinality) -> None:
        self.is_synced = True
        root = effect.root
        history = self._extend_history(effect.finalized)
        if history != root.history:
            raise StoreCorrupt(
                "history_mismatch",
                f"the stored history does not lead to the final block {root.height}",
                height=root.height,
                hash=root.hash.hex(),
            )
        self._leave_unfinal(root.height, effect.finalized, effect.dropped)
        proved = root.proved.justified[-1]
        for key in self.batch.keys(Table.JUSTIFIED):
            # What the chain does not prove yet, blocks to come must carry, also after a restart.
            if number_of(key) < root.height and number_of(key) <= proved:
                self.batch.delete(Table.JUSTIFIED, key)
        self.batch.put(Table.CERTIFICATES, number_key(root.height), effect.certificate.encode())
        self.batch.put(Table.META, ROOT_KEY, encode_root(root))
        final = set(effect.finalized)
        undo = tuple(one for one in self.end.undo if one.block_hash not in final)
        self.end = replace(self.end, root=root.checkpoint, history=history, undo=undo)

    def _extend_history(self, finalized: Iterable[BlockHash]) -> Frontier:
        history = self.end.history
        for block_hash in finalized:
            leaf = leaf_hash(block_hash)
            for subtree in history.completed_subtrees(leaf):
                key = subtree_key(subtree.level, subtree.index)
                self.batch.put(Table.HISTORY, key, subtree.hash)
            history = history.append(leaf)
        return history

    def _leave_unfinal(
        self, height: int, finalized: Iterable[BlockHash], dropped: Iterable[BlockHash]
    ) -> None:
        """Keep the final blocks for good; forget those that are on no chain from now on."""
        final, lost = set(finalized), set(dropped)
        for key in self.batch.keys(Table.UNFINAL):
            block_hash = checkpoint_hash(key)
            if block_hash in final:
                self.batch.delete(Table.UNFINAL, key)
                self.batch.delete(Table.UNDO, block_hash)
            elif block_hash in lost or number_of(key) <= height:
                self._drop_block(key)

    def _store_votes(self, effect: StoreVotes) -> None:
        for vote in effect.votes:
            key, height = vote_key(vote), number_key(vote.vote.target.height)
            held = self.batch.get(Table.VOTES, key)
            # One that comes late, or again, does not take the place of a newer one.
            if held is None or held[:NUMBER_BYTES] < height:
                self.batch.put(Table.VOTES, key, height + vote.encode())

    def _store_evidence(self, effect: StoreEvidence) -> None:
        evidence = effect.evidence
        if len(self.batch.keys(Table.EVIDENCE, evidence_prefix(evidence))) >= (
            EVIDENCE_PER_MEMBER_MAX
        ):
            return
        key = evidence_key(evidence)
        if self.batch.get(Table.EVIDENCE, key) is None:
            self.is_synced = True
            found = FoundEvidence(evidence=evidence, height=effect.height)
            self.batch.put(Table.EVIDENCE, key, encode_evidence(found))

    def _log_transactions(self, effect: LogTransactions) -> None:
        number = self.end.next_arrival
        for transaction in effect.transactions:
            txid, key = transaction.txid, number_key(number)
            if self.batch.get(Table.ARRIVALS, txid) is not None:
                continue
            self.batch.put(Table.MEMPOOL, key, transaction.raw)
            self.batch.put(Table.ARRIVALS, txid, key)
            # Refused once and valid now, it is pending again.
            self.batch.delete(Table.RETIREMENTS, txid)
            number += 1
        self.is_synced = True
        self.end = replace(self.end, next_arrival=number)

    def _retire_transactions(self, effect: RetireTransactions) -> None:
        for txid in (*effect.included, *(one.txid for one in effect.retired)):
            arrival = self.batch.get(Table.ARRIVALS, txid)
            if arrival is not None:
                self.batch.delete(Table.MEMPOOL, arrival)
                self.batch.delete(Table.ARRIVALS, txid)
        number = self.end.next_retirement
        for retirement in effect.retired:
            data = encode_retirement(number, retirement)
            self.batch.put(Table.RETIREMENTS, retirement.txid, data)
            self.batch.put(Table.RETIREMENT_ORDER, number_key(number), retirement.txid)
            number += 1
        self.is_synced = True
        self.end = replace(self.end, next_retirement=number)
        self._forget_retirements()

    def _forget_retirements(self) -> None:
        """Forget the oldest retirements beyond the limit."""
        first = max(self.end.first_retirement, self.end.next_retirement - RETIREMENTS_MAX)
        for number in range(self.end.first_retirement, first):
            key = number_key(number)
            txid = self.batch.get(Table.RETIREMENT_ORDER, key)
            self.batch.delete(Table.RETIREMENT_ORDER, key)
            if txid is not None and self._retired_as(TxId(txid)) == number:
                self.batch.delete(Table.RETIREMENTS, txid)
        self.end = replace(self.end, first_retirement=first)

    def _retired_as(self, txid: TxId) -> int | None:
        """Return the number of a transaction's last retirement, while it stands."""
        data = self.batch.get(Table.RETIREMENTS, txid)
        if data is None:
            return None
        return stored(partial(decode_retirement, txid), data, Table.RETIREMENTS, txid)[0]
