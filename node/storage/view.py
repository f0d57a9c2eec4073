"""The chain at one moment, for the API and the stream to read while the engine goes on.

A view answers from a snapshot that the writer took after a commit. Reads are synchronous; those of
headers, records, balances and indexes take microseconds, those that decode or prove a whole block
(``block``, ``transactions``, ``prove``) as long as the block is large, and belong in a thread
where blocks may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from consensus.bundle import TransactionProof
from consensus.votes import Checkpoint, decode_certificate
from ledger.blocks import Block, SealedHeader
from ledger.hashing import BlockHash, TxId
from ledger.identity import AccountId
from ledger.merkle import inclusion_path, inclusion_path_from_store, leaf_hash
from ledger.transactions import SignedTransaction, decode_transaction
from node.core.effects import Retirement
from node.errors import StoreCorrupt
from node.storage.records import (
    FoundEvidence,
    decode_evidence,
    decode_retirement,
    decode_sealed_header,
    decode_stored_block,
    split_txids,
    stored,
    stored_transactions,
)
from node.storage.state_reader import At, StateReader
from node.storage.tables import (
    Table,
    account_history_key,
    checkpoint_key,
    number_key,
    position_of,
    subtree_key,
)

__all__ = (
    "At",
    "BlockOutline",
    "ChainView",
    "Finality",
    "HistoryEntry",
    "HistoryPage",
    "LocatedTransaction",
    "Position",
)

PAGE_ROWS_MAX = 1_000
"""Most rows of one page."""


class Finality(StrEnum):
    """How settled a block of the best chain is."""

    FINAL = "final"
    JUSTIFIED = "justified"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A transaction's place on the best chain; also the cursor of a page that ended there."""

    height: int
    """Height of its block."""
    index: int
    """Place in the block."""


class HistoryEntry(NamedTuple):
    """A transaction in the history of an account."""

    position: Position
    txid: TxId


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Part of an account's history, newest first."""

    entries: tuple[HistoryEntry, ...]
    """The transactions."""
    next_cursor: Position | None
    """Where the next page goes on; None after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOutline:
    """A block without the bodies of its transactions."""

    sealed: SealedHeader
    """Header and seal."""
    txids: tuple[TxId, ...]
    """Its transactions, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedTransaction:
    """A transaction with its place on the best chain."""

    transaction: SignedTransaction
    """The transaction."""
    position: Position
    """Height and index."""
    block_hash: BlockHash
    """Hash of its block."""


class ChainView(StateReader):
    """An immutable view of the chain and its state; see the module for what its reads cost.

    Every read raises ``StoreCorrupt`` where what is stored is not what was written.
    """

    __slots__ = ()

    # --- Chain ---------------------------------------------------------------------------------

    def hash_at(self, height: int) -> BlockHash | None:
        """Return the hash of the best chain's block at a height; None above the head."""
        if not 0 <= height <= self.head.height:
            return None
        data = self._reads.get(Table.HEIGHTS, number_key(height))
        return None if data is None else BlockHash(data)

    def sealed_header(self, block_hash: BlockHash) -> SealedHeader | None:
        """Return the sealed header of a stored block, on any branch."""
        data = self._reads.get(Table.HEADERS, block_hash)
        if data is None:
            return None
        return stored(decode_sealed_header, data, Table.HEADERS, block_hash)

    def outline(self, block_hash: BlockHash) -> BlockOutline | None:
        """Return a stored block's header and txids, on any branch."""
        sealed, txids = (
            self.sealed_header(block_hash),
            self._reads.get(Table.TXIDS, block_hash),
        )
        if sealed is None or txids is None:
            return None
        return BlockOutline(sealed=sealed, txids=split_txids(txids))

    def block(self, block_hash: BlockHash) -> Block | None:
        """Return a stored block, decoded, on any branch."""
        data = self._reads.get(Table.BLOCKS, block_hash)
        if data is None:
            return None
        return stored(decode_stored_block, data, Table.BLOCKS, block_hash)

    def block_bytes(self, block_hash: BlockHash) -> bytes | None:
        """Return a stored block's canonical bytes, on any branch."""
        return self._reads.get(Table.BLOCKS, block_hash)

    def is_on_best_chain(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a block is on the best chain."""
        return self.hash_at(checkpoint.height) == checkpoint.hash

    def finality_of(self, height: int) -> Finality | None:
        """Return how settled the best chain's block at a height is; None above the head."""
        block_hash = self.hash_at(height)
        if block_hash is None:
            return None
        if height <= self.final.height:
            return Finality.FINAL
        key = checkpoint_key(height, block_hash)
        is_justified = self._reads.get(Table.JUSTIFIED, key) is not None
        return Finality.JUSTIFIED if is_justified else Finality.UNCONFIRMED

    # --- Transactions --------------------------------------------------------------------------

    def location(self, txid: TxId) -> Position | None:
        """Return a transaction's place on the best chain."""
        data = self._reads.get(Table.TRANSACTIONS, txid)
        return None if data is None else Position(*position_of(data))

    def transaction(self, txid: TxId) -> LocatedTransaction | None:
        """Return a transaction of the best chain."""
        position = self.location(txid)
        if position is None:
            return None
        block_hash = self._best_hash(position.height)
        return _located(self._raws(block_hash)[position.index], position, block_hash)

    def pending(self, txid: TxId) -> bytes | None:
        """Return the bytes of a transaction that waits in the mempool."""
        number = self._reads.get(Table.ARRIVALS, txid)
        return None if number is None else self._reads.get(Table.MEMPOOL, number)

    def retirement(self, txid: TxId) -> Retirement | None:
        """Return why a transaction left the mempool without a block, while that is remembered."""
        data = self._reads.get(Table.RETIREMENTS, txid)
        if data is None:
            return None
        return stored(partial(decode_retirement, txid), data, Table.RETIREMENTS, txid)[1]

    def transactions(
        self, *, since: int, until: int, after: Position | None = None
    ) -> Iterator[LocatedTransaction]:
        """Yield the best chain's transactions of heights ``since`` to ``until``, oldest first.

        ``after`` skips those up to and with a position. Blocks are read one at a time, as the
        caller goes on.
        """
        first = since if after is None else max(since, after.height)
        for height in range(first, min(until, self.head.height) + 1):
            block_hash = self._best_hash(height)
            for index, raw in enumerate(self._raws(block_hash)):
                position = Position(height, index)
                if after is None or position > after:
                    yield _located(raw, position, block_hash)

    def account_history(
        self,
        account: AccountId,
        *,
        since: int = 0,
        until: int | None = None,
        limit: int,
        cursor: Position | None = None,
    ) -> HistoryPage:
        """Return a page of an account's transactions of heights ``since`` to ``until``.

        Newest first; ``cursor`` is the ``next_cursor`` of the page before; at most ``limit`` and
        1,000 entries.
        """
        last = self.head.height if until is None else until
        start = account_history_key(account, last, 2**32 - 1)
        if cursor is not None:
            start = min(start, account_history_key(account, cursor.height, cursor.index))
        rows = min(limit, PAGE_ROWS_MAX)
        entries: list[HistoryEntry] = []
        for key, txid in self._reads.scan(
            Table.ACCOUNT_HISTORY, account, start=start, is_descending=True
        ):
            position = Position(*position_of(key[len(account) :]))
            if position.height < since:
                break
            if position == cursor:
                continue
            if len(entries) == rows:
                return HistoryPage(entries=tuple(entries), next_cursor=entries[-1].position)
            entries.append(HistoryEntry(position, TxId(txid)))
        return HistoryPage(entries=tuple(entries), next_cursor=None)

    def prove(self, txid: TxId) -> TransactionProof | None:
        """Return the proof that a transaction is final; None while it is not."""
        position = self.location(txid)
        if position is None or position.height > self.final.height:
            return None
        block_hash = self._best_hash(position.height)
        finalized, certificate = self._finalizing(position.height)
        raws = self._raws(block_hash)
        return TransactionProof(
            transaction=decode_transaction(raws[position.index]),
            index=position.index,
            path=inclusion_path([leaf_hash(raw) for raw in raws], position.index),
            sealed=self._header(block_hash),
            history_path=(
                ()
                if finalized.hash == block_hash
                else inclusion_path_from_store(
                    position.height, finalized.header.height, self._subtree
                )
            ),
            finalized=finalized,
            certificate=certificate,
        )

    def finality_certificate(self, height: int) -> bytes | None:
        """Return the encoded certificate whose link made the block at a height final, itself."""
        return self._reads.get(Table.CERTIFICATES, number_key(height))

    def evidence(self) -> tuple[FoundEvidence, ...]:
        """Return all evidence of faulty voters, oldest first."""
        found = (
            stored(decode_evidence, data, Table.EVIDENCE, key)
            for key, data in self._reads.scan(Table.EVIDENCE)
        )
        return tuple(sorted(found, key=lambda one: one.height))

    def _finalizing(self, height: int) -> tuple[SealedHeader, bytes]:
        """Return the lowest final header at or above a height that has a certificate, and that."""
        for key, certificate in self._reads.scan(Table.CERTIFICATES, start=number_key(height)):
            source = stored(decode_certificate, certificate, Table.CERTIFICATES, key).vote.source
            return self._header(source.hash), certificate
        raise StoreCorrupt(
            "certificate_missing", f"no certificate makes block {height} final", height=height
        )

    def _subtree(self, level: int, index: int) -> bytes:
        key = subtree_key(level, index)
        data = self._reads.get(Table.HISTORY, key)
        if data is None:
            raise StoreCorrupt("subtree_missing", "the history misses a subtree", key=key.hex())
        return data

    def _best_hash(self, height: int) -> BlockHash:
        block_hash = self.hash_at(height)
        if block_hash is None:
            raise StoreCorrupt("height_missing", f"no block at height {height}", height=height)
        return block_hash

    def _header(self, block_hash: BlockHash) -> SealedHeader:
        sealed = self.sealed_header(block_hash)
        if sealed is None:
            raise StoreCorrupt("header_missing", "a block has no header", hash=block_hash.hex())
        return sealed

    def _raws(self, block_hash: BlockHash) -> tuple[bytes, ...]:
        data = self._reads.get(Table.BLOCKS, block_hash)
        if data is None:
            raise StoreCorrupt("block_missing", "a block has no body", hash=block_hash.hex())
        return stored(stored_transactions, data, Table.BLOCKS, block_hash)


def _located(raw: bytes, position: Position, block_hash: BlockHash) -> LocatedTransaction:
    return LocatedTransaction(
        transaction=decode_transaction(raw), position=position, block_hash=block_hash
    )
