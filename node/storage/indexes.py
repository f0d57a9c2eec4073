"""Indexes of the best chain: made when a block is connected, taken back when it is disconnected."""

from __future__ import annotations

from ledger.attestations import Attest
from ledger.blocks import Block
from ledger.identity import AccountId
from ledger.kinds import OpenAccount, Transfer
from ledger.measures import Govern
from ledger.transactions import SignedTransaction, opened_account_id
from node.storage.key_value import WriteBatch
from node.storage.tables import INDEX_BYTES, Table, number_key


def accounts_of(transaction: SignedTransaction) -> set[AccountId]:
    """Return the accounts in whose history a transaction stands.

    They are those that it debits, credits, opens or puts under a measure; an attestation is in none.
    """
    effect = transaction.body.effect
    if isinstance(effect, Transfer):
        if len(effect.legs) == 1:
            leg = effect.legs[0]
            return {leg.debit, leg.credit}
        return {account for leg in effect.legs for account in (leg.debit, leg.credit)}
    if isinstance(effect, OpenAccount):
        return {opened_account_id(transaction.txid)}
    if isinstance(effect, Govern):
        return {measure.account for measure in effect.measures}
    if isinstance(effect, Attest):
        return set()
    return {entry.account for entry in effect.entries}


def index_block(batch: WriteBatch, block: Block) -> None:
    """Enter a block that joined the best chain."""
    batch.put(Table.HEIGHTS, number_key(block.header.height), block.hash)
    positions, history = _entries(block)
    batch.update(Table.TRANSACTIONS, positions)
    batch.update(Table.ACCOUNT_HISTORY, history)


def unindex_block(batch: WriteBatch, block: Block) -> None:
    """Remove a block that left the best chain."""
    batch.delete(Table.HEIGHTS, number_key(block.header.height))
    positions, history = _entries(block)
    batch.update(Table.TRANSACTIONS, dict.fromkeys(positions))
    batch.update(Table.ACCOUNT_HISTORY, dict.fromkeys(history))


def _entries(block: Block) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Return a block's entries of the tables ``transactions`` and ``account_history``."""
    height = number_key(block.header.height)
    positions: dict[bytes, bytes] = {}
    history: dict[bytes, bytes] = {}
    for index, transaction in enumerate(block.transactions):
        txid = transaction.txid
        position = positions[txid] = height + index.to_bytes(INDEX_BYTES)  # as `position_of` reads
        for account in accounts_of(transaction):
            history[account + position] = txid  # as `account_history_key`
    return positions, history
