"""What the chain holds as the JSON documents of ``node.api.documents``: pure functions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

from consensus.votes import Checkpoint, SignedVote
from ledger.addresses import encode_account_id
from ledger.attestations import Attest, Attestation
from ledger.attesting import AttestationName
from ledger.blocks import Block, SealedHeader
from ledger.hashing import TxId
from ledger.identity import Account, AccountId, Asset, AssetCode, KeySet, Member, MemberId
from ledger.kinds import Effect, Issue, Leg, OpenAccount, Redeem, Transfer
from ledger.measures import Govern, Measure, measure_kind
from ledger.transactions import Actor, SignedTransaction, opened_account_id
from node.api.attestation_documents import (
    AttestationDocument,
    AttestedDocument,
)
from node.api.documents import (
    AccountDocument,
    AssetDocument,
    AuditBlockDocument,
    BalanceDocument,
    BlockDocument,
    BlockTransactionDocument,
    CheckpointDocument,
    EvidenceDocument,
    FinalityName,
    MemberDocument,
    StatusDocument,
    VoteDocument,
)
from node.api.limits import ACCOUNT_TEXTS_MAX
from node.api.transaction_documents import (
    ActorDocument,
    BodyDocument,
    KeySetDocument,
    LegDocument,
    MeasureDocument,
    OpenedAccountDocument,
)
from node.core.effects import NodeStatus
from node.storage.records import FoundEvidence

BITS_BYTES: Final = 4

KindName = Literal["transfer", "issue", "redeem", "open_account", "govern", "attest"]
PolicyName = Literal["regulator"]
MeasureName = Literal["freeze", "unfreeze"]


def format_time(time_ms: int) -> str:
    """Return a time as RFC 3339 UTC with milliseconds; years to 9999, which headers stay within."""
    seconds, milliseconds = divmod(time_ms, 1_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=ACCOUNT_TEXTS_MAX)
def account_text(account: AccountId) -> str:
    """Return an account id as text; remembered, because blocks name the same accounts again."""
    return encode_account_id(account)


def checkpoint_document(checkpoint: Checkpoint) -> CheckpointDocument:
    """Return a height and a hash."""
    return {"height": checkpoint.height, "hash": checkpoint.hash.hex()}


def status_document(
    status: NodeStatus, *, chain_id: str, genesis_hash: bytes, member: MemberId, version: str
) -> StatusDocument:
    """Return what ``/v1/status`` says."""
    return {
        "chain_id": chain_id,
        "genesis_hash": genesis_hash.hex(),
        "member": member,
        "version": version,
        "head": {
            "height": status.head.height,
            "hash": status.head.hash.hex(),
            "time": format_time(status.head_time_ms),
        },
        "justified": checkpoint_document(status.justified),
        "finalized": checkpoint_document(status.final),
        "finality": "live" if status.is_live else "stalled",
        "peers": len(status.peers),
        "head_safe": status.is_head_safe,
        "syncing": status.is_syncing,
        "voting": status.is_voting,
        "mempool": {
            "transactions": status.mempool_transactions,
            "bytes": status.mempool_bytes,
        },
    }


def block_document(
    sealed: SealedHeader, txids: tuple[TxId, ...], finality: FinalityName
) -> BlockDocument:
    """Return a block as everyone may see it."""
    header = sealed.header
    return {
        "height": header.height,
        "hash": sealed.hash.hex(),
        "parent": header.parent.hex(),
        "time": format_time(header.time_ms),
        "sealer": header.sealer,
        "bits": header.bits.to_bytes(BITS_BYTES).hex(),
        "state_root": header.state_root.hex(),
        "tx_root": header.tx_root.hex(),
        "finality": finality,
        "transactions": [txid.hex() for txid in txids],
    }


def audit_block_document(
    block: Block, finality: FinalityName, genesis: Mapping[str, Any]
) -> AuditBlockDocument:
    """Return a block with its transactions' bodies; block 0 brings the genesis document."""
    header = block.header
    document: AuditBlockDocument = {
        "height": header.height,
        "hash": block.hash.hex(),
        "parent": header.parent.hex(),
        "time": format_time(header.time_ms),
        "sealer": header.sealer,
        "bits": header.bits.to_bytes(BITS_BYTES).hex(),
        "state_root": header.state_root.hex(),
        "tx_root": header.tx_root.hex(),
        "finality": finality,
        "header": block.sealed.header_bytes.hex(),
        "seal": block.sealed.seal.hex(),
        "transactions": [
            _block_transaction(transaction, index)
            for index, transaction in enumerate(block.transactions)
        ],
    }
    if header.height == 0:
        document["genesis"] = dict(genesis)
    return document


def body_document(transaction: SignedTransaction) -> BodyDocument:
    """Return everything that a transaction says, from which its bytes could be made again."""
    body, effect = transaction.body, transaction.body.effect
    document: BodyDocument = {
        "kind": cast("KindName", body.kind.name.lower()),
        "legs": _leg_documents(effect),
        "reference": body.reference,
        "payload": body.payload.hex(),
        "actors": [_actor_document(actor) for actor in body.actors],
        "valid_from": body.valid_from,
        "valid_until": body.valid_until,
        "nonce": body.nonce.hex(),
        "signatures": [
            {"public_key": signature.public_key.hex(), "signature": signature.signature.hex()}
            for signature in transaction.signatures
        ],
    }
    if isinstance(effect, OpenAccount):
        document["opened"] = _opened_document(transaction, effect)
    if isinstance(effect, Govern):
        document["policy"] = cast("PolicyName", effect.policy.name.lower())
        document["measures"] = [_measure_document(measure) for measure in effect.measures]
    if isinstance(effect, Attest):
        document["attested"] = _attested_document(transaction, effect)
    return document


def movements(effect: Effect) -> list[tuple[AccountId | None, AccountId | None, AssetCode, int]]:
    """Return (debit, credit, asset, amount) of every movement; None where supply is made or ends."""
    if isinstance(effect, Transfer):
        return [(leg.debit, leg.credit, leg.asset, leg.amount) for leg in effect.legs]
    if isinstance(effect, Issue):
        return [(None, entry.account, effect.asset, entry.amount) for entry in effect.entries]
    if isinstance(effect, Redeem):
        return [(entry.account, None, effect.asset, entry.amount) for entry in effect.entries]
    return []


def member_document(name: MemberId, member: Member, next_sequence: int) -> MemberDocument:
    """Return a member's entry in the register."""
    return {
        "member": name,
        "legal_name": member.legal_name,
        "lei": member.lei,
        "roles": [role.value for role in member.roles],
        "sealing_key": member.sealing_key.hex(),
        "certificate": base64.b64encode(member.certificate).decode(),
        "officers": key_set_document(member.officers),
        "next_sequences": {"0": next_sequence},
    }


def asset_document(code: AssetCode, asset: Asset) -> AssetDocument:
    """Return an asset's entry in the register."""
    return {"asset": code, "name": asset.name, "decimals": asset.decimals, "issuer": asset.issuer}


def account_document(
    account: AccountId,
    record: Account,
    *,
    balances: Mapping[AssetCode, int],
    sequences: Sequence[int],
    at: Checkpoint,
) -> AccountDocument:
    """Return an account as it is at one block; nothing can be held back or limited yet."""
    return {
        "account": account_text(account),
        "member": record.member,
        "kind": record.kind.value,
        "status": record.status.value,
        "keys": key_set_document(record.keys),
        "opened_height": record.opened_height,
        "next_sequences": {str(lane): sequence for lane, sequence in enumerate(sequences)},
        "balances": [
            _balance_document(asset, amount) for asset, amount in sorted(balances.items())
        ],
        "limits": {},
        "height": at.height,
        "block_hash": at.hash.hex(),
    }


def attestation_document(name: AttestationName, record: Attestation) -> AttestationDocument:
    """Return an attestation as the state holds it."""
    return {
        "member": name.member,
        "kind": name.kind.value,
        "subject": name.subject,
        "revision": name.revision,
        "sha256": record.sha256.hex(),
        "height": record.height,
        "txid": record.txid.hex(),
    }


def key_set_document(keys: KeySet) -> KeySetDocument:
    """Return keys in hex and their threshold."""
    return {"keys": [key.hex() for key in keys.keys], "threshold": keys.threshold}


def evidence_document(found: FoundEvidence) -> EvidenceDocument:
    """Return two conflicting votes with the rule that they break."""
    evidence = found.evidence
    return {
        "offence": evidence.offence.value,
        "member": evidence.first.member,
        "height": found.height,
        "first": _vote_document(evidence.first),
        "second": _vote_document(evidence.second),
    }


def _block_transaction(transaction: SignedTransaction, index: int) -> BlockTransactionDocument:
    return {"txid": transaction.txid.hex(), "index": index, "body": body_document(transaction)}


def _leg_documents(effect: Effect) -> list[LegDocument]:
    if isinstance(effect, Transfer):
        return [_leg_document(leg) for leg in effect.legs]
    return [
        {
            "debit": None if debit is None else account_text(debit),
            "credit": None if credit is None else account_text(credit),
            "asset": asset,
            "amount": str(amount),
            "reference": "",
        }
        for debit, credit, asset, amount in movements(effect)
    ]


def _leg_document(leg: Leg) -> LegDocument:
    return {
        "debit": account_text(leg.debit),
        "credit": account_text(leg.credit),
        "asset": leg.asset,
        "amount": str(leg.amount),
        "reference": leg.reference,
    }


def _actor_document(actor: Actor) -> ActorDocument:
    is_member = isinstance(actor.id, str)
    return {
        "account": None if isinstance(actor.id, str) else account_text(actor.id),
        "member": str(actor.id) if is_member else None,
        "lane": actor.lane,
        "sequence": actor.sequence,
    }


def _opened_document(transaction: SignedTransaction, effect: OpenAccount) -> OpenedAccountDocument:
    member = next(actor.id for actor in transaction.body.actors if isinstance(actor.id, str))
    return {
        "account": account_text(opened_account_id(transaction.txid)),
        "member": member,
        "kind": effect.account_kind.value,
        "keys": key_set_document(effect.keys),
    }


def _measure_document(measure: Measure) -> MeasureDocument:
    return {
        "measure": cast("MeasureName", measure_kind(measure).name.lower()),
        "account": account_text(measure.account),
        "reason": measure.reason,
        "case": measure.case,
    }


def _attested_document(transaction: SignedTransaction, effect: Attest) -> AttestedDocument:
    return {
        "member": str(transaction.body.actors[-1].id),
        "kind": effect.kind.value,
        "subject": effect.subject,
        "revision": effect.revision,
        "sha256": effect.sha256.hex(),
    }


def _balance_document(asset: AssetCode, amount: int) -> BalanceDocument:
    return {"asset": asset, "posted": str(amount), "held": "0", "available": str(amount)}


def _vote_document(vote: SignedVote) -> VoteDocument:
    return {
        "source": checkpoint_document(vote.vote.source),
        "target": checkpoint_document(vote.vote.target),
        "set_id": vote.vote.set_id,
        "signature": vote.signature.hex(),
    }
