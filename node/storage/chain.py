"""The chain store's logic over any key-value tables: it runs effects and answers the engine.

One thread calls it, the one that runs the engine. Other threads read through ``view()``, which is
replaced after each write and never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from consensus.evidence import Evidence
from consensus.tree import BlockNode, genesis_node
from consensus.votes import Checkpoint, SignedVote, decode_certificate, decode_signed_vote
from ledger.blocks import Block, SealedHeader
from ledger.genesis import Genesis
from ledger.hashing import BlockHash, TxId
from ledger.merkle import Frontier, leaf_hash
from ledger.state import Record, StateKey, decode_record, encode_record
from node.core.effects import Effect, Retirement
from node.core.ports import Recovered
from node.errors import ConfigError, NodeError, StoreCorrupt
from node.storage.commit import ChainEnd, Commit
from node.storage.key_value import KeyValue, WriteBatch
from node.storage.record_cache import RecordCache
from node.storage.records import (
    decode_evidence,
    decode_retirement,
    decode_root,
    decode_sealed_header,
    decode_stored_block,
    decode_undo,
    encode_root,
    encode_sealed_header,
    stored,
)
from node.storage.tables import (
    GENESIS_KEY,
    HEAD_KEY,
    NUMBER_BYTES,
    ROOT_KEY,
    SCHEMA_KEY,
    SCHEMA_VERSION,
    Table,
    checkpoint_hash,
    checkpoint_key,
    number_key,
    number_of,
    position_of,
    subtree_key,
)
from node.storage.undo import Undo
from node.storage.view import ChainView


class StoredChain:
    """Implements ``node.core.ports.ChainStore``; ``apply`` is the only way to change it."""

    def __init__(self, key_value: KeyValue, genesis: Genesis, *, record_cache_entries: int) -> None:
        """Open a store, or make it from the genesis document.

        Raises:
            ConfigError: it holds another chain, or was written by another version.
            StoreCorrupt: what it holds contradicts itself.
        """
        self._key_value = key_value
        self._records = RecordCache(self._read_record, record_cache_entries)
        self.get: Callable[[StateKey], Record | None] = self._records.__getitem__
        """Return a record of the state at the head; a hit is one look-up and no call."""
        try:
            if key_value.get(Table.META, SCHEMA_KEY) is None:
                _write_genesis(key_value, genesis)
            _require_same_chain(key_value, genesis)
            self._end = self._load_end()
        except NodeError:
            key_value.close()
            raise
        self._view = self._new_view()

    def apply(self, effects: Sequence[Effect]) -> None:
        """Run the storage effects of one engine call, all or none, and durably.

        Only a block that joins no chain yet is not waited for: it may be lost with the power and
        fetched again, and every later commit makes it durable too.

        Raises:
            StoreFailed: nothing of it may be called done; the store takes no further write.
            StoreCorrupt: what is stored contradicts the effects.
        """
        commit = Commit(self._key_value, self._end)
        for effect in effects:
            commit.add(effect)
        if not commit.batch.writes:
            return
        self._key_value.write(commit.batch.writes, is_synced=commit.is_synced)
        self._end = commit.end
        self._records.put_all(commit.state)
        self._view = self._new_view()

    def view(self) -> ChainView:
        """Return the chain as the last ``apply`` left it, for any thread to read at leisure.

        A view keeps old data from being cleaned up while it lives: take one a request.
        """
        return self._view

    def close(self) -> None:
        """Release the files; views that still live keep the lock until they are gone."""
        del self._view
        self._key_value.close()

    def _read_record(self, key: StateKey) -> Record | None:
        data = self._key_value.get(Table.STATE, key)
        if data is None:
            return None
        return stored(partial(decode_record, key), data, Table.STATE, key)

    def state_entries(self) -> Iterator[tuple[StateKey, bytes]]:
        """Yield every entry of the state at the head: key and canonical record bytes."""
        for key, data in self._key_value.scan(Table.STATE):
            yield StateKey(key), data

    def block(self, block_hash: BlockHash) -> Block | None:
        """Return a stored block, decoded."""
        data = self.block_bytes(block_hash)
        if data is None:
            return None
        return stored(decode_stored_block, data, Table.BLOCKS, block_hash)

    def block_bytes(self, block_hash: BlockHash) -> bytes | None:
        """Return a stored block's bytes."""
        return self._key_value.get(Table.BLOCKS, block_hash)

    def sealed_header(self, block_hash: BlockHash) -> SealedHeader | None:
        """Return the sealed header of a stored block."""
        data = self._key_value.get(Table.HEADERS, block_hash)
        if data is None:
            return None
        return stored(decode_sealed_header, data, Table.HEADERS, block_hash)

    def before(self, block_hash: BlockHash) -> Mapping[StateKey, Record | None] | None:
        """Return what the entries that a connected block changed were before it.

        Known of blocks above the last final one.
        """
        for undo in self._end.undo:
            if undo.block_hash == block_hash:
                return undo.before
        return None

    def hash_at(self, height: int) -> BlockHash | None:
        """Return the hash of the best chain's block at a height."""
        data = self._key_value.get(Table.HEIGHTS, number_key(height))
        return None if data is None else BlockHash(data)

    def location(self, txid: TxId) -> tuple[int, int] | None:
        """Return (height, index) of a transaction on the best chain."""
        data = self._key_value.get(Table.TRANSACTIONS, txid)
        return None if data is None else position_of(data)

    def pending(self, txid: TxId) -> bytes | None:
        """Return the bytes of a transaction in the durable mempool."""
        number = self._key_value.get(Table.ARRIVALS, txid)
        return None if number is None else self._key_value.get(Table.MEMPOOL, number)

    def retirement(self, txid: TxId) -> Retirement | None:
        """Return why a transaction left the mempool without a block, while that is remembered."""
        if self._end.first_retirement == self._end.next_retirement:
            return None  # as a rule there is none, and each new transaction asks
        data = self._key_value.get(Table.RETIREMENTS, txid)
        if data is None:
            return None
        return stored(partial(decode_retirement, txid), data, Table.RETIREMENTS, txid)[1]

    def recover(self) -> Recovered:
        """Return what the engine starts from."""
        root = self._load_root()
        return Recovered(
            root=root,
            blocks=tuple(self._unfinal_blocks(root)),
            head=self._end.head.hash,
            certificates=tuple(
                stored(decode_certificate, data, Table.JUSTIFIED, key)
                for key, data in self._key_value.scan(Table.JUSTIFIED)
            ),
            transactions=tuple(raw for _, raw in self._key_value.scan(Table.MEMPOOL)),
            votes=tuple(self._votes()),
            evidence=tuple(self._evidence()),
        )

    def _votes(self) -> list[SignedVote]:
        """Return the votes heard, lowest target first."""
        values = sorted((data, key) for key, data in self._key_value.scan(Table.VOTES))
        return [
            stored(decode_signed_vote, data[NUMBER_BYTES:], Table.VOTES, key)
            for data, key in values
        ]

    def _evidence(self) -> Iterable[Evidence]:
        for key, data in self._key_value.scan(Table.EVIDENCE):
            yield stored(decode_evidence, data, Table.EVIDENCE, key).evidence

    def _unfinal_blocks(self, root: BlockNode) -> Iterator[Block]:
        """Yield the stored blocks that build on the root, parents before children.

        A block whose parent was lost with the power is left out: both are fetched again.
        """
        known = {root.hash}
        for key, _ in self._key_value.scan(Table.UNFINAL):
            block = self.block(checkpoint_hash(key))
            if block is not None and block.header.parent in known:
                known.add(block.hash)
                yield block

    def _load_root(self) -> BlockNode:
        return stored(decode_root, self._meta(ROOT_KEY), Table.META, ROOT_KEY)

    def _load_end(self) -> ChainEnd:
        head, root = self._meta(HEAD_KEY), self._load_root()
        return ChainEnd(
            head=Checkpoint(height=number_of(head), hash=checkpoint_hash(head)),
            root=root.checkpoint,
            history=root.history,
            undo=tuple(self._load_undo(root.height + 1, number_of(head))),
            next_arrival=self._bounds(Table.MEMPOOL)[1],
            first_retirement=self._bounds(Table.RETIREMENT_ORDER)[0],
            next_retirement=self._bounds(Table.RETIREMENT_ORDER)[1],
        )

    def _load_undo(self, first: int, last: int) -> Iterator[Undo]:
        for height in range(first, last + 1):
            block_hash = self.hash_at(height)
            data = None if block_hash is None else self._key_value.get(Table.UNDO, block_hash)
            if block_hash is None or data is None:
                raise StoreCorrupt(
                    "undo_missing", f"the change that block {height} made is gone", height=height
                )
            yield Undo(block_hash, stored(decode_undo, data, Table.UNDO, block_hash))

    def _bounds(self, table: Table) -> tuple[int, int]:
        """Return the first number of a numbered table and the one after its last."""
        first = next(self._key_value.scan(table), None)
        last = next(self._key_value.scan(table, is_descending=True), None)
        if first is None or last is None:
            return 0, 0
        return number_of(first[0]), number_of(last[0]) + 1

    def _meta(self, key: bytes) -> bytes:
        data = self._key_value.get(Table.META, key)
        if data is None:
            raise StoreCorrupt("meta_missing", f"the store's {key.decode()} is gone")
        return data

    def _new_view(self) -> ChainView:
        return ChainView(self._key_value.snapshot(), self._end)


def _write_genesis(key_value: KeyValue, genesis: Genesis) -> None:
    """Write the state and the block of height 0, and that the store is whole, all at once."""
    sealed = genesis.header()
    root, block = genesis_node(sealed), Block(sealed=sealed, transactions=(), certificates=())
    batch = WriteBatch(key_value)
    for key, record in genesis.state().items():
        batch.put(Table.STATE, key, encode_record(record))
    batch.put(Table.BLOCKS, sealed.hash, block.encode())
    batch.put(Table.HEADERS, sealed.hash, encode_sealed_header(sealed))
    batch.put(Table.TXIDS, sealed.hash, b"")
    batch.put(Table.HEIGHTS, number_key(0), sealed.hash)
    for subtree in Frontier(size=0, peaks=()).completed_subtrees(leaf_hash(sealed.hash)):
        batch.put(Table.HISTORY, subtree_key(subtree.level, subtree.index), subtree.hash)
    batch.put(Table.META, SCHEMA_KEY, number_key(SCHEMA_VERSION))
    batch.put(Table.META, GENESIS_KEY, sealed.hash)
    batch.put(Table.META, HEAD_KEY, checkpoint_key(0, sealed.hash))
    batch.put(Table.META, ROOT_KEY, encode_root(root))
    key_value.write(batch.writes, is_synced=True)


def _require_same_chain(key_value: KeyValue, genesis: Genesis) -> None:
    schema, held = key_value.get(Table.META, SCHEMA_KEY), key_value.get(Table.META, GENESIS_KEY)
    if schema != number_key(SCHEMA_VERSION):
        raise ConfigError(
            "unknown_schema",
            f"the data is of schema {number_of(schema or b'')}, this program reads and writes "
            f"{SCHEMA_VERSION}; move the directory away and start the node again: it fetches the "
            "chain from its peers",
        )
    expected = genesis.header().hash
    if held != expected:
        raise ConfigError(
            "wrong_genesis",
            f"the data directory belongs to the chain of genesis {(held or b'').hex()}, the "
            f"configuration names {expected.hex()}",
            expected=expected.hex(),
            found=(held or b"").hex(),
        )
