"""Real evidence bundles: of a mined, certified chain of a network with one payment in it."""

from __future__ import annotations

import json
from typing import Any

from consensus.account_bundle import AccountProof, ProvedEntry, account_bundle_document
from consensus.bundle import TransactionProof, bundle_document
from ledger.genesis_document import format_genesis
from ledger.merkle import inclusion_path, leaf_hash
from ledger.state import account_key, balance_key, encode_record
from ledger.transactions import SignedTransaction
from tests.chains import ChainBuilder
from tests.factories import Network


def make_bundle(network: Network, transaction: SignedTransaction | None = None) -> dict[str, Any]:
    """Return the bundle of a transaction in block 1 of three, of which block 2 is final.

    It is a payment unless told otherwise.
    """
    chain = ChainBuilder(network)
    transactions = [network.transfer(network.leg("alice", "bob", n)) for n in (1, 2, 3)]
    if transaction is not None:
        transactions[1] = transaction
    sealed = chain.child(chain.genesis, transactions=transactions)
    finalized, child = chain.extend(sealed, 2)
    history = [leaf_hash(block.hash) for block in (chain.genesis, sealed)]
    proof = TransactionProof(
        transaction=transactions[1],
        index=1,
        path=inclusion_path([leaf_hash(transaction.raw) for transaction in transactions], 1),
        sealed=sealed,
        history_path=inclusion_path(history, 1),
        finalized=finalized,
        certificate=chain.certificate(finalized, child).encode(),
    )
    return bundle_document(
        proof,
        chain_id=network.genesis.chain_id,
        genesis_hash=network.genesis_hash,
        genesis=json.loads(format_genesis(network.genesis)),
    )


def make_account_bundle(network: Network, name: str) -> dict[str, Any]:
    """Return the bundle of an account's opening balances, at a final block 1 without payments."""
    chain = ChainBuilder(network)
    finalized, child = chain.extend(chain.genesis, 2)
    state, account = network.state(), network.holders[name].id
    keys = [account_key(account), *(balance_key(account, code) for code in network.genesis.assets)]
    proof = AccountProof(
        account=account,
        entries=[
            ProvedEntry(
                key=key, value=encode_record(state.entries[key]), proof=state.tree.prove(key)
            )
            for key in keys
        ],
        finalized=finalized,
        certificate=chain.certificate(finalized, child).encode(),
    )
    return account_bundle_document(
        proof,
        chain_id=network.genesis.chain_id,
        genesis_hash=network.genesis_hash,
        genesis=json.loads(format_genesis(network.genesis)),
    )
