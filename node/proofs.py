"""State proofs: what an account holds at the last final block, proved against its state root."""

from __future__ import annotations

from consensus.account_bundle import AccountProof, ProvedEntry
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.identity import AccountId
from ledger.state import account_key, balance_key, encode_record
from node.core.engine import Engine
from node.storage.view import ChainView


def prove_account(
    engine: Engine, view: ChainView, account: AccountId, genesis: Genesis
) -> AccountProof:
    """Return the proof of an account's record and of its balance of every asset, there or not.

    Runs between two events of the engine, whose state tree it reads, and hashes nothing.

    Raises:
        InvalidProof: no block but genesis is final yet, or finality is too far behind the head.
    """
    chain = engine.chain
    root = chain.tree.root
    certificate = view.finality_certificate(root.height)
    if certificate is None:
        raise InvalidProof("not_final_yet", "no certificate proves the last final block yet")
    keys = [account_key(account), *(balance_key(account, asset) for asset in genesis.assets)]
    proofs = chain.prove_final(keys)
    if proofs is None:
        raise InvalidProof("finality_stalled", "too many blocks are not final to prove one now")
    records = [view.final_record(key) for key in keys]
    return AccountProof(
        account=account,
        entries=[
            ProvedEntry(
                key=key, value=None if record is None else encode_record(record), proof=proof
            )
            for key, record, proof in zip(keys, records, proofs, strict=True)
        ],
        finalized=root.sealed,
        certificate=certificate,
    )
