"""State proofs: what an account holds, proved against the state root of a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger import codec
from ledger.addresses import encode_account_id
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.identity import AccountId
from ledger.state import StateKey, account_key, balance_key, encode_record
from node.core.engine import Engine
from node.storage.view import At, ChainView

UNDONE_BLOCKS_MAX = 64
"""Unfinal blocks that may be undone in memory to prove the state of the last final one."""
FORMAT = "sunlit-state-proof/1"


def prove_account(
    engine: Engine, view: ChainView, account: AccountId, at: At, genesis: Genesis
) -> Mapping[str, Any]:
    """Return the proof of an account's record and of its balance of every asset, absent or not.

    Runs between two events of the engine, whose state tree it borrows.

    Raises:
        LookupError: no such account at that block.
        InvalidProof: finality is too far behind the head to prove the final state.
    """
    chain = engine.chain
    target = chain.head if at is At.HEAD else chain.tree.root
    undone = chain.head.path_from(target)
    if len(undone) > UNDONE_BLOCKS_MAX:
        raise InvalidProof("finality_stalled", "too many blocks are not final; ask for state=head")
    keys = [account_key(account), *(balance_key(account, asset) for asset in genesis.assets)]
    with chain.state_tree_at(target) as tree:
        proofs = {key: tree.prove(key) for key in keys}
    read = view.record if at is At.HEAD else view.final_record
    records = {key: read(StateKey(key)) for key in keys}
    if records[keys[0]] is None:
        raise LookupError(f"no account {encode_account_id(account)} at height {target.height}")
    return {
        "format": FORMAT,
        "account": encode_account_id(account),
        "height": target.height,
        "block_hash": target.hash.hex(),
        "header": codec.encode(target.sealed.to_value()).hex(),
        "entries": [
            {
                "key": key.hex(),
                "value": None if records[key] is None else encode_record(records[key]).hex(),
                "bucket": proof.bucket.hex(),
                "siblings": [row.hex() for row in proof.siblings],
            }
            for key, proof in proofs.items()
        ],
    }
