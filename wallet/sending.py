"""Sending: take sequences, sign, keep, submit, wait. Every step can be interrupted and repeated.

lock outbox -> sequences from the head, less what the outbox holds -> sign -> keep (fsync)
unlock      -> submit (the same bytes as often as need be) -> wait -> forget when final
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ledger.addresses import encode_account_id
from ledger.hashing import BlockHash
from ledger.identity import AccountId, MemberId
from ledger.kinds import Effect
from ledger.limits import LANES
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction
from wallet.building import next_actor, sign_transaction
from wallet.connection import Connection
from wallet.errors import ApiError, NodeUnreachable, TransactionFailed, WaitTimedOut, WalletError
from wallet.keystore import SigningKey
from wallet.outbox import Outbox
from wallet.session import Json

POLL_S: Final = 0.1
"""First pause between two looks at a transaction, seconds; it grows to `POLL_S_MAX`."""
POLL_S_MAX: Final = 1.0
POLL_GROWTH: Final = 1.5

_REFUSALS: Final = frozenset({400, 409, 413, 422})
"""HTTP statuses after which a transaction was certainly not taken, and never will be as it is."""
_NOT_FOUND: Final = 404


class Wait(StrEnum):
    """How far a command follows its transaction."""

    NONE = "none"
    INCLUDED = "included"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A transaction before it has sequences."""

    effect: Effect
    """What it does."""
    actors: tuple[AccountId | MemberId, ...]
    """Who acts."""
    signers: tuple[SigningKey, ...]
    """Who signs."""
    reference: str = ""
    """Text for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where a transaction is, as far as the wallet followed it."""

    txid: str
    """Its id in hex."""
    status: str
    """``pending``, ``included``, ``final``, ``expired`` or ``rejected``."""
    height: int | None
    """Height of its block, if it is in one."""
    reason: str | None = None
    """Code of why it was rejected or expired."""

    @property
    def line(self) -> str:
        """The receipt as people read it."""
        where = "" if self.height is None else f" at height {self.height}"
        return f"{self.txid} {self.status}{where}"

    def to_json(self) -> Json:
        """Return the document that ``--json`` prints."""
        return {"txid": self.txid, "status": self.status, "height": self.height}


class Sender:
    """Sends transactions of one home through one node."""

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        *,
        genesis_hash: BlockHash,
        progress: Callable[[str], None],
    ) -> None:
        self._client = connection.client
        self._head_height = connection.head_height
        self._outbox = outbox
        self._genesis_hash = genesis_hash
        self._progress = progress

    async def prepare(self, drafts: Sequence[Draft]) -> list[SignedTransaction]:
        """Sign drafts with free sequences and keep them in the outbox, all before any is sent.

        Raises:
            DecodeError: a field that the ledger would refuse.
            ApiError, NodeUnreachable: the sequences could not be read.
        """
        async with self._outbox.locked():
            kept = self._outbox.transactions()
            if kept:
                kept = await self._forget_settled(kept)
            pending = [actor for transaction in kept for actor in transaction.body.actors]
            sequences = await self._next_sequences({a for draft in drafts for a in draft.actors})
            signed = []
            for draft in drafts:
                actors = [next_actor(a, sequences[a], pending) for a in draft.actors]
                signed.append(self._sign(draft, actors))
                pending += actors
            for transaction in signed:
                self._outbox.keep(transaction)
        return signed

    async def submit(self, transaction: SignedTransaction, *, is_new: bool = True) -> Receipt:
        """Hand a kept transaction to the node; return its status there.

        Args:
            transaction: kept in the outbox.
            is_new: it was never submitted before, so that a refusal is the last word on it;
                otherwise another node may have taken it, and it stays kept until it expires.

        Raises:
            ApiError: refused. A new one that can never be taken has left the outbox.
            NodeUnreachable: unknown whether it was taken; it stays in the outbox.
        """
        txid = transaction.txid.hex()
        try:
            receipt = _receipt(txid, await self._client.submit(transaction.raw))
            if receipt.status != "pending":  # known already: ask where it is
                receipt = _receipt(txid, await self._client.transaction(txid))
        except ApiError as error:
            if is_new and error.status in _REFUSALS:
                self._outbox.remove(txid)
                raise
            raise _still_kept(error, txid) from None
        except NodeUnreachable as error:
            raise _still_kept(error, txid) from None
        self._progress(f"submitted {txid}")
        return self._checked(receipt)

    async def follow(
        self, transaction: SignedTransaction, receipt: Receipt, until: Wait, *, timeout_s: float
    ) -> Receipt:
        """Wait until a submitted transaction is included or final; return where it is then.

        Raises:
            TransactionFailed: it was rejected or expired.
            WaitTimedOut: code ``timeout``; it stays in the outbox.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not _has_reached(receipt, until):
                    receipt = await self._next_receipt(transaction, receipt)
        except TimeoutError:
            detail = (
                f"{receipt.txid} is {receipt.status} after {timeout_s:g} s; it may still go "
                f"through, and `sunlit wallet resend {receipt.txid}` is safe"
            )
            raise WaitTimedOut("timeout", detail, txid=receipt.txid) from None
        except NodeUnreachable as error:
            raise _still_kept(error, receipt.txid) from None
        return receipt

    def drop(self, transactions: Iterable[SignedTransaction]) -> None:
        """Forget prepared transactions that were never submitted."""
        for transaction in transactions:
            self._outbox.remove(transaction.txid.hex())

    async def _next_receipt(self, transaction: SignedTransaction, last: Receipt) -> Receipt:
        """Return the next change of a transaction's status."""
        pause_s = POLL_S
        while True:
            try:
                answer = await self._client.transaction(last.txid)
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
                # The node forgot it, so it gets the same bytes again.
                answer = await self._client.submit(transaction.raw)
            receipt = self._checked(_receipt(last.txid, answer))
            if receipt != last:
                self._progress(receipt.line)
                return receipt
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * POLL_GROWTH, POLL_S_MAX)

    def _checked(self, receipt: Receipt) -> Receipt:
        """Return a receipt; forget the transaction if that is its last state.

        Raises:
            TransactionFailed: with the ledger's code, or ``transaction_expired`` and
                ``transaction_rejected``.
        """
        if receipt.status in ("final", "expired", "rejected"):
            self._outbox.remove(receipt.txid)
        if receipt.status in ("expired", "rejected"):
            reason = receipt.reason or f"transaction_{receipt.status}"
            detail = f"{receipt.txid} is {receipt.status} and had no effect"
            raise TransactionFailed(reason, detail, txid=receipt.txid, status=receipt.status)
        return receipt

    async def _forget_settled(self, kept: list[SignedTransaction]) -> list[SignedTransaction]:
        """Remove what can no longer change: expired at the final block; return the rest.

        Expiry alone decides: a window is short, and while it lasts the bytes may be of use.
        """
        status = await self._client.status()
        final_height = int(status["finalized"]["height"])
        current = []
        for transaction in kept:
            if transaction.body.valid_until <= final_height:
                self._outbox.remove(transaction.txid.hex())
            else:
                current.append(transaction)
        return current

    async def _next_sequences(
        self, identities: Iterable[AccountId | MemberId]
    ) -> dict[AccountId | MemberId, dict[int, int]]:
        """Return the chain's next sequences at the head, by actor and lane."""
        sequences: dict[AccountId | MemberId, dict[int, int]] = {}
        members: dict[str, Json] | None = None
        for identity in identities:
            if isinstance(identity, bytes):
                account = await self._client.account(encode_account_id(identity), state="head")
                sequences[identity] = _lanes(account)
                continue
            if members is None:
                members = {
                    str(entry.get("member")): entry for entry in await self._client.members()
                }
            sequences[identity] = _lanes(members.get(identity, {}))
        return sequences

    def _sign(self, draft: Draft, actors: Sequence[Actor]) -> SignedTransaction:
        return sign_transaction(
            draft.effect,
            actors=actors,
            signers=draft.signers,
            genesis_hash=self._genesis_hash,
            head_height=self._head_height,
            nonce=os.urandom(NONCE_BYTES),
            reference=draft.reference,
        )


def _receipt(txid: str, answer: Json) -> Receipt:
    status, height, code = (answer.get(name) for name in ("status", "height", "code"))
    if answer.get("txid", txid) != txid or not isinstance(status, str):
        raise ApiError("bad_answer", f"no status of transaction {txid}", status=200)
    return Receipt(
        txid=txid,
        status=status,
        height=height if isinstance(height, int) else None,
        reason=code if isinstance(code, str) else None,
    )


def _has_reached(receipt: Receipt, until: Wait) -> bool:
    if until is Wait.NONE or receipt.status == "final":
        return True
    return until is Wait.INCLUDED and receipt.status == "included"


def _lanes(answer: Json) -> dict[int, int]:
    """Return ``next_sequences`` by lane number."""
    lanes: Any = answer.get("next_sequences")
    try:
        sequences = {int(lane): int(sequence) for lane, sequence in lanes.items()}
    except (AttributeError, TypeError, ValueError):
        raise ApiError("bad_answer", "the node gave no next_sequences", status=200) from None
    return {lane: sequence for lane, sequence in sequences.items() if lane < LANES}


def _still_kept(error: WalletError, txid: str) -> WalletError:
    """Return the same fault, saying that nothing is lost."""
    error.detail += f"; {txid} is kept, and `sunlit wallet resend {txid}` sends the same bytes"
    return error
